package squeezebertmobile.runner

import org.junit.Assert.assertEquals
import org.junit.Assert.assertThrows
import org.junit.Assert.assertTrue
import org.junit.Rule
import org.junit.Test
import org.junit.rules.TemporaryFolder
import squeezebertmobile.core.Json
import squeezebertmobile.core.asRecord
import java.io.File
import kotlin.concurrent.thread

class ThroughFilesTest {
    @get:Rule
    val temporary = TemporaryFolder()

    private val commands by lazy { File(temporary.root, "commands.jsonl") }

    @Test
    fun `complete lines are returned once, and a timeout ends them`() {
        val pieces = ArrayDeque(listOf("on", "e\ntw", "o\nthr\u00e9e\n", "no end"))
        val slept = ArrayList<Long>()
        val followed = followed(commands, timeoutMs = 500) { milliseconds ->
            slept.add(milliseconds)
            pieces.removeFirstOrNull()?.let { commands.appendText(it) }
        }
        assertEquals(listOf("one", "two", "thr\u00e9e"), followed.toList())
        // Two polls for the first line, one for the others; then a timeout of half a second.
        assertEquals(3 + 500 / 50, slept.size)
    }

    @Test
    fun `a job runs through files`() {
        val lines = File(temporary.root, "measure/lines.jsonl")
        val job = mapOf(
            "protocol" to PROTOCOL, "artifact" to DEMO.path, "format" to "onnx", "threads" to 1,
            "libraries" to null, "checksums" to true, "golden" to true,
            "inputs" to mapOf("text" to listOf(List(8) { 5L })), "commands" to listOf(mapOf("do" to "probe", "id" to "0")),
        )
        val file = File(temporary.root, "job.json").also { it.writeText(Json.write(job)) }
        val worker = thread { runThroughFiles(file, commands, lines) }
        fun complete() = if (lines.exists()) lines.readLines().filter { it.endsWith("}") } else emptyList()
        while (complete().none { "\"probe\"" in it }) Thread.sleep(20)
        commands.appendText("{\"do\": \"context\", \"id\": \"1\"}\n")
        while (complete().none { "\"id\": \"1\"" in it }) Thread.sleep(20)
        commands.appendText("{\"do\": \"end\", \"id\": \"2\"}\n")
        worker.join()
        val events = complete().map { Json.parse(it).asRecord() }
        assertEquals("hello", events.first()["event"])
        assertEquals(listOf("end", "2", "asked"), listOf("event", "id", "why").map { events.last()[it] })
    }

    @Test
    fun `errors are written to the file`() {
        val lines = File(temporary.root, "lines.jsonl")
        runThroughFiles(File(temporary.root, "nowhere.json"), commands, lines)
        val last = Json.parse(lines.readLines().last()).asRecord()
        assertEquals(listOf("error", "job"), listOf("event", "kind").map { last[it] })
    }

    @Test
    fun `a line without an end is refused, and not read again and again`() {
        commands.writeText("x".repeat(MAX_LINE_BYTES + 1))
        var slept = 0
        val error = assertThrows(JobError::class.java) { followed(commands) { slept++ }.toList() }
        assertEquals("a command has more than 65536 bytes; send each as one line of JSON", error.message)
        assertEquals(0, slept)
        commands.writeText("first\n" + "x".repeat(MAX_LINE_BYTES) + "\nlast\n")
        assertEquals(listOf(5, MAX_LINE_BYTES, 4), followed(commands, timeoutMs = 50) {}.map { it.length }.toList())
        java.io.RandomAccessFile(commands, "rw").use { it.setLength(3L shl 30) } // larger than an array can be
        assertThrows(JobError::class.java) { followed(commands, timeoutMs = 50) {}.toList() }
    }

    @Test
    fun `commands that cannot be read end the job`() {
        commands.mkdir()
        val error = assertThrows(JobError::class.java) { followed(commands, timeoutMs = 50) {}.toList() }
        assertTrue("${error.message}", error.message!!.startsWith("the commands cannot be read: "))
    }

    @Test
    fun `events that cannot be written end the job`() {
        val lines = File(temporary.root, "folder").also { it.mkdir() }
        runThroughFiles(File(temporary.root, "nowhere.json"), commands, lines)
        assertEquals(emptyList<String>(), lines.list().orEmpty().toList())
    }
}
