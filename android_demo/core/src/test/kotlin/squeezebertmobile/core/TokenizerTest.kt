package squeezebertmobile.core

import org.junit.Assert.assertEquals
import org.junit.Assert.assertThrows
import org.junit.Assert.assertTrue
import org.junit.Test
import java.io.File

class TokenizerTest {
    private val golden = readJson(File(REPOSITORY, "tests/golden/wordpiece.json"))
    private val file = golden.record("tokenizer")

    private fun tokenizer(overrides: Any?) = Tokenizer(settingsOf(file + overrides.asRecord(), emptyMap()))

    @Test
    fun `golden texts have Hugging Face's ids and offsets`() {
        val tokenizers = golden.record("variants").mapValues { tokenizer(it.value) }
        val texts = golden.records("texts")
        texts.forEach { assertSame(tokenizers.getValue(it.text("variant")), it) }
        assertTrue(texts.size > 100)
    }

    @Test
    fun `golden pairs are truncated as in Python`() {
        val ours = tokenizer(emptyMap<String, Any?>())
        golden.records("rows").forEach { assertSameRow(ours, it) }
    }

    @Test
    fun `ids and tokens are decoded to the same texts`() {
        val ours = tokenizer(emptyMap<String, Any?>())
        for (each in golden.records("decoded")) {
            assertEquals(each["text"], ours.decode(each.ints("ids"), each["skip_special"] as Boolean))
        }
        val joined = golden.record("joined")
        assertEquals(joined["text"], ours.join(checkNotNull(joined.texts("tokens"))))
    }

    @Test
    fun `random texts and pairs have Hugging Face's ids and offsets`() {
        expected("random.jsonl").useLines { lines ->
            val each = lines.map { Json.parse(it).asRecord() }.iterator()
            val head = each.next()
            val file = head.record("tokenizer")
            val tokenizers = head.records("variants").map { Tokenizer(settingsOf(file + it, emptyMap())) }
            var count = 0
            for (case in each) {
                val ours = tokenizers[case.int("variant")]
                if ("pair" in case) assertSameRow(ours, case) else assertSame(ours, case)
                count++
            }
            assertEquals(head.int("count"), count)
            assertTrue(count >= 200)
        }
    }

    @Test
    fun `an unpaired surrogate is refused`() {
        val ours = tokenizer(emptyMap<String, Any?>())
        val error = assertThrows(InputError::class.java) { ours.encode("a\ud83d b") }
        assertEquals("a text is not valid Unicode: unpaired surrogate at character 1", error.message)
    }

    @Test
    fun `a length without room for the special tokens is refused`() {
        val ours = tokenizer(emptyMap<String, Any?>())
        val error = assertThrows(InputError::class.java) { ours.row("a", "b", maxLength = 2) }
        assertEquals("a length of 2 is too short: the special tokens alone take 3", error.message)
    }

    private fun assertSame(ours: Tokenizer, theirs: Map<String, Any?>) {
        val found = ours.encode(theirs.text("text"))
        val all = listOf(found.ids, found.starts, found.ends, found.words).map { it.toList() }
        assertEquals(shown(theirs["text"]), listOf("ids", "starts", "ends", "words").map { theirs.ints(it) }, all)
    }

    private fun assertSameRow(ours: Tokenizer, theirs: Map<String, Any?>) {
        val found = ours.row(theirs.text("text"), theirs.text("pair"), theirs.int("length"))
        val all = listOf(found.ids(), found.typeIds()).map { it.toList() }
        assertEquals(shown(theirs["text"]), listOf("ids", "types").map { theirs.ints(it) }, all)
    }
}
