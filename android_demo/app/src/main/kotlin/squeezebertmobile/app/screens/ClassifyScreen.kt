package squeezebertmobile.app.screens

import android.view.View
import android.widget.EditText
import squeezebertmobile.app.R
import squeezebertmobile.app.data.Finding
import squeezebertmobile.app.data.Question
import squeezebertmobile.app.views.Bars
import squeezebertmobile.app.views.onTyping
import squeezebertmobile.app.views.words

/** A text, and a bar for each of its likeliest labels. */
class ClassifyScreen(root: View, changed: () -> Unit) : TaskScreen {
    private val text = root.findViewById<EditText>(R.id.text).onTyping(changed)
    private val bars = Bars(root.findViewById(R.id.bars))

    override fun question() = text.words()?.let { Question.Classify(it) }

    override fun show(finding: Finding?) = bars.show((finding as Finding.Ranking?)?.items.orEmpty())
}
