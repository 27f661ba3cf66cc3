package squeezebertmobile.app.screens

import android.view.View
import android.widget.EditText
import squeezebertmobile.app.R
import squeezebertmobile.app.data.Prediction
import squeezebertmobile.app.data.Question
import squeezebertmobile.app.views.Bars
import squeezebertmobile.app.views.onTyping
import squeezebertmobile.app.views.words

/** Multiple choice: a text and two to four choices. */
class ChooseScreen(root: View, changed: () -> Unit) : TaskScreen {
    private val text = root.findViewById<EditText>(R.id.text).onTyping(changed)
    private val choices = listOf(R.id.choice_1, R.id.choice_2, R.id.choice_3, R.id.choice_4).map {
        root.findViewById<EditText>(it).onTyping(changed)
    }
    private val bars = Bars(root.findViewById(R.id.bars))

    override fun question(): Question? {
        val filled = choices.mapNotNull { it.words() }
        return text.words()?.takeIf { filled.size >= 2 }?.let { Question.Choose(it, filled) }
    }

    override fun show(prediction: Prediction?) = bars.show((prediction as Prediction.Ranking?)?.items.orEmpty())
}
