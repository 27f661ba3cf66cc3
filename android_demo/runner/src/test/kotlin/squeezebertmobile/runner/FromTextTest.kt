package squeezebertmobile.runner

import org.junit.Assert.assertEquals
import org.junit.Assert.assertTrue
import org.junit.Before
import org.junit.Rule
import org.junit.Test
import org.junit.rules.TemporaryFolder
import squeezebertmobile.core.Json
import squeezebertmobile.core.asLongs
import java.io.File

/** Texts in a job: the first answer of a process, and blocks from text to answer. */
class FromTextTest {
    @get:Rule
    val temporary = TemporaryFolder()
    private lateinit var runner: RunnerProcess

    @Before
    fun makeRunner() {
        runner = RunnerProcess(temporary.root)
    }

    private val warmUp = mapOf("do" to "warm_up", "id" to "w", "input" to "text", "most_runs" to 30, "most_seconds" to 1)
    private val block =
        mapOf("do" to "block", "id" to "b", "input" to "text", "lead_in" to 1, "samples" to 7, "seconds" to 0)
    private val end = mapOf("do" to "end", "id" to "e")

    private fun lines(vararg commands: Map<String, Any?>) = commands.joinToString("") { Json.write(it) + "\n" }

    private fun assertError(output: RunnerOutput, kind: String, message: String) {
        assertEquals(kind to message, output.error)
    }

    private val text = mapOf("text" to "play some jazz", "question" to "Who plays?", "choices" to listOf("a", "b"))
    private val first = mapOf("do" to "first_answer", "id" to "1", "input" to "text")
    private val noInputs = "inputs" to emptyMap<String, Any>()

    @Test
    fun `a text is answered, and measured like ids`() {
        val begin = System.nanoTime()
        val commands = listOf(first, warmUp, block, end)
        val output = runner.run(runner.job("protocol" to 2, "texts" to mapOf("text" to text), noInputs, "commands" to commands))
        val whole = System.nanoTime() - begin
        assertEquals(listOf("ready", "first_answer", "warm_up", "block", "end"), output.events.takeLast(5))
        val answer = output.only("first_answer")
        assertEquals("1" to "text", answer["id"] to answer["input"])
        val since = answer["since_start_ns"] as Long
        assertTrue("$since", since in output.only("load")["load_ns"] as Long - TICK..whole + TICK)
        assertEquals(7, output.only("block")["samples_ns"].asLongs().size)
        assertTrue(output.only("warm_up")["samples_ns"].asLongs().all { it > 0 })
    }

    @Test
    fun `texts of every task are answered`() {
        val artifacts = File(checkNotNull(System.getProperty("repository")), "tests/golden/app")
        for (task in TASKS) {
            val asked = text + if (task == "fill-mask") mapOf("text" to "play some [MASK]") else emptyMap()
            val job = runner.job("artifact" to File(artifacts, task).path, "golden" to false, "texts" to mapOf("text" to asked), noInputs)
            assertEquals(task, "first_answer", runner.run(job + ("commands" to emptyList<Any>()), lines(first)).events.dropLast(1).last())
        }
    }

    @Test
    fun `texts that cannot be answered are refused`() {
        val wrong = runner.job("texts" to mapOf("text" to text), "golden" to false, "commands" to listOf(first + ("input" to "other")))
        assertError(runner.run(wrong), "job", "the job has no input 'other'; it has: 16, text")
        assertError(runner.run(wrong + ("commands" to listOf(first + ("input" to "16")))), "job", "the job has no input '16'; it has: 16, text")
        assertError(
            runner.run(wrong + ("texts" to mapOf("16" to text))),
            "job",
            "the job has an input and a text named '16'; give each a name of its own",
        )
        val copy = File(temporary.root, "copy")
        DEMO.copyRecursively(copy)
        File(copy, "vocab.txt").writeText("")
        File(copy, "tokenizer.json").writeText("{}")
        val broken = runner.run(wrong + mapOf("artifact" to copy.path, "checksums" to false))
        assertEquals("artifact", broken.error.first)
    }
}

private const val TICK = 20_000_000L
private val TASKS = listOf(
    "feature-extraction", "fill-mask", "multiple-choice", "question-answering", "token-classification",
)
