package squeezebertmobile.core

/**
 * Base class of all errors that this package raises on purpose.
 *
 * A message is one line: what is wrong, the offending value, and what would be valid. Unprintable
 * characters are escaped, so that a line break from an untrusted file appears as `\u000a`.
 */
sealed class SqueezeBertMobileError(message: String) : Exception(printable(message))

/** The artifact is damaged, incomplete, or has an unsupported schema version. */
class ArtifactError(message: String) : SqueezeBertMobileError(message)

/** A text, a token id or an option is invalid. */
class InputError(message: String) : SqueezeBertMobileError(message)

/** The runtime cannot load or run the model. */
class ModelError(message: String) : SqueezeBertMobileError(message)

/** A runtime's native library or Java classes are missing, or their versions differ. */
class LibraryError(message: String) : SqueezeBertMobileError(message)

private val UNPRINTABLE = setOf(
    Character.CONTROL,
    Character.FORMAT,
    Character.SURROGATE, // unpaired
    Character.LINE_SEPARATOR,
    Character.PARAGRAPH_SEPARATOR,
)

private fun printable(message: String): String {
    val out = StringBuilder()
    var at = 0
    while (at < message.length) {
        val code = message.codePointAt(at)
        val part = message.substring(at, at + Character.charCount(code))
        if (Character.getType(code).toByte() in UNPRINTABLE) part.forEach { out.append(escaped(it)) } else out.append(part)
        at += part.length
    }
    return out.toString()
}

private fun escaped(char: Char): String = "\\u" + char.code.toString(16).padStart(4, '0')

/** Formats a value for an error message: strings are quoted, long values are truncated. */
fun shown(value: Any?): String {
    val text = if (value is String) "'$value'" else value.toString()
    return if (text.length <= MAX_SHOWN_LENGTH) text else text.take(MAX_SHOWN_LENGTH) + "…"
}

private const val MAX_SHOWN_LENGTH = 200

/** The first line of an exception's message, or its class name if it has none. */
fun firstLine(error: Throwable): String =
    error.message?.trim()?.lineSequence()?.firstOrNull()?.ifEmpty { null } ?: error.javaClass.simpleName
