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
import squeezebertmobile.app.data.Prediction
import squeezebertmobile.app.data.Question
import squeezebertmobile.app.data.Scored
import squeezebertmobile.app.views.Bars
import squeezebertmobile.app.views.onTyping
import squeezebertmobile.app.views.utf16Span
import squeezebertmobile.app.views.words

/** Question answering: the answer is marked in the passage. */
class AskScreen(root: View, changed: () -> Unit) : TaskScreen {
    private val question = root.findViewById<EditText>(R.id.question).onTyping(changed)
    private val passage = root.findViewById<EditText>(R.id.passage).onTyping(changed)
    private val marked = root.findViewById<TextView>(R.id.marked)
    private val bars = Bars(root.findViewById(R.id.bars))
    private var askedPassage = ""

    override fun question(): Question? {
        askedPassage = passage.text.toString()
        val context = passage.words() ?: return null
        return question.words()?.let { Question.Ask(it, context) }
    }

    override fun show(prediction: Prediction?) {
        val answer = prediction as Prediction.Passage?
        bars.show(listOfNotNull(answer?.let { Scored(it.answer, it.score) }))
        marked.text = SpannableString(askedPassage).also { shown ->
            val (from, to) = answer?.let { utf16Span(askedPassage, it.start, it.end) } ?: return@also
            val colour = marked.context.getColor(R.color.highlight)
            shown.setSpan(BackgroundColorSpan(colour), from, to, Spanned.SPAN_EXCLUSIVE_EXCLUSIVE)
            shown.setSpan(StyleSpan(Typeface.BOLD), from, to, Spanned.SPAN_EXCLUSIVE_EXCLUSIVE)
        }
    }
}
