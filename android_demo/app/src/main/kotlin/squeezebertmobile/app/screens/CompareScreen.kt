package squeezebertmobile.app.screens

import android.view.View
import android.widget.EditText
import squeezebertmobile.app.R
import squeezebertmobile.app.data.Prediction
import squeezebertmobile.app.data.Question
import squeezebertmobile.app.data.Scored
import squeezebertmobile.app.views.Bars
import squeezebertmobile.app.views.onTyping
import squeezebertmobile.app.views.words

/** Similarity of two sentences: the cosine of their vectors. */
class CompareScreen(root: View, changed: () -> Unit) : TaskScreen {
    private val first = root.findViewById<EditText>(R.id.first_sentence).onTyping(changed)
    private val second = root.findViewById<EditText>(R.id.second_sentence).onTyping(changed)
    private val bars = Bars(root.findViewById(R.id.bars), format = R.string.number)
    private val name = root.context.getString(R.string.cosine)

    override fun question(): Question? {
        val secondText = second.words() ?: return null
        return first.words()?.let { Question.Compare(it, secondText) }
    }

    override fun show(prediction: Prediction?) =
        bars.show(listOfNotNull((prediction as Prediction.Similarity?)?.let { Scored(name, it.cosine) }))
}
