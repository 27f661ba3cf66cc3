package squeezebertmobile.core

/** A text is not valid JSON; the message gives the position. */
class JsonError(message: String) : Exception(message)

/**
 * JSON as plain values: Map, List, String, Boolean, Long, Double and null.
 *
 * As in Python's json, the last of duplicate keys wins, and a number without fraction and exponent is
 * an integer (Long). Unlike Python's, NaN and Infinity are errors, as the JSON standard requires.
 */
object Json {
    /**
     * Parses a JSON text.
     *
     * @throws JsonError if the text is not valid JSON, or is nested more than 100 levels deep.
     */
    fun parse(text: String): Any? = JsonReader(text).whole()

    /** Serializes a value as one line of ASCII. NaN and infinities become null. */
    fun write(value: Any?): String = StringBuilder().also { append(it, value) }.toString()

    private fun append(out: StringBuilder, value: Any?) {
        when (value) {
            is String -> appendText(out, value)
            is Map<*, *> -> appendAll(out, '{', value.entries, '}') { (key, item) ->
                appendText(out, key.toString())
                out.append(": ")
                append(out, item)
            }
            is Iterable<*> -> appendAll(out, '[', value, ']') { append(out, it) }
            is LongArray -> appendAll(out, '[', value.asIterable(), ']') { out.append(it) }
            is Double -> out.append(if (value.isFinite()) value.toString() else "null")
            is Int, is Long, is Boolean, null -> out.append(value)
            else -> error("no JSON for $value")
        }
    }

    private fun <T> appendAll(
        out: StringBuilder,
        open: Char,
        items: Iterable<T>,
        close: Char,
        appendItem: (T) -> Unit,
    ) {
        out.append(open)
        items.forEachIndexed { index, item ->
            if (index > 0) out.append(", ")
            appendItem(item)
        }
        out.append(close)
    }

    private fun appendText(out: StringBuilder, text: String) {
        out.append('"')
        for (char in text) {
            when {
                char == '"' || char == '\\' -> out.append('\\').append(char)
                char in ' '..'~' -> out.append(char)
                else -> out.append("\\u").append(char.code.toString(16).padStart(4, '0'))
            }
        }
        out.append('"')
    }
}

private const val MAX_DEPTH = 100
private val ESCAPES = mapOf(
    '"' to '"', '\\' to '\\', '/' to '/',
    'b' to '\b', 'f' to '\u000c', 'n' to '\n', 'r' to '\r', 't' to '\t',
)
private val WORDS = mapOf("true" to true, "false" to false, "null" to null)
private val NUMBER = Regex("-?(0|[1-9][0-9]*)(\\.[0-9]+)?([eE][+-]?[0-9]+)?")

private class JsonReader(private val text: String) {
    private var at = 0

    fun whole(): Any? {
        val value = value(0)
        skipSpace()
        if (at < text.length) fail("unexpected text after the value")
        return value
    }

    private fun value(depth: Int): Any? {
        if (depth > MAX_DEPTH) fail("nested more than $MAX_DEPTH levels deep")
        skipSpace()
        return when (peek()) {
            '{' -> map(depth)
            '[' -> list(depth)
            '"' -> text()
            't', 'f', 'n' -> word()
            else -> number()
        }
    }

    private fun map(depth: Int): Map<String, Any?> {
        val map = LinkedHashMap<String, Any?>()
        items('}') {
            skipSpace()
            if (peek() != '"') fail("a key must be a string")
            val key = text()
            skipSpace()
            take(':')
            map[key] = value(depth + 1)
        }
        return map
    }

    private fun list(depth: Int): List<Any?> {
        val list = ArrayList<Any?>()
        items(']') { list.add(value(depth + 1)) }
        return list
    }

    private fun items(close: Char, item: () -> Unit) {
        at++
        skipSpace()
        if (peek() == close) {
            at++
            return
        }
        while (true) {
            item()
            skipSpace()
            if (peek() == close) break
            take(',')
        }
        at++
    }

    private fun text(): String {
        take('"')
        val out = StringBuilder()
        while (true) {
            val char = peek() ?: fail("unterminated string")
            at++
            when {
                char == '"' -> return out.toString()
                char == '\\' -> out.append(escape())
                char < ' ' -> fail("a string contains a control character")
                else -> out.append(char)
            }
        }
    }

    private fun escape(): Char {
        val char = peek()
        at++
        if (char != 'u') return ESCAPES[char] ?: fail("\\$char is not a valid escape")
        val digits = text.substring(at, minOf(at + 4, text.length))
        if (digits.length < 4 || digits.any { Character.digit(it, 16) < 0 || it > 'f' }) {
            fail("\\u needs four hexadecimal digits")
        }
        at += 4
        return digits.toInt(16).toChar()
    }

    private fun word(): Any? {
        val word = WORDS.keys.firstOrNull { text.startsWith(it, at) } ?: fail("not a valid value")
        at += word.length
        return WORDS[word]
    }

    private fun number(): Number {
        val match = NUMBER.find(text, at)?.takeIf { it.range.first == at } ?: fail("a value is missing")
        at = match.range.last + 1
        val digits = match.value
        val isWhole = match.groupValues[2].isEmpty() && match.groupValues[3].isEmpty()
        return (if (isWhole) digits.toLongOrNull() else null) ?: digits.toDouble()
    }

    private fun peek(): Char? = text.getOrNull(at)

    private fun take(char: Char) {
        if (peek() != char) fail("'$char' is missing")
        at++
    }

    private fun skipSpace() {
        while (at < text.length && text[at] in " \t\n\r") at++
    }

    private fun fail(problem: String): Nothing = throw JsonError("$problem (character $at)")
}
