package squeezebertmobile.app.screens

import android.text.SpannableString
import android.text.Spanned
import android.text.style.BackgroundColorSpan
import android.text.style.ForegroundColorSpan
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
import squeezebertmobile.core.Entity

/** Token classification: the text with its entities in colours, one for each label. */
class TagScreen(root: View, changed: () -> Unit) : TaskScreen {
    private val text = root.findViewById<EditText>(R.id.text).onTyping(changed)
    private val tagged = root.findViewById<TextView>(R.id.tagged)
    private val none = root.findViewById<View>(R.id.none)
    private val bars = Bars(root.findViewById(R.id.bars))
    private val colours = tagged.resources.obtainTypedArray(R.array.tag_colours).let { array ->
        IntArray(array.length()) { array.getColor(it, 0) }.also { array.recycle() }
    }
    private var askedText = ""

    override fun question() = text.words()?.let { Question.Tag(it) }.also { askedText = text.text.toString() }

    override fun show(prediction: Prediction?) {
        val entities = (prediction as Prediction.Tags?)?.entities.orEmpty()
        val labels = entities.map { it.label }.distinct().sorted()
        tagged.text = coloured(askedText, entities) { colours[labels.indexOf(it) % colours.size] }
        none.visibility = if (prediction != null && entities.isEmpty()) View.VISIBLE else View.GONE
        bars.show(entities.take(MAX_ROWS).map { Scored("${it.label}  ${it.word}", it.score) }) { row ->
            colours[labels.indexOf(entities[row].label) % colours.size]
        }
    }

    private fun coloured(text: String, entities: List<Entity>, colour: (String) -> Int): CharSequence {
        val shown = SpannableString(text)
        val ink = tagged.context.getColor(R.color.on_tag)
        for (entity in entities) {
            val (from, to) = utf16Span(text, entity.start, entity.end) ?: continue
            shown.setSpan(BackgroundColorSpan(colour(entity.label)), from, to, Spanned.SPAN_EXCLUSIVE_EXCLUSIVE)
            shown.setSpan(ForegroundColorSpan(ink), from, to, Spanned.SPAN_EXCLUSIVE_EXCLUSIVE)
        }
        return shown
    }
}

private const val MAX_ROWS = 30 // of entities below the text
