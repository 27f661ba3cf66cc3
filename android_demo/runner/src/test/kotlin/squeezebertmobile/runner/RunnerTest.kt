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

    private fun assertError(output: RunnerOutput, kind: String, message: String) {
        assertEquals(kind to message, output.error)
        assertEquals("error", output.events.last())
        assertEquals(1, output.exit)
    }

    @Test
    fun `a job runs command by command`() {
        val job = runner.job("commands" to listOf(warmUp, block))
        val probe = mapOf("do" to "probe", "id" to "p")
        val output = runner.run(
            job,
            lines(block + ("id" to "2"), probe, mapOf("do" to "context", "id" to "c"), mapOf("do" to "end", "id" to "e")),
        )
        assertEquals(0, output.exit)
        val events = listOf("hello", "artifact", "load", "golden", "ready", "warm_up", "block", "block", "probe", "context", "end")
        assertEquals(events, output.events.filter { it != "progress" })
        assertEquals(listOf("checksums", "load", "golden"), output.lines.mapNotNull { it["stage"] }.distinct())
        assertEquals(2L, output.only("hello")["protocol"])
        assertEquals("1.29.0", output.only("hello")["onnxruntime"])
        assertEquals("text-classification", output.only("artifact")["task"])
        assertEquals("int8", output.only("artifact")["precision"])
        assertTrue(output.only("load")["load_ns"] as Long > 0)
        val golden = output.only("golden").asRecord()["outputs"].asRecord()["logits"].asRecord()
        assertEquals(true to 8L, golden["holds"] to golden["same_answers"])
        assertTrue(output.only("warm_up")["samples_ns"].asLongs().size in 8..30)
        val blocks = output.lines.filter { it["event"] == "block" }
        assertEquals(listOf("b", "2"), blocks.map { it["id"] })
        for (block in blocks) {
            val samples = block["samples_ns"].asLongs()
            assertEquals(7, samples.size)
            assertTrue(samples.all { it > 0 })
            val (before, after) = block["before"].asRecord() to block["after"].asRecord()
            val between = after["at_ns"] as Long - before["at_ns"] as Long
            assertTrue("$between", samples.sum() <= between)
            assertTrue(after["peak_memory_kb"] as Long >= after["memory_kb"] as Long)
        }
        assertEquals(5, output.only("probe")["samples_ns"].asLongs().size)
        assertEquals("e" to "asked", output.only("end")["id"] to output.only("end")["why"])
    }

    private val profile = mapOf("do" to "profile", "id" to "f", "input" to "16", "runs" to 3)

    /** The number of runs in a profile, which is beside the job. */
    private fun profiledRuns(output: RunnerOutput): Int {
        val file = File(output.only("profile")["file"] as String)
        assertEquals(temporary.root.canonicalPath, file.parentFile.canonicalPath)
        return (Json.parse(file.readText()) as List<*>).count { it.asRecord()["name"] == "model_run" }
    }

    @Test
    fun `a model is profiled in a session of its own`() {
        val output = runner.run(runner.job("golden" to false, "commands" to listOf(block)), lines(profile, block))
        assertEquals(listOf("ready", "block", "profile", "block", "end"), output.events.takeLast(5))
        assertEquals(3, profiledRuns(output))
        assertEquals("f" to "16", output.only("profile")["id"] to output.only("profile")["input"])
        val wrong = runner.run(runner.job("commands" to listOf(profile + ("input" to "17"))))
        assertError(wrong, "job", "the job has no input '17'; it has: 16")
    }

    @Test
    fun `the runner ends when the computer disconnects`() {
        val output = runner.run(runner.job("commands" to emptyList<Any>(), "golden" to false), lines(block))
        assertEquals(0, output.exit)
        assertEquals(listOf("ready", "block", "end"), output.events.takeLast(3))
        assertEquals(null to "the input was closed", output.only("end")["id"] to output.only("end")["why"])
        assertFalse("golden" in output.events)
    }

    @Test
    fun `each command is answered before the next is sent`() {
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
    fun `the runner shrunk by R8 works, and finds its libraries as on Android`() {
        val libraries = File(temporary.root, "libraries").also { it.mkdir() }
        unpackLibraries(libraries)
        val built = File(System.getProperty("basedir"), "target/r8")
        val android = RunnerProcess(
            temporary.root,
            classPath = listOf("shrunk.jar", "tables.jar").joinToString(File.pathSeparator) { "$built/$it" },
            options = listOf("-Djava.vendor=The Android Project", "-Djava.library.path=$libraries"),
        )
        val commands = listOf(warmUp, block, profile, mapOf("do" to "probe", "id" to "p"), mapOf("do" to "end", "id" to "e"))
        val output = android.run(android.job("libraries" to libraries.path, "commands" to commands))
        assertEquals(output.stderr, 0, output.exit)
        assertEquals(listOf("golden", "ready", "warm_up", "block", "profile", "probe", "end"), output.events.takeLast(7))
        assertEquals(3, profiledRuns(output))
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

    // Errors ----------------------------------------------------------------------------------

    @Test
    fun `another protocol is refused before the job is read`() {
        for (other in listOf(0, 3, "1", null)) {
            val output = runner.run(mapOf("protocol" to other, "new_field" to 1))
            val shown = if (other is String) "'$other'" else "$other"
            assertError(
                output,
                "protocol",
                "this runner speaks protocols 1 to 2, but the job has protocol $shown; " +
                    "push the runner that matches the version on the computer",
            )
            assertEquals(listOf("hello", "error"), output.events)
        }
    }

    @Test
    fun `an invalid job file is refused`() {
        val path = File(temporary.root, "job.json")
        fun output() = runner.finish(runner.start(path.path))
        assertError(output(), "job", "the job '$path' cannot be read: $path (No such file or directory)")
        path.writeText("{")
        assertError(output(), "job", "the job '$path' is not valid JSON: a key must be a string (character 1)")
        path.writeText("[]")
        assertError(output(), "job", "the job '$path' must be a JSON object")
        path.writeText(" ".repeat((4 shl 20) + 1))
        assertError(output(), "job", "the job '$path' cannot be read: it has more than 4194304 bytes")
        val usage = runner.finish(runner.start())
        assertEquals(2 to "usage: squeezebertmobile.runner.Main JOB.json\n", usage.exit to usage.stderr)
    }

    @Test
    fun `invalid values in a job are refused`() {
        val commands = "warm_up, block, first_answer, profile, probe, context, end"
        val wrong = mapOf(
            ("threads" to 0) to "'threads': 0 is not from 1 to 64",
            ("threads" to 65) to "'threads': 65 is not from 1 to 64",
            ("threads" to 1.5) to "'threads': 1.5 is not an integer",
            ("format" to "torchscript") to "'format': 'torchscript' is not one of onnx, executorch, litert",
            ("artifact" to null) to "'artifact': null is not a string",
            ("golden" to 1) to "'golden': 1 is neither true nor false",
            ("inputs" to mapOf("a" to listOf(listOf(-1)))) to "'inputs.a.0.0': -1 is not from 0 to 2147483647",
            ("surplus" to 1) to "'surplus': unknown field",
            ("texts" to mapOf("t" to "hello")) to "'texts.t': 'hello' is not an object",
            ("texts" to mapOf("t" to mapOf("question" to "why?"))) to "'texts.t.text': missing",
            ("commands" to listOf(block + ("samples" to 0))) to "'commands.0.samples': 0 is not from 1 to 100000",
            ("commands" to listOf(block + ("seconds" to 601))) to "'commands.0.seconds': 601 is not from 0.0 to 600.0",
            ("commands" to listOf(block - "id")) to "'commands.0.id': missing",
            ("commands" to listOf(warmUp + ("most_runs" to 2))) to "'commands.0.most_runs': 2 is not from 3 to 10000",
            ("commands" to listOf(mapOf("do" to "stop"))) to
                "'commands.0': 'stop' is not a command; choose from: $commands",
        )
        for ((change, message) in wrong) {
            assertError(runner.run(runner.job(change)), "job", "the job is invalid at $message")
        }
    }

    @Test
    fun `invalid inputs are refused`() {
        fun output(ids: List<Any>) = runner.run(runner.job("inputs" to mapOf("x" to ids), "golden" to false))
        assertError(output(emptyList()), "job", "'input_ids' has no tokens")
        assertError(output(listOf(listOf(1, 2), listOf(1))), "job", "the rows of 'input_ids' must have the same length as those of 'input_ids'")
        assertError(output(listOf(listOf(3000))), "job", "'input_ids' holds 3000, but this model takes 0 to 2399")
        val long = output(listOf(List(200) { 1 }))
        assertError(long, "job", "'input_ids' has 200 tokens per row, but this model takes at most 128")
    }

    @Test
    fun `an invalid command ends the run`() {
        fun output(line: String) = runner.run(runner.job("commands" to emptyList<Any>(), "golden" to false), "$line\n")
        assertError(output("stop"), "job", "the command 'stop' is not valid JSON: a value is missing (character 0)")
        val unknown = output("""{"do": "stop"}""")
        assertError(
            unknown,
            "job",
            "the command '{\"do\": \"stop\"}' is invalid at '': 'stop' is not a command; " +
                "choose from: warm_up, block, first_answer, profile, probe, context, end",
        )
        val missing = output(lines(block + ("input" to "128")).trim())
        assertError(missing, "job", "the job has no input '128'; it has: 16")
    }

    @Test
    fun `a command without an end is refused`() {
        val job = runner.job("commands" to emptyList<Any>(), "golden" to false)
        val tooLong = "a command has more than 65536 bytes; send each as one line of JSON"
        assertError(runner.run(job, "[".repeat(65_537)), "job", tooLong)
        val brackets = runner.run(job, "[".repeat(65_536))
        assertEquals("job", brackets.error.first)
        assertTrue("nested more than 100 levels deep" in brackets.error.second as String)
        val bytes = runner.run(job, "\u0000\ufffd\n")
        assertEquals("job", bytes.error.first)
    }

    @Test
    fun `a job that is no file is refused`() {
        val pipe = File(temporary.root, "pipe")
        assertEquals(0, ProcessBuilder("mkfifo", pipe.path).start().waitFor())
        for (path in listOf(pipe, temporary.root, File("/dev/zero"))) {
            val output = runner.finish(runner.start(path.path))
            assertError(output, "job", "the job '$path' cannot be read: it is not a regular file")
        }
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
        assertError(other, "job", "the job requires executorch, but the artifact's format is onnx")
    }

    @Test
    fun `a model that cannot be loaded is refused`() {
        val copy = File(temporary.root, "copy")
        DEMO.copyRecursively(copy)
        val model = File(copy, "model.onnx")
        model.writeBytes(ByteArray(model.length().toInt()))
        val output = runner.run(runner.job("artifact" to copy.path, "checksums" to false))
        assertEquals("model", output.error.first)
        val message = output.error.second as String
        assertTrue(message, message.startsWith("ONNX Runtime 1.29.0 cannot load '$model': "))
    }

    @Test
    fun `outputs that differ from the golden ones end the run before the measurements`() {
        val copy = File(temporary.root, "copy")
        DEMO.copyRecursively(copy)
        val golden = File(copy, "golden.json")
        // Same size, so that it is read though checksums are not asked for.
        val firstDigit = Regex("(?<=\"values\": \\[\\s{0,9}-?)[0-9]")
        golden.writeText(golden.readText().replace(firstDigit) { if (it.value == "9") "1" else "9" })
        val output = runner.run(runner.job("artifact" to copy.path, "checksums" to false, "commands" to listOf(block)))
        assertEquals("golden", output.error.first)
        val message = output.error.second as String
        val start = "this machine's outputs differ from the golden outputs: logits is off by "
        assertTrue(message, message.startsWith(start))
        assertFalse("block" in output.events)
        assertEquals(false, output.only("golden")["outputs"].asRecord()["logits"].asRecord()["holds"])
    }

    @Test
    fun `a tolerance that accepts any output ends the run before the measurements`() {
        val copy = File(temporary.root, "copy")
        DEMO.copyRecursively(copy)
        val golden = File(copy, "golden.json")
        // Of the same size, so that it is read though checksums are not asked for.
        golden.writeText(golden.readText().replace(Regex("(?<=\"logits\": )0\\.[0-9]+")) { "1e30".padEnd(it.value.length) })
        val output = runner.run(runner.job("artifact" to copy.path, "checksums" to false, "commands" to listOf(block)))
        assertEquals("artifact", output.error.first)
        val message = output.error.second as String
        assertTrue(message, "is damaged at 'tolerance.logits': " in message && message.endsWith("100 times the largest value of logits"))
    }

    @Test
    fun `missing libraries are named`() {
        val output = runner.run(runner.job("libraries" to "/nowhere"))
        assertError(output, "library", "no such library folder: '/nowhere'")
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
    fun `missing ExecuTorch classes are named`() {
        val copy = File(temporary.root, "copy")
        DEMO.copyRecursively(copy)
        val path = File(copy, "manifest.json")
        val manifest = Json.parse(path.readText()).asRecord()
        val files = manifest["files"].asRecord()
        File(copy, "model.onnx").renameTo(File(copy, "model.pte"))
        val renamed = files - "model.onnx" + ("model.pte" to files["model.onnx"])
        path.writeText(Json.write(manifest + mapOf("format" to "executorch", "files" to renamed)))
        val output = runner.run(runner.job("artifact" to copy.path, "format" to "executorch"))
        assertError(
            output,
            "library",
            "ExecuTorch's Java classes or native library cannot be loaded: org.pytorch.executorch.Module",
        )
    }
}
