package squeezebertmobile.app.screens

import android.view.View
import android.widget.EditText
import squeezebertmobile.app.R
import squeezebertmobile.app.data.Prediction
import squeezebertmobile.app.data.Question
import squeezebertmobile.app.views.Bars
import squeezebertmobile.app.views.onTyping
import squeezebertmobile.app.views.words

/** Text classification: a bar for each of the most likely labels. */
class ClassifyScreen(root: View, changed: () -> Unit) : TaskScreen {
    private val text = root.findViewById<EditText>(R.id.text).onTyping(changed)
    private val bars = Bars(root.findViewById(R.id.bars))

    override fun question() = text.words()?.let { Question.Classify(it) }

    override fun show(prediction: Prediction?) = bars.show((prediction as Prediction.Ranking?)?.items.orEmpty())
}
