package squeezebertmobile.runner

import org.junit.Assert.assertEquals
import org.junit.Assert.assertFalse
import org.junit.Assert.assertNull
import org.junit.Assert.assertTrue
import org.junit.Before
import org.junit.Rule
import org.junit.Test
import org.junit.rules.TemporaryFolder
import squeezebertmobile.core.Json
import squeezebertmobile.core.asRecord
import java.io.File

/** LiteRT artifacts in the runner, with a class of LiteRT's API that computes with ONNX Runtime. */
class LiteRtTest {
    @get:Rule
    val temporary = TemporaryFolder()
    private lateinit var artifact: File

    /** The demo's artifact as one of LiteRT; only the stand-in can run its model. */
    @Before
    fun copyArtifact() {
        artifact = File(temporary.root, "artifact")
        DEMO.copyRecursively(artifact)
        File(artifact, "model.onnx").renameTo(File(artifact, "model.tflite"))
        val path = File(artifact, "manifest.json")
        val manifest = Json.parse(path.readText()).asRecord()
        val files = manifest["files"].asRecord()
        val renamed = files - "model.onnx" + ("model.tflite" to files["model.onnx"])
        val changes = mapOf("format" to "litert", "files" to renamed, "sequence_lengths" to listOf(16, 64, 128))
        path.writeText(Json.write(manifest + changes))
    }

    private fun RunnerProcess.litert(vararg changes: Pair<String, Any?>) =
        run(job("artifact" to artifact.path, "format" to "litert", *changes))

    private fun accelerator(output: RunnerOutput) = output.only("load")["accelerator"]

    @Test
    fun `an artifact of LiteRT is checked and measured`() {
        val block = mapOf("do" to "block", "id" to "b", "input" to "9", "lead_in" to 1, "samples" to 5, "seconds" to 0)
        val commands = listOf(block, mapOf("do" to "end", "id" to "last"))
        val inputs = mapOf("9" to listOf((5L..13L).toList())) // padded to 16
        val output = RunnerProcess(temporary.root).litert("commands" to commands, "inputs" to inputs, "threads" to 2)
        assertEquals(output.stderr, 0, output.exit)
        assertEquals(listOf("golden", "ready", "block", "end"), output.events.takeLast(4))
        val golden = output.only("golden")["outputs"].asRecord()["logits"].asRecord()
        assertEquals(true to 8L, golden["holds"] to golden["same_answers"])
        assertFalse("accelerator" in output.only("load"))
    }

    /** LiteRT's classes call all of Kotlin's library, of which the runner's jar has a part. */
    @Test
    fun `the shrunk runner works behind the whole of Kotlin's library, and LiteRT's classes not without it`() {
        val classPath = System.getProperty("java.class.path").split(File.pathSeparator)
        val kotlin = classPath.single { "kotlin-stdlib-" in it }
        val litert = classPath.single { it.endsWith("test-classes") }
        val onnx = classPath.single { "/onnxruntime-" in it } // native libraries
        val built = File(System.getProperty("basedir"), "target/r8")
        val runner = listOf("$built/shrunk.jar", "$built/tables.jar", onnx)
        fun run(before: List<String>) =
            RunnerProcess(temporary.root, (before + runner).joinToString(File.pathSeparator)).litert()
        val output = run(listOf(litert, kotlin))
        assertEquals(output.stderr, 0, output.exit)
        assertEquals(listOf("golden", "ready", "end"), output.events.takeLast(3))
        val without = run(listOf(litert))
        assertEquals("library", without.error.first)
    }

    @Test
    fun `missing LiteRT classes are named`() {
        val classPath = System.getProperty("java.class.path").split(File.pathSeparator).filter { !it.endsWith("test-classes") }
        val output = RunnerProcess(temporary.root, classPath.joinToString(File.pathSeparator)).litert()
        val message = "LiteRT's Java classes or native library cannot be loaded: com.google.ai.edge.litert."
        assertEquals("library", output.error.first)
        assertTrue("${output.error}", (output.error.second as String).startsWith(message))
    }

    @Test
    fun `an accelerator runs the whole model, or a part, or is not there`() {
        fun run(vararg options: String) =
            RunnerProcess(temporary.root, options = options.toList()).litert("accelerator" to "gpu")
        val reason = "Some ops are not accelerated."
        for ((available, delegated, expected) in listOf(
            Triple("CPU,GPU", "all", null),
            Triple("CPU,GPU", "some", reason),
            Triple("CPU", "all", reason),
        )) {
            val output = run("-Daccelerators=$available", "-Ddelegated=$delegated")
            assertEquals(output.stderr, 0, output.exit)
            val fields = mapOf(
                "requested" to "gpu",
                "available" to available.lowercase().split(","),
                "reason" to expected,
                "operators" to null,
            )
            assertEquals(fields, accelerator(output))
        }
    }

    @Test
    fun `another format has no accelerator`() {
        val runner = RunnerProcess(temporary.root)
        val output = runner.run(runner.job("accelerator" to "npu"))
        val message = "an onnx artifact runs on the CPU only; for the NPU export the checkpoint with --format litert"
        assertEquals("job" to message, output.error)
        val other = runner.litert("accelerator" to "tpu")
        assertEquals("job" to "the job is invalid at 'accelerator': 'tpu' is not one of cpu, gpu, npu", other.error)
    }

    @Test
    fun `operators are counted in the log`() {
        fun replaced(some: Int, all: Int, delegate: String, subgraph: Int) =
            "Replacing $some out of $all node(s) with delegate ($delegate) node, yielding 2 partitions for subgraph $subgraph."
        val gpu = "250 operations will run on the GPU, and the remaining 10 operations will run on the CPU."
        fun counts(accelerator: Long, cpu: Long) = mapOf("accelerator" to accelerator, "cpu" to cpu)
        assertNull(delegatedOperators(listOf("", "INFO: Initialized OpenCL")))
        assertNull(delegatedOperators(listOf(replaced(9, 9, "TfLiteXNNPackDelegate", 0))))
        val twoSubgraphs = listOf(replaced(250, 260, "GpuDelegate", 0), replaced(260, 260, "GpuDelegate", 1))
        assertEquals(counts(510, 10), delegatedOperators(twoSubgraphs))
        assertEquals(counts(510, 10), delegatedOperators(twoSubgraphs + twoSubgraphs)) // compiled twice
        assertEquals(counts(250, 10), delegatedOperators(listOf(gpu)))
        assertEquals(counts(250, 10), delegatedOperators(listOf(gpu, gpu)))
    }
}
