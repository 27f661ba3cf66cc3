package squeezebertmobile.app.views

import android.text.Editable
import android.text.TextWatcher
import android.widget.EditText

/** Calls [changed] whenever the text has changed. */
fun EditText.onTyping(changed: () -> Unit): EditText = apply {
    addTextChangedListener(
        object : TextWatcher {
            override fun beforeTextChanged(text: CharSequence, start: Int, count: Int, after: Int) = Unit

            override fun onTextChanged(text: CharSequence, start: Int, before: Int, count: Int) = Unit

            override fun afterTextChanged(text: Editable) = changed()
        },
    )
}

/** The text, or null where there is no word in it. */
fun EditText.words(): String? = text.toString().takeIf { it.isNotBlank() }

/**
 * Where a piece of [text] begins and ends in Java's units, of which an emoji has two.
 *
 * @param start where it begins in characters (code points).
 * @param end where it ends.
 * @return null where it is empty, or no longer in the text.
 */
fun units(text: String, start: Int, end: Int): Pair<Int, Int>? {
    if (start >= end || end > text.codePointCount(0, text.length)) return null
    val from = text.offsetByCodePoints(0, start)
    return from to text.offsetByCodePoints(from, end - start)
}
