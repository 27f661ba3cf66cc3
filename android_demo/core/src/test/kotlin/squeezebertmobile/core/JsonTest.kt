package squeezebertmobile.core

import org.junit.Assert.assertEquals
import org.junit.Assert.assertThrows
import org.junit.Test

class JsonTest {
    @Test
    fun `values are read`() {
        val text = """ {"a": [1, -2.5e1, true, false, null], "b\n\u00e9\ud83d\ude00": {}, "c": "é/\/\"" , "a2": []} """
        val found = mapOf(
            "a" to listOf(1L, -25.0, true, false, null),
            "b\né\ud83d\ude00" to emptyMap<String, Any?>(),
            "c" to "é//\"",
            "a2" to emptyList<Any?>(),
        )
        assertEquals(found, Json.parse(text))
        assertEquals(9223372036854775807L, Json.parse("9223372036854775807"))
        assertEquals(9.223372036854775808e18, Json.parse("9223372036854775808"))
    }

    @Test
    fun `written values are read back`() {
        val value = mapOf("é\n\"\\" to listOf(1L, 0.1, "\ud83d\ude00\u0000", null, true), "n" to Double.NaN)
        val text = Json.write(value)
        assertEquals("""{"\u00e9\u000a\"\\": [1, 0.1, "\ud83d\ude00\u0000", null, true], "n": null}""", text)
        assertEquals(value + ("n" to null), Json.parse(text))
        assertEquals("[1, 2]", Json.write(longArrayOf(1, 2)))
    }

    @Test
    fun `invalid JSON is refused with its position`() {
        val wrong = mapOf(
            "" to "a value is missing (character 0)",
            "[1" to "',' is missing (character 2)",
            "[1,]" to "a value is missing (character 3)",
            "{1: 2}" to "a key must be a string (character 1)",
            "{\"a\" 2}" to "':' is missing (character 5)",
            "\"abc" to "unterminated string (character 4)",
            "\"\\x\"" to "\\x is not a valid escape (character 3)",
            "\"\\u00g0\"" to "\\u needs four hexadecimal digits (character 3)",
            "\"\n\"" to "a string contains a control character (character 2)",
            "tru" to "not a valid value (character 0)",
            "NaN" to "a value is missing (character 0)",
            "01" to "unexpected text after the value (character 1)",
            "1 2" to "unexpected text after the value (character 2)",
            "+1" to "a value is missing (character 0)",
            "[".repeat(102) to "nested more than 100 levels deep (character 101)",
        )
        for ((text, message) in wrong) {
            assertEquals(message, assertThrows(text, JsonError::class.java) { Json.parse(text) }.message)
        }
    }
}
