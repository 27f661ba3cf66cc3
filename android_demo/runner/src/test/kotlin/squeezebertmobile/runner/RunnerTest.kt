package squeezebertmobile.runner

import org.junit.Assert.assertEquals
import org.junit.Assert.assertFalse
import org.junit.Assert.assertTrue
import org.junit.Before
import org.junit.Rule
import org.junit.Test
import org.junit.rules.TemporaryFolder
import squeezebertmobile.core.Json
import squeezebertmobile.core.asLongs
import squeezebertmobile.core.asRecord
import java.io.File
import java.util.zip.ZipFile

/** The runner as a process: job in, lines out. */
class RunnerTest {
    @get:Rule
    val temporary = TemporaryFolder()
    private lateinit var runner: RunnerProcess

    @Before
    fun makeRunner() {
        runner = RunnerProcess(temporary.root)
    }

    private val warmUp = mapOf("do" to "warm_up", "id" to "w", "input" to "16", "most_runs" to 30, "most_seconds" to 1)
    private val block =
        mapOf("do" to "block", "id" to "b", "input" to "16", "lead_in" to 1, "samples" to 7, "seconds" to 0)

    private fun lines(vararg commands: Map<String, Any?>) = commands.joinToString("") { Json.write(it) + "\n" }

    private fun assertError(told: Told, kind: String, message: String) {
        assertEquals(kind to message, told.error)
        assertEquals("error", told.events.last())
        assertEquals(1, told.exit)
    }

    @Test
    fun `a job is done command by command`() {
        val job = runner.job("commands" to listOf(warmUp, block))
        val probe = mapOf("do" to "probe", "id" to "p")
        val told = runner.run(
            job,
            lines(block + ("id" to "2"), probe, mapOf("do" to "context", "id" to "c"), mapOf("do" to "end", "id" to "e")),
        )
        assertEquals(0, told.exit)
        val events = listOf("hello", "artifact", "load", "golden", "ready", "warm_up", "block", "block", "probe", "context", "end")
        assertEquals(events, told.events.filter { it != "progress" })
        assertEquals(listOf("checksums", "load", "golden"), told.lines.mapNotNull { it["stage"] }.distinct())
        assertEquals(1L, told.only("hello")["protocol"])
        assertEquals("1.29.0", told.only("hello")["onnxruntime"])
        assertEquals("text-classification", told.only("artifact")["task"])
        assertEquals("int8", told.only("artifact")["precision"])
        assertTrue(told.only("load")["load_ns"] as Long > 0)
        val golden = told.only("golden").asRecord()["outputs"].asRecord()["logits"].asRecord()
        assertEquals(true to 8L, golden["holds"] to golden["same_answers"])
        assertTrue(told.only("warm_up")["samples_ns"].asLongs().size in 8..30)
        val blocks = told.lines.filter { it["event"] == "block" }
        assertEquals(listOf("b", "2"), blocks.map { it["id"] })
        for (each in blocks) {
            val samples = each["samples_ns"].asLongs()
            assertEquals(7, samples.size)
            assertTrue(samples.all { it > 0 })
            val (before, after) = each["before"].asRecord() to each["after"].asRecord()
            val between = after["at_ns"] as Long - before["at_ns"] as Long
            assertTrue("$between", samples.sum() <= between)
            assertTrue(after["peak_memory_kb"] as Long >= after["memory_kb"] as Long)
        }
        assertEquals(5, told.only("probe")["samples_ns"].asLongs().size)
        assertEquals("e" to "asked", told.only("end")["id"] to told.only("end")["why"])
    }

    @Test
    fun `it ends when the computer goes away`() {
        val told = runner.run(runner.job("commands" to emptyList<Any>(), "golden" to false), lines(block))
        assertEquals(0, told.exit)
        assertEquals(listOf("ready", "block", "end"), told.events.takeLast(3))
        assertEquals(null to "the input was closed", told.only("end")["id"] to told.only("end")["why"])
        assertFalse("golden" in told.events)
    }

    @Test
    fun `it answers each command before the next is sent`() {
        val process = runner.start(runner.job("commands" to emptyList<Any>()))
        val reader = process.inputStream.bufferedReader()
        while ("\"ready\"" !in reader.readLine()) continue
        val writer = process.outputStream.bufferedWriter()
        repeat(3) {
            writer.write(lines(block + ("id" to "$it")))
            writer.flush()
            assertEquals("$it", Json.parse(reader.readLine()).asRecord()["id"])
        }
        writer.close()
        assertEquals(0, process.waitFor())
    }

    @Test
    fun `what R8 leaves of it runs, and finds its libraries as on Android`() {
        val libraries = File(temporary.root, "libraries").also { it.mkdir() }
        unpackLibraries(libraries)
        val built = File(System.getProperty("basedir"), "target/r8")
        val android = RunnerProcess(
            temporary.root,
            classPath = listOf("shrunk.jar", "tables.jar").joinToString(File.pathSeparator) { "$built/$it" },
            options = listOf("-Djava.vendor=The Android Project", "-Djava.library.path=$libraries"),
        )
        val commands = listOf(warmUp, block, mapOf("do" to "probe", "id" to "p"), mapOf("do" to "end", "id" to "e"))
        val told = android.run(android.job("libraries" to libraries.path, "commands" to commands))
        assertEquals(told.stderr, 0, told.exit)
        assertEquals(listOf("golden", "ready", "warm_up", "block", "probe", "end"), told.events.takeLast(6))
    }

    private fun unpackLibraries(folder: File) {
        val jar = System.getProperty("java.class.path").split(File.pathSeparator).first { "/onnxruntime-" in it }
        val arch = if (System.getProperty("os.arch") == "amd64") "x64" else "aarch64"
        ZipFile(jar).use { zip ->
            for (name in listOf("libonnxruntime.so", "libonnxruntime4j_jni.so")) {
                val entry = zip.getEntry("ai/onnxruntime/native/linux-$arch/$name")
                zip.getInputStream(entry).use { input -> File(folder, name).outputStream().use { input.copyTo(it) } }
            }
        }
    }

    // What is wrong ----------------------------------------------------------------------------

    @Test
    fun `another protocol is refused before anything is looked at`() {
        for (other in listOf(2, "1", null)) {
            val told = runner.run(mapOf("protocol" to other, "new_field" to 1))
            val shown = if (other is String) "'$other'" else "$other"
            assertError(
                told,
                "protocol",
                "this runner speaks protocol 1, and the job protocol $shown; " +
                    "push the runner that belongs to the computer's version",
            )
            assertEquals(listOf("hello", "error"), told.events)
        }
    }

    @Test
    fun `a job that is none is refused`() {
        val path = File(temporary.root, "job.json")
        fun told() = runner.finish(runner.start(path.path))
        assertError(told(), "job", "the job '$path' cannot be read: $path (No such file or directory)")
        path.writeText("{")
        assertError(told(), "job", "the job '$path' is not JSON: a key must be a text (character 1)")
        path.writeText("[]")
        assertError(told(), "job", "the job '$path' must be a JSON object")
        path.writeText(" ".repeat((4 shl 20) + 1))
        assertError(told(), "job", "the job '$path' cannot be read: it has more than 4194304 bytes")
        val usage = runner.finish(runner.start())
        assertEquals(2 to "usage: squeezebertmobile.runner.Main JOB.json\n", usage.exit to usage.stderr)
    }

    @Test
    fun `values of a job that are out of range are refused`() {
        val commands = "warm_up, block, probe, context, end"
        val wrong = mapOf(
            ("threads" to 0) to "'threads': 0 is not from 1 to 64",
            ("threads" to 65) to "'threads': 65 is not from 1 to 64",
            ("threads" to 1.5) to "'threads': 1.5 is not a whole number",
            ("format" to "torchscript") to "'format': 'torchscript' is none of onnx, executorch",
            ("artifact" to null) to "'artifact': null is not a text",
            ("golden" to 1) to "'golden': 1 is neither true nor false",
            ("inputs" to mapOf("a" to listOf(listOf(-1)))) to "'inputs.a.0.0': -1 is not from 0 to 2147483647",
            ("surplus" to 1) to "'surplus': there is no such field",
            ("commands" to listOf(block + ("samples" to 0))) to "'commands.0.samples': 0 is not from 1 to 100000",
            ("commands" to listOf(block + ("seconds" to 601))) to "'commands.0.seconds': 601 is not from 0.0 to 600.0",
            ("commands" to listOf(block - "id")) to "'commands.0.id': it is missing",
            ("commands" to listOf(warmUp + ("most_runs" to 2))) to "'commands.0.most_runs': 2 is not from 3 to 10000",
            ("commands" to listOf(mapOf("do" to "stop"))) to
                "'commands.0': 'stop' is no command; choose from: $commands",
        )
        for ((change, message) in wrong) {
            assertError(runner.run(runner.job(change)), "job", "the job is wrong at $message")
        }
    }

    @Test
    fun `inputs that the model does not take are refused`() {
        fun told(ids: List<Any>) = runner.run(runner.job("inputs" to mapOf("x" to ids), "golden" to false))
        assertError(told(emptyList()), "job", "'input_ids' has no tokens")
        assertError(told(listOf(listOf(1, 2), listOf(1))), "job", "the rows of 'input_ids' have not the lengths of 'input_ids'")
        assertError(told(listOf(listOf(3000))), "job", "'input_ids' holds 3000, but this model takes 0 to 2399")
        val long = told(listOf(List(200) { 1 }))
        assertError(long, "job", "'input_ids' has 200 tokens a row, but this model takes at most 128")
    }

    @Test
    fun `a command that is none ends the run`() {
        fun told(line: String) = runner.run(runner.job("commands" to emptyList<Any>(), "golden" to false), "$line\n")
        assertError(told("stop"), "job", "the command 'stop' is not JSON: a value is missing (character 0)")
        val unknown = told("""{"do": "stop"}""")
        assertError(
            unknown,
            "job",
            "the command '{\"do\": \"stop\"}' is wrong at '': 'stop' is no command; " +
                "choose from: warm_up, block, probe, context, end",
        )
        val missing = told(lines(block + ("input" to "128")).trim())
        assertError(missing, "job", "the job has no input '128'; it has: 16")
    }

    @Test
    fun `artifacts that cannot be measured are refused`() {
        val gone = runner.run(runner.job("artifact" to "/nowhere/artifact"))
        assertError(gone, "artifact", "no such artifact folder: '/nowhere/artifact'")
        val copy = File(temporary.root, "copy")
        DEMO.copyRecursively(copy)
        val model = File(copy, "model.onnx")
        val bytes = model.readBytes()
        model.writeBytes(bytes.also { it[bytes.size / 2]++ })
        assertError(
            runner.run(runner.job("artifact" to copy.path)),
            "artifact",
            "artifact file '$model' has changed since the export (its SHA-256 is not the manifest's); " +
                "copy or export it again",
        )
        model.delete()
        assertError(
            runner.run(runner.job("artifact" to copy.path)),
            "artifact",
            "artifact file '$model' is missing; copy or export it again",
        )
        val other = runner.run(runner.job("format" to "executorch"))
        assertError(other, "job", "the job wants executorch, and the artifact's format is onnx")
    }

    @Test
    fun `a model that cannot be loaded is refused`() {
        val copy = File(temporary.root, "copy")
        DEMO.copyRecursively(copy)
        val model = File(copy, "model.onnx")
        model.writeBytes(ByteArray(model.length().toInt()))
        val told = runner.run(runner.job("artifact" to copy.path, "checksums" to false))
        assertEquals("model", told.error.first)
        val message = told.error.second as String
        assertTrue(message, message.startsWith("ONNX Runtime 1.29.0 cannot load '$model': "))
    }

    @Test
    fun `other answers than the golden ones end the run before anything is timed`() {
        val copy = File(temporary.root, "copy")
        DEMO.copyRecursively(copy)
        val golden = File(copy, "golden.json")
        // Same size, so that it is read though checksums are not asked for.
        golden.writeText(golden.readText().replace(Regex("\"logits\": 0\\.[0-9]"), "\"logits\": -0."))
        val told = runner.run(runner.job("artifact" to copy.path, "checksums" to false, "commands" to listOf(block)))
        assertEquals("golden", told.error.first)
        val message = told.error.second as String
        val start = "this machine does not compute what the artifact computed where it was made: logits differs by "
        assertTrue(message, message.startsWith(start))
        assertFalse("block" in told.events)
        assertEquals(false, told.only("golden")["outputs"].asRecord()["logits"].asRecord()["holds"])
    }

    @Test
    fun `libraries that are not there are named`() {
        val told = runner.run(runner.job("libraries" to "/nowhere"))
        assertError(told, "library", "no such folder of libraries: '/nowhere'")
        val empty = temporary.newFolder()
        assertError(
            runner.run(runner.job("libraries" to empty.path)),
            "library",
            "ONNX Runtime's Java classes or native library cannot be loaded: Native library 'onnxruntime' not found at $empty/libonnxruntime.so",
        )
        File(empty, "libonnxruntime.so").writeText("no library")
        val broken = runner.run(runner.job("libraries" to empty.path))
        assertEquals("library", broken.error.first)
        val message = broken.error.second as String
        assertTrue(message, message.startsWith("'$empty/libonnxruntime.so' cannot be loaded: "))
    }

    @Test
    fun `ExecuTorch's classes are asked for by name`() {
        val copy = File(temporary.root, "copy")
        DEMO.copyRecursively(copy)
        val path = File(copy, "manifest.json")
        val manifest = Json.parse(path.readText()).asRecord()
        val files = manifest["files"].asRecord()
        File(copy, "model.onnx").renameTo(File(copy, "model.pte"))
        val renamed = files - "model.onnx" + ("model.pte" to files["model.onnx"])
        path.writeText(Json.write(manifest + mapOf("format" to "executorch", "files" to renamed)))
        val told = runner.run(runner.job("artifact" to copy.path, "format" to "executorch"))
        assertError(
            told,
            "library",
            "ExecuTorch's Java classes or native library cannot be loaded: org.pytorch.executorch.Module",
        )
    }
}
