package squeezebertmobile.app.screens

import android.text.SpannableString
import android.text.Spanned
import android.text.style.BackgroundColorSpan
import android.text.style.ForegroundColorSpan
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
import squeezebertmobile.core.Entity

/** A text, and the same text with its names, places and so on in colours. */
class TagScreen(root: View, changed: () -> Unit) : TaskScreen {
    private val text = root.findViewById<EditText>(R.id.text).onTyping(changed)
    private val tagged = root.findViewById<TextView>(R.id.tagged)
    private val none = root.findViewById<View>(R.id.none)
    private val bars = Bars(root.findViewById(R.id.bars))
    private val colours = tagged.resources.obtainTypedArray(R.array.tag_colours).let { array ->
        IntArray(array.length()) { array.getColor(it, 0) }.also { array.recycle() }
    }
    private var asked = ""

    override fun question() = text.words()?.let { Question.Tag(it) }.also { asked = text.text.toString() }

    override fun show(finding: Finding?) {
        val entities = (finding as Finding.Tags?)?.entities.orEmpty()
        val labels = entities.map { it.label }.distinct().sorted()
        tagged.text = coloured(asked, entities) { colours[labels.indexOf(it) % colours.size] }
        none.visibility = if (finding != null && entities.isEmpty()) View.VISIBLE else View.GONE
        bars.show(entities.take(MOST_SHOWN).map { Scored("${it.label}  ${it.word}", it.score) }) { row ->
            colours[labels.indexOf(entities[row].label) % colours.size]
        }
    }

    private fun coloured(text: String, entities: List<Entity>, colour: (String) -> Int): CharSequence {
        val shown = SpannableString(text)
        val ink = tagged.context.getColor(R.color.on_tag)
        for (entity in entities) {
            val (from, to) = units(text, entity.start, entity.end) ?: continue
            shown.setSpan(BackgroundColorSpan(colour(entity.label)), from, to, Spanned.SPAN_EXCLUSIVE_EXCLUSIVE)
            shown.setSpan(ForegroundColorSpan(ink), from, to, Spanned.SPAN_EXCLUSIVE_EXCLUSIVE)
        }
        return shown
    }
}

private const val MOST_SHOWN = 30 // rows below the text
