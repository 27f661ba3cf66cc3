package squeezebertmobile.runner

import org.junit.Assert.assertEquals
import org.junit.Assert.assertTrue
import org.junit.Rule
import org.junit.Test
import org.junit.rules.TemporaryFolder
import squeezebertmobile.core.asLongs
import java.io.File
import java.nio.ByteBuffer
import java.nio.ByteOrder
import java.util.Base64

/** Model files of other makers: here the demo's, without its manifest. */
class PlainTest {
    @get:Rule
    val temporary = TemporaryFolder()
    private val model = File(DEMO, "model.onnx")
    private val block = mapOf("do" to "block", "id" to "b", "input" to "16", "lead_in" to 1, "samples" to 3, "seconds" to 0)

    private fun tensor(name: String, value: (Int) -> Long, type: String = "int64"): Map<String, Any?> {
        val bytes = ByteBuffer.allocate(16 * 8).order(ByteOrder.LITTLE_ENDIAN)
        repeat(16) { if (type == "int64") bytes.putLong(value(it)) else bytes.putInt(value(it).toInt()) }
        val data = Base64.getEncoder().encodeToString(bytes.array().copyOf(bytes.position()))
        return mapOf("name" to name, "type" to type, "shape" to listOf(1, 16), "data" to data)
    }

    private fun plain(type: String = "int64", signature: String? = null, sha256: String = sha256Of(model)) = mapOf(
        "sha256" to sha256,
        "inputs" to mapOf(
            "16" to mapOf(
                "tensors" to listOf(
                    tensor("input_ids", { it + 5L }, type), tensor("attention_mask", { 1L }, type), tensor("token_type_ids", { 0L }, type),
                ),
                "signature" to signature,
                "outputs" to if (signature == null) emptyList() else listOf("logits"),
            ),
        ),
    )

    private fun run(plain: Map<String, Any?>, vararg changes: Pair<String, Any?>): RunnerOutput {
        val runner = RunnerProcess(temporary.root)
        val commands = listOf(block, mapOf("do" to "end", "id" to "e"))
        val job = runner.job(
            "protocol" to 2, "artifact" to model.path, "golden" to false, "inputs" to emptyMap<String, Any>(),
            "plain" to plain, "commands" to commands,
        )
        return runner.run(job + changes)
    }

    @Test
    fun `a model file is measured without golden outputs`() {
        val output = run(plain())
        assertEquals(output.stderr, 0, output.exit)
        assertEquals(listOf("hello", "artifact", "load", "ready", "block", "end"), output.events.filter { it != "progress" })
        assertEquals(sha256Of(model), output.only("artifact")["model_sha256"])
        assertEquals(3, output.only("block")["samples_ns"].asLongs().size)
    }

    @Test
    fun `a model file of LiteRT is run by its signature`() {
        val output = run(plain("int32", "length_16"), "format" to "litert")
        assertEquals(output.stderr, listOf("ready", "block", "end"), output.events.takeLast(3))
        val wrong = run(plain("int64", "length_16"), "format" to "litert")
        val why = "the model cannot run this input: LiteRT's API for Java takes no int64, the type of the input 'input_ids'"
        assertEquals("model" to why, wrong.error)
    }

    @Test
    fun `what is no such file is refused in a line`() {
        fun message(output: RunnerOutput) = "${output.error.first}: ${output.error.second}"
        val text = File(temporary.root, "text.onnx").also { it.writeText("no model") }
        val changed = run(plain(), "artifact" to text.path)
        assertEquals("job: the model file '$text' is not the one that the computer has sent", message(changed))
        val damaged = message(run(plain(), "artifact" to text.path, "checksums" to false))
        assertTrue(damaged, damaged.startsWith("model: ONNX Runtime cannot load '$text': "))
        val gone = message(run(plain(), "artifact" to "/nowhere.onnx"))
        assertTrue(gone, gone.startsWith("job: the model file '/nowhere.onnx' cannot be read: "))
        val narrow = message(run(plain("int32")))
        assertTrue(narrow, narrow.startsWith("model: the model cannot run this input: "))
        assertEquals(
            "job: ONNX Runtime's API for Java takes no complex64, the type of the input 'input_ids'",
            message(run(plain("complex64"))),
        )
        val profile = mapOf("do" to "profile", "id" to "p", "input" to "16", "runs" to 1)
        val profiled = message(run(plain(), "commands" to listOf(profile)))
        assertEquals("job: only artifacts are profiled, not other makers' model files", profiled)
        val missing = message(run(plain(), "format" to "executorch"))
        assertTrue(missing, missing.startsWith("library: ExecuTorch's Java classes or native library cannot be loaded"))
    }

    @Test
    fun `tensors that are not base64 are refused`() {
        val inputs = mapOf("16" to mapOf("tensors" to listOf(tensor("x", { 0 }) + ("data" to "*")), "signature" to null, "outputs" to emptyList<String>()))
        val output = run(mapOf("sha256" to sha256Of(model), "inputs" to inputs))
        assertEquals("job" to "the data of the tensor 'x' is not base64", output.error)
    }
}
