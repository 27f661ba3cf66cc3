package squeezebertmobile.app.screens

import android.view.View
import android.widget.EditText
import squeezebertmobile.app.R
import squeezebertmobile.app.data.Prediction
import squeezebertmobile.app.data.Question
import squeezebertmobile.app.views.Bars
import squeezebertmobile.app.views.lines
import squeezebertmobile.app.views.onTyping
import squeezebertmobile.app.views.words

/** Zero-shot classification: a bar for each of the labels that the user has typed. */
class ZeroShotScreen(root: View, changed: () -> Unit) : TaskScreen {
    private val text = root.findViewById<EditText>(R.id.text).onTyping(changed)
    private val labels = root.findViewById<EditText>(R.id.labels).onTyping(changed)
    private val bars = Bars(root.findViewById(R.id.bars))

    override fun question(): Question? {
        val typed = labels.lines()
        return text.words()?.takeIf { typed.isNotEmpty() }?.let { Question.ZeroShot(it, typed) }
    }

    override fun show(prediction: Prediction?) = bars.show((prediction as Prediction.Ranking?)?.items.orEmpty())
}
