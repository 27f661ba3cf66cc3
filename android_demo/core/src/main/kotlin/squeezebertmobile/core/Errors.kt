package squeezebertmobile.core

/**
 * Every error that this package raises on purpose.
 *
 * A message says in one line what is wrong, with the value, and what would be right. It is printable
 * whatever it quotes: a line break or an escape sequence from somebody's file shows as `\u000a`.
 */
sealed class SqueezeBertMobileError(message: String) : Exception(printable(message))

/** The artifact is damaged, incomplete, or of a version that this one does not read. */
class ArtifactError(message: String) : SqueezeBertMobileError(message)

/** A text, an id or an option cannot be used. */
class InputError(message: String) : SqueezeBertMobileError(message)

/** The runtime has the model, and cannot load or run it. */
class ModelError(message: String) : SqueezeBertMobileError(message)

/** A runtime's native library or its Java classes are not there, or do not fit each other. */
class LibraryError(message: String) : SqueezeBertMobileError(message)

private val UNPRINTABLE = setOf(
    CharCategory.CONTROL,
    CharCategory.FORMAT,
    CharCategory.SURROGATE,
    CharCategory.LINE_SEPARATOR,
    CharCategory.PARAGRAPH_SEPARATOR,
)

private fun printable(message: String): String =
    message.map { if (it.category in UNPRINTABLE) escaped(it) else it }.joinToString("")

private fun escaped(char: Char): String = "\\u" + char.code.toString(16).padStart(4, '0')

/** A value in a message: texts in quotes, long ones cut. */
fun shown(value: Any?): String {
    val text = if (value is String) "'$value'" else value.toString()
    return if (text.length <= LONGEST_SHOWN) text else text.take(LONGEST_SHOWN) + "…"
}

private const val LONGEST_SHOWN = 200

/** The first line of what a library says. */
fun firstLine(error: Throwable): String =
    error.message?.trim()?.lineSequence()?.firstOrNull()?.ifEmpty { null } ?: error.javaClass.simpleName
