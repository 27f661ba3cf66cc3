package squeezebertmobile.app.screens

import android.view.View
import android.widget.EditText
import squeezebertmobile.app.R
import squeezebertmobile.app.data.Finding
import squeezebertmobile.app.data.Question
import squeezebertmobile.app.data.Scored
import squeezebertmobile.app.views.Bars
import squeezebertmobile.app.views.onTyping
import squeezebertmobile.app.views.words

/** Two sentences, and how alike they are: the cosine of their vectors. */
class CompareScreen(root: View, changed: () -> Unit) : TaskScreen {
    private val one = root.findViewById<EditText>(R.id.one).onTyping(changed)
    private val other = root.findViewById<EditText>(R.id.other).onTyping(changed)
    private val bars = Bars(root.findViewById(R.id.bars))
    private val name = root.context.getString(R.string.likeness)

    override fun question(): Question? {
        val second = other.words() ?: return null
        return one.words()?.let { Question.Compare(it, second) }
    }

    override fun show(finding: Finding?) =
        bars.show(listOfNotNull((finding as Finding.Likeness?)?.let { Scored(name, it.cosine) }))
}
