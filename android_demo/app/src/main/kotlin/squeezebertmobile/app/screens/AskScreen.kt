package squeezebertmobile.app.screens

import android.graphics.Typeface
import android.text.SpannableString
import android.text.Spanned
import android.text.style.BackgroundColorSpan
import android.text.style.StyleSpan
import android.view.View
import android.widget.EditText
import android.widget.TextView
import squeezebertmobile.app.R
import squeezebertmobile.app.data.Finding
import squeezebertmobile.app.data.Question
import squeezebertmobile.app.data.Scored
import squeezebertmobile.app.views.Bars
import squeezebertmobile.app.views.onTyping
import squeezebertmobile.app.views.units
import squeezebertmobile.app.views.words

/** A question about a passage; the answer is marked in it. */
class AskScreen(root: View, changed: () -> Unit) : TaskScreen {
    private val question = root.findViewById<EditText>(R.id.question).onTyping(changed)
    private val passage = root.findViewById<EditText>(R.id.passage).onTyping(changed)
    private val marked = root.findViewById<TextView>(R.id.marked)
    private val bars = Bars(root.findViewById(R.id.bars))
    private var asked = ""

    override fun question(): Question? {
        asked = passage.text.toString()
        val about = passage.words() ?: return null
        return question.words()?.let { Question.Ask(it, about) }
    }

    override fun show(finding: Finding?) {
        val found = finding as Finding.Passage?
        bars.show(listOfNotNull(found?.let { Scored(it.answer, it.score) }))
        marked.text = SpannableString(asked).also { shown ->
            val (from, to) = found?.let { units(asked, it.start, it.end) } ?: return@also
            val colour = marked.context.getColor(R.color.highlight)
            shown.setSpan(BackgroundColorSpan(colour), from, to, Spanned.SPAN_EXCLUSIVE_EXCLUSIVE)
            shown.setSpan(StyleSpan(Typeface.BOLD), from, to, Spanned.SPAN_EXCLUSIVE_EXCLUSIVE)
        }
    }
}
