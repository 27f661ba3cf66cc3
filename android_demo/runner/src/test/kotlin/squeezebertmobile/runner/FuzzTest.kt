package squeezebertmobile.runner

import org.junit.After
import org.junit.Assert.assertEquals
import org.junit.Assert.assertTrue
import org.junit.Rule
import org.junit.Test
import org.junit.rules.TemporaryFolder
import squeezebertmobile.core.Json
import squeezebertmobile.core.asRecord
import java.io.ByteArrayInputStream
import java.io.ByteArrayOutputStream
import java.io.File
import java.io.PrintStream
import java.util.concurrent.Callable
import java.util.concurrent.Executors
import java.util.concurrent.TimeUnit
import kotlin.random.Random

/**
 * Damaged jobs and commands: each run ends with a line of JSON that says why, and no error is a bug's.
 * `make fuzz` tries 100,000; a failure names its number.
 */
class FuzzTest {
    @get:Rule
    val temporary = TemporaryFolder()

    private val worker = Executors.newSingleThreadExecutor()
    private val artifact =
        File(checkNotNull(System.getProperty("repository")), "tests/golden/expected/artifacts/text-classification")
    private val commands = listOf(
        mapOf("do" to "warm_up", "id" to "w", "input" to "4", "most_runs" to 3, "most_seconds" to 0),
        mapOf("do" to "block", "id" to "b", "input" to "4", "lead_in" to 0, "samples" to 2, "seconds" to 0),
        mapOf("do" to "first_answer", "id" to "f", "input" to "text"),
        mapOf("do" to "context", "id" to "c"),
    )

    @After
    fun stop() {
        worker.shutdownNow()
    }

    private fun job(golden: Boolean) = mapOf(
        "protocol" to PROTOCOL, "artifact" to artifact.path, "format" to "onnx", "threads" to 1L, "libraries" to null,
        "checksums" to golden, "golden" to golden, "inputs" to mapOf("4" to listOf(listOf(5L, 6L, 7L, 8L))), "commands" to commands,
        "texts" to mapOf("text" to mapOf("text" to "play some jazz")),
    )

    @Test
    fun `damaged jobs and commands`() {
        val count = Integer.getInteger("fuzz", 250)
        val first = Integer.getInteger("fuzz.first", 0)
        val kinds = HashMap<Any?, Int>()
        // ONNX Runtime is loaded once; a damaged job may name another folder for its library.
        assertEquals("end", kind(Json.write(job(golden = true)).toByteArray(), ByteArray(0)))
        for (number in first until first + count) {
            val random = Random(number) // each can be made again alone
            var job: Any? = Json.parse(Json.write(job(golden = random.nextInt(10) == 0)))
            if (random.nextInt(3) > 0) repeat(random.nextInt(1, 3)) { job = mutated(job, random) }
            var text = Json.write(job).toByteArray()
            if (random.nextInt(6) == 0) text = damaged(text, random)
            var lines = commands.joinToString("") { line ->
                Json.write(if (random.nextInt(6) == 0) mutated(line, random) else line) + "\n"
            }.toByteArray()
            if (random.nextInt(4) == 0) lines = damaged(lines, random)
            try {
                val kind = worker.submit(Callable { kind(text, lines) }).get(60, TimeUnit.SECONDS)
                kinds.merge(kind, 1, Int::plus)
            } catch (error: Throwable) {
                throw AssertionError("job $number (-Dfuzz=1 -Dfuzz.first=$number): $error", error)
            }
        }
        println("jobs: $kinds")
        assertTrue("$kinds", count < 100 || kinds.size >= 3)
    }

    /** The kind of the last event: "end", or that of an error. */
    private fun kind(job: ByteArray, lines: ByteArray): Any? {
        val file = File(temporary.root, "job.json").also { it.writeBytes(job) }
        val out = ByteArrayOutputStream()
        val stderr = System.err
        val ended = try {
            System.setErr(PrintStream(OutputStreamOfNothing))
            runJob(file, linesOf(ByteArrayInputStream(lines)), EventWriter(PrintStream(out, true)))
        } finally {
            System.setErr(stderr)
        }
        assertEquals(listOf("job.json"), temporary.root.list().orEmpty().toList())
        val text = out.toString("US-ASCII")
        assertTrue(text, text.endsWith("\n") && text.all { it == '\n' || it in ' '..'~' })
        val events = text.trimEnd().lines().map { Json.parse(it).asRecord() }
        val last = events.last()
        assertEquals("hello", events[0]["event"])
        assertEquals(if (ended) "end" else "error", last["event"])
        if (ended) return "end"
        val message = last["message"] as String
        assertTrue(message, message.length in 5..2000 && '\n' !in message)
        assertTrue("$last", last["kind"] in setOf("protocol", "job", "artifact", "library", "model"))
        return last["kind"]
    }

    private fun mutated(value: Any?, random: Random): Any? = when {
        value is Map<*, *> && value.isNotEmpty() -> {
            val key = value.keys.random(random)
            when (random.nextInt(10)) {
                0 -> value - key
                1 -> value + (TEXTS.random(random) to anything(random))
                else -> value + (key to mutated(value[key], random))
            }
        }
        value is List<*> && value.isNotEmpty() -> when (random.nextInt(10)) {
            0 -> value.drop(1)
            1 -> value + value
            2 -> value + listOf(anything(random))
            else -> value.toMutableList().also { items -> items.indices.random(random).let { items[it] = mutated(items[it], random) } }
        }
        else -> anything(random)
    }

    private fun anything(random: Random): Any? = when (random.nextInt(7)) {
        0 -> null
        1 -> random.nextBoolean()
        2, 3 -> NUMBERS.random(random)
        4 -> TEXTS.random(random)
        5 -> List(random.nextInt(3)) { NUMBERS.random(random) }
        else -> mapOf(TEXTS.random(random) to NUMBERS.random(random))
    }

    private fun damaged(bytes: ByteArray, random: Random): ByteArray {
        val at = random.nextInt(bytes.size)
        return when (random.nextInt(5)) {
            0 -> bytes.copyOf(at)
            1 -> bytes.copyOf(at) + random.nextBytes(random.nextInt(20)) + bytes.drop(at).toByteArray()
            2 -> bytes.copyOf(at) + "[".repeat(random.nextInt(1, 100_000)).toByteArray()
            3 -> "{\"a\":".repeat(random.nextInt(1, 20_000)).toByteArray()
            else -> bytes.copyOf().also { it[at] = random.nextInt().toByte() }
        }
    }
}

private object OutputStreamOfNothing : java.io.OutputStream() {
    override fun write(byte: Int) = Unit
}

// No number for which a valid command would measure for seconds.
private val NUMBERS = listOf(
    0L, -1L, 601L, 1L shl 31, (1L shl 32) + 1, Long.MAX_VALUE, Long.MIN_VALUE, 1e308, -1e308, 1e-9, -0.5, 600.5, 1e30,
)
private val TEXTS = listOf(
    "", "4", "\ud800", "\u0000", "/nowhere", "../..", "a".repeat(5000), "end", "block", "warm_up", "probe", "executorch",
    "\u001b[31m", "/dev/zero", "/proc/self/mem",
)
