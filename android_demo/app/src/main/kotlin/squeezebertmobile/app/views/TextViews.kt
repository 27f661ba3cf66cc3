package squeezebertmobile.app.views

import android.text.Editable
import android.text.TextWatcher
import android.widget.EditText

/** Calls [changed] whenever the text changes. */
fun EditText.onTyping(changed: () -> Unit): EditText = apply {
    addTextChangedListener(
        object : TextWatcher {
            override fun beforeTextChanged(text: CharSequence, start: Int, count: Int, after: Int) = Unit

            override fun onTextChanged(text: CharSequence, start: Int, before: Int, count: Int) = Unit

            override fun afterTextChanged(text: Editable) = changed()
        },
    )
}

/** The text, or null if it is blank. */
fun EditText.words(): String? = text.toString().takeIf { it.isNotBlank() }

/** The lines that are not blank, each once. */
fun EditText.lines(): List<String> = text.lines().map { it.trim() }.filter { it.isNotEmpty() }.distinct()

/**
 * Converts a span of [text] from code points to UTF-16 units, of which an emoji has two.
 *
 * @param start start offset in characters (code points).
 * @param end end offset in characters.
 * @return the offsets in UTF-16 units; null if the span is empty or outside the text.
 */
fun utf16Span(text: String, start: Int, end: Int): Pair<Int, Int>? {
    if (start >= end || end > text.codePointCount(0, text.length)) return null
    val from = text.offsetByCodePoints(0, start)
    return from to text.offsetByCodePoints(from, end - start)
}
