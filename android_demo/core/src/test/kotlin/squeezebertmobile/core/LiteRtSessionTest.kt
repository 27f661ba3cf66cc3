package squeezebertmobile.core

import org.junit.Assert.assertArrayEquals
import org.junit.Assert.assertEquals
import org.junit.Assert.assertThrows
import org.junit.Test

/** What a session does around LiteRT, which does not run on a JVM. */
class LiteRtSessionTest {
    /** Its output for a token is the token's id and a column; for a row, the sum of the ids and the mask. */
    private class Sums(private val manifest: Manifest, private val extra: Int = 0) : LiteRtModel {
        val lengths = ArrayList<Int>()
        var isClosed = false

        override fun run(inputs: List<IntArray>): Map<String, FloatArray> {
            val (ids, mask) = inputs
            lengths.add(ids.size)
            return manifest.outputs.associate { spec ->
                val axes = TASKS.getValue(manifest.task).outputs.getValue(spec.name)
                val width = if (axes.last() in listOf("sequence", "choices")) 1 else WIDTH
                val values =
                    if ("sequence" in axes) ids.flatMap { id -> List(width) { id * 10 + it } }
                    else List(width) { ids.sum() * 1000 + mask.sum() * 10 + it }
                spec.name to FloatArray(values.size + extra) { values.getOrElse(it) { 0 }.toFloat() }
            }
        }

        override fun close() {
            isClosed = true
        }
    }

    private fun manifest(name: String, lengths: List<Long>? = listOf(6, 12)): Manifest {
        val data = readJson(ARTIFACTS.getValue(name).resolve(MANIFEST_FILE))
        val more = if (lengths == null) emptyMap() else mapOf("sequence_lengths" to lengths)
        return manifestOf(data + mapOf("format" to "litert", "max_sequence_length" to 12L) + more)
    }

    private val rows = listOf(longArrayOf(2, 5, 3), longArrayOf(2, 7, 3))

    @Test
    fun `a row runs padded in the shortest length that it fits in`() {
        val manifest = manifest("text-classification")
        val model = Sums(manifest)
        LiteRtSession.of(model, manifest).use { session ->
            for (length in listOf(1, 6, 7, 12)) session.run(Feed.of(manifest, listOf(LongArray(length) { 1 })))
            assertEquals(listOf(6, 6, 12, 12), model.lengths)
            val logits = session.run(Feed.of(manifest, listOf(rows[0]))).getValue("logits")
            assertArrayEquals(FloatArray(WIDTH) { 10_030f + it }, logits.values, 0f) // neither ids nor mask of the padding
        }
        assertEquals(true, model.isClosed)
    }

    @Test
    fun `outputs of every task have the shape of the rows`() {
        for ((task, shapes) in SHAPES) {
            val manifest = manifest(task)
            val model = Sums(manifest)
            val feed = Feed.of(manifest, rows)
            val outputs = LiteRtSession.of(model, manifest).run(feed)
            assertEquals(task, shapes, outputs.mapValues { it.value.shape.toList() })
            assertEquals(task, listOf(6, 6), model.lengths)
            for ((name, tensor) in outputs) {
                val axes = TASKS.getValue(task).outputs.getValue(name)
                if ("sequence" !in axes) continue
                val width = tensor.values.size / 6
                val ids = tensor.values.filterIndexed { index, _ -> index % width == 0 }.map { it / 10 }
                assertEquals(task, listOf(2f, 5f, 3f, 2f, 7f, 3f), ids)
            }
        }
    }

    @Test
    fun `without lengths the file has the longest one`() {
        val manifest = manifest("text-classification", lengths = null)
        val model = Sums(manifest)
        LiteRtSession.of(model, manifest).prepare(Feed.of(manifest, rows)).use { it.run() }
        assertEquals(listOf(12, 12), model.lengths)
    }

    @Test
    fun `what does not fit is refused in one line`() {
        val short = manifest("text-classification", listOf(4))
        val error = assertThrows(InputError::class.java) {
            LiteRtSession.of(Sums(short), short).run(Feed.of(short, listOf(LongArray(5) { 1 })))
        }
        assertEquals("'input_ids' has 5 tokens per row, but this model takes at most 4", error.message)
        val tokens = manifest("token-classification")
        val wrong = assertThrows(ModelError::class.java) {
            LiteRtSession.of(Sums(tokens, extra = 1), tokens).run(Feed.of(tokens, rows))
        }
        val values = 6 * WIDTH + 1
        assertEquals("the model's output has $values values for 6 tokens; export the checkpoint again", wrong.message)
        for (lengths in listOf(emptyList(), listOf(0L))) {
            assertThrows(ShapeError::class.java) { manifest("text-classification", lengths) }
        }
    }

    private companion object {
        const val WIDTH = 4
        val SHAPES = mapOf(
            "text-classification" to mapOf("logits" to listOf(2, WIDTH)),
            "token-classification" to mapOf("logits" to listOf(2, 3, WIDTH)),
            "fill-mask" to mapOf("logits" to listOf(2, 3, WIDTH)),
            "question-answering" to mapOf("start_logits" to listOf(2, 3), "end_logits" to listOf(2, 3)),
            "multiple-choice" to mapOf("logits" to listOf(1, 2)),
            "feature-extraction" to mapOf("last_hidden_state" to listOf(2, 3, WIDTH), "pooler_output" to listOf(2, WIDTH)),
        )
    }
}
