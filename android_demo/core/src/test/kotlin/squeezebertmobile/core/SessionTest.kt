package squeezebertmobile.core

import org.junit.Assert.assertEquals
import org.junit.Assert.assertFalse
import org.junit.Assert.assertThrows
import org.junit.Assert.assertTrue
import org.junit.Rule
import org.junit.Test
import org.junit.rules.TemporaryFolder
import java.io.File

class SessionTest {
    @get:Rule
    val temporary = TemporaryFolder()

    /** A copy with a changed manifest, opened without comparing checksums. */
    private fun changed(name: String, change: (Map<String, Any?>) -> Map<String, Any?>): Artifact {
        val folder = File(temporary.root, "changed")
        ARTIFACTS.getValue(name).copyRecursively(folder, overwrite = true)
        val path = File(folder, MANIFEST_FILE)
        path.writeText(Json.write(change(readJson(path))))
        return Artifact.open(folder, checksums = false)
    }

    private fun format(name: String, file: String): Artifact {
        return changed("text-classification") { manifest ->
            val files = manifest.record("files")
            File(temporary.root, "changed/$file").writeText("no model")
            val facts = mapOf("sha256" to "0".repeat(64), "bytes" to 8L)
            manifest + mapOf("format" to name, "files" to files + (file to facts))
        }
    }

    @Test
    fun `telemetry is switched off where Java can do it`() {
        switchTelemetryOff(null) // a desktop
        switchTelemetryOff(Any::class.java) // no such method
        switchTelemetryOff(EnvironmentOfAndroid::class.java)
        assertEquals(listOf(Triple("ORT_DISABLE_TELEMETRY", "1", false)), EnvironmentOfAndroid.set)
    }

    @Test
    fun `golden texts give the stored outputs and ids`() {
        for (name in ARTIFACTS.keys) {
            val artifact = artifact(name)
            val progress = ArrayList<Int>()
            openSession(artifact, threads = 1).use { session ->
                val checks = checkGolden(session, artifact.manifest, artifact.golden()) { done, _ -> progress.add(done) }
                assertEquals(artifact.manifest.outputs.map { it.name }, checks.map { it.output })
                checks.forEach { assertTrue("$name ${it.output} ${it.maxAbsDiff}", it.holds) }
            }
            assertEquals((1..8).toList(), progress)
            checkGoldenIds(tokenizerOf(artifact), artifact.golden())
        }
    }

    @Test
    fun `outputs that differ from the golden ones are detected`() {
        val artifact = artifact("text-classification")
        val golden = artifact.golden()
        val shifted = shiftedBy(golden, 1f)
        openSession(artifact, threads = 1).use { session ->
            val check = checkGolden(session, artifact.manifest, shifted).single()
            assertFalse(check.holds)
            assertEquals(1.0, check.maxAbsDiff, 0.1)
            assertEquals(8, check.sameAnswers)
            assertFalse(checkGolden(session, artifact.manifest, shiftedBy(golden, Float.NaN)).single().holds)
        }
        val other = artifact("demo")
        val error = assertThrows(ArtifactError::class.java) { checkGoldenIds(tokenizerOf(other), golden) }
        assertTrue(error.message, error.message!!.startsWith("golden.json has other ids than this tokenizer gives for"))
    }

    private fun shiftedBy(golden: Golden, shift: Float) = Golden(
        golden.tolerance,
        golden.texts.map { text ->
            GoldenText(
                text.texts, text.inputIds, text.attentionMask, text.tokenTypeIds,
                text.outputs.mapValues { (_, stored) ->
                    val values = stored.values.map { it + shift }.toFloatArray()
                    GoldenOutput(stored.shape, stored.indices, values, stored.top)
                },
            )
        },
    )

    @Test
    fun `golden outputs of another model are refused`() {
        val artifact = artifact("text-classification")
        val ours = artifact.golden()
        openSession(artifact, threads = 1).use { session ->
            fun assertMismatch(golden: Golden, message: String) {
                val error = assertThrows(ArtifactError::class.java) { checkGolden(session, artifact.manifest, golden) }
                assertEquals("golden.json $message; export the checkpoint again", error.message)
            }
            fun with(change: (GoldenOutput) -> GoldenOutput) = Golden(
                ours.tolerance,
                ours.texts.take(1).map { text ->
                    GoldenText(
                        text.texts, text.inputIds, text.attentionMask, text.tokenTypeIds,
                        text.outputs.mapValues { change(it.value) },
                    )
                },
            )
            assertMismatch(Golden(ours.tolerance, emptyList()), "does not have texts with the outputs logits")
            assertMismatch(
                with { GoldenOutput(intArrayOf(1, 2), it.indices, it.values, it.top) },
                "has logits with shape [1, 2], but the model's has shape [1, 5]",
            )
            assertMismatch(
                with { GoldenOutput(it.shape, intArrayOf(5), floatArrayOf(0f), it.top) },
                "has invalid indices or values for the output logits",
            )
            val text = ours.texts[0]
            val ids = listOf(longArrayOf(64))
            val beyond = GoldenText(text.texts, ids, listOf(longArrayOf(1)), listOf(longArrayOf(0)), text.outputs)
            assertMismatch(
                Golden(ours.tolerance, listOf(beyond)),
                "has an input that the model does not take: 'input_ids' holds 64, but this model takes 0 to 63",
            )
        }
    }

    @Test
    fun `golden texts whose rows do not fit are refused`() {
        val artifact = artifact("text-classification")
        val tokenizer = tokenizerOf(artifact)
        val text = artifact.golden().texts[0]
        val (ids, mask, types) = listOf(text.inputIds, text.attentionMask, text.tokenTypeIds)
        val short = listOf(ids[0].drop(1).toLongArray())
        val none = emptyList<LongArray>()
        val wrong = listOf(
            GoldenText(text.texts, none, mask, types, text.outputs),
            GoldenText(text.texts, ids, none, types, text.outputs),
            GoldenText(text.texts, ids, mask, none, text.outputs),
            GoldenText(text.texts, none, none, none, text.outputs),
            GoldenText(emptyList(), none, none, none, text.outputs),
            GoldenText(text.texts, short, mask, types, text.outputs),
            GoldenText(text.texts, ids, mask + mask, types, text.outputs),
            GoldenText(listOf(emptyList()), ids, mask, types, text.outputs),
            GoldenText(listOf(List(3) { "a" }), ids, mask, types, text.outputs),
        )
        fun message(golden: GoldenText): String? =
            assertThrows(ArtifactError::class.java) { checkGoldenIds(tokenizer, Golden(emptyMap(), listOf(golden))) }.message
        for (golden in wrong) {
            assertEquals(
                "golden.json has a text whose rows of texts, ids, masks and types do not fit together; export the checkpoint again",
                message(golden),
            )
        }
        assertEquals(
            "golden.json has an invalid text: a text is not valid Unicode: unpaired surrogate at character 1; export the checkpoint again",
            message(GoldenText(listOf(listOf("a\ud800")), ids, mask, types, text.outputs)),
        )
        assertEquals(
            "golden.json has an invalid text: a length of 0 is too short: the special tokens alone take 2; export the checkpoint again",
            message(GoldenText(text.texts, ids, listOf(LongArray(ids[0].size)), types, text.outputs)),
        )
    }

    /** A field of a protobuf message: a number, or a text or message with its length. */
    private fun field(number: Int, value: Any): ByteArray = when (value) {
        is Int -> varint(number shl 3) + varint(value)
        is String -> field(number, value.toByteArray())
        else -> (value as ByteArray).let { varint(number shl 3 or 2) + varint(it.size) + it }
    }

    private fun varint(number: Int): ByteArray =
        if (number < 128) byteArrayOf(number.toByte()) else byteArrayOf((number % 128 or 128).toByte(), (number / 128).toByte())

    private fun tensor(name: String, type: Int, rank: Int): ByteArray {
        val axes = (1..rank).fold(ByteArray(0)) { shape, axis -> shape + field(1, field(2, "a$axis")) }
        return field(1, name) + field(2, field(1, field(1, type) + field(2, axes)))
    }

    /** An ONNX model that casts its ids to a type: 1 is float, 7 int64, 10 float16. */
    private fun cast(to: Int): ByteArray {
        val attribute = field(1, "to") + field(3, to) + field(20, 2)
        val node = field(1, "input_ids") + field(2, "logits") + field(4, "Cast") + field(5, attribute)
        val inputs = INPUT_NAMES.fold(ByteArray(0)) { all, name -> all + field(11, tensor(name, 7, 2)) }
        val graph = field(1, node) + field(2, "graph") + inputs + field(12, tensor("logits", to, 2))
        return field(1, 8) + field(7, graph) + field(8, field(2, 13))
    }

    @Test
    fun `outputs of another type or shape are refused`() {
        val feed = Feed.of(artifact("token-classification").manifest, listOf(longArrayOf(1, 2, 3)))
        for (type in listOf(7, 10)) {
            val model = changed("token-classification") { it }
            File(model.modelPath).writeBytes(cast(type))
            val error = assertThrows(ArtifactError::class.java) { openSession(model, 1) }
            assertEquals(
                "'${model.modelPath}' has the output 'logits', which is no tensor of type FLOAT; export the checkpoint again",
                error.message,
            )
        }
        val model = changed("token-classification") { it }
        File(model.modelPath).writeBytes(cast(1))
        openSession(model, 1).use { session ->
            val error = assertThrows(ModelError::class.java) { session.run(feed) }
            assertEquals(
                "the model's output 'logits' has shape [1, 3] for an input of shape [1, 3], but token-classification " +
                    "has [batch, sequence, labels]; export the checkpoint again",
                error.message,
            )
        }
    }

    @Test
    fun `invalid inputs are refused`() {
        val manifest = artifact("fixed").manifest
        fun assertRefused(message: String, ids: List<LongArray>, mask: List<LongArray>? = null) {
            val error = assertThrows(InputError::class.java) { Feed.of(manifest, ids, mask) }
            assertEquals(message, error.message)
        }
        val row = LongArray(12)
        assertRefused("'input_ids' has no tokens", listOf(LongArray(0)))
        assertRefused("'input_ids' has shape [1, 3], but this model takes [batch, 12]", listOf(LongArray(3)))
        assertRefused("the rows of 'input_ids' must have the same length as those of 'input_ids'", listOf(row, LongArray(3)))
        assertRefused("the rows of 'attention_mask' must have the same length as those of 'input_ids'", listOf(row), emptyList())
        assertRefused("'attention_mask' holds 2, but this model takes 0 to 1", listOf(row), listOf(LongArray(12) { 2 }))
        val free = artifact("text-classification").manifest
        val error = assertThrows(InputError::class.java) { Feed.of(free, listOf(LongArray(41))) }
        assertEquals("'input_ids' has 41 tokens per row, but this model takes at most 40", error.message)
    }

    @Test
    fun `a prepared run can be repeated`() {
        val artifact = artifact("demo")
        openSession(artifact, threads = 2).use { session ->
            val feed = Feed.of(artifact.manifest, listOf(LongArray(16) { it + 5L }))
            session.prepare(feed).use { prepared -> repeat(3) { prepared.run() } }
            assertEquals(listOf(1, 12), session.run(feed).getValue("logits").shape.toList())
        }
    }

    @Test
    fun `models that cannot be loaded are refused`() {
        val threads = assertThrows(InputError::class.java) { openSession(artifact("demo"), threads = 0) }
        assertEquals("threads=0 must be from 1 to 64", threads.message)
        val torchscript = assertThrows(ArtifactError::class.java) { openSession(format("torchscript", "model.pt"), 1) }
        assertEquals(
            "a phone cannot run torchscript: PyTorch Mobile is no longer maintained; " +
                "export the checkpoint with --format onnx or --format executorch",
            torchscript.message,
        )
        val damaged = changed("demo") { it }
        File(damaged.modelPath).writeText("no model")
        val broken = assertThrows(ModelError::class.java) { openSession(damaged, 1) }
        assertTrue(broken.message, broken.message!!.startsWith("ONNX Runtime ${onnxRuntimeVersion()} cannot load '${damaged.modelPath}'"))
        val renamed = changed("text-classification") { manifest ->
            val outputs = (manifest["outputs"] as List<*>).map { it.asRecord() + ("name" to "logits") }
            manifest + ("outputs" to outputs)
        }
        File(renamed.modelPath).delete()
        expected("artifacts/question-answering/model.onnx").copyTo(File(renamed.modelPath))
        val other = assertThrows(ArtifactError::class.java) { openSession(renamed, 1) }
        assertEquals(
            "'${renamed.modelPath}' has the outputs [end_logits, start_logits], but its manifest says [logits]; " +
                "export the checkpoint again",
            other.message,
        )
    }

    @Test
    fun `ExecuTorch's stub is called`() {
        val error = assertThrows(ModelError::class.java) { openSession(format("executorch", "model.pte"), 1) }
        assertTrue(error.message, error.message!!.startsWith("ExecuTorch cannot load '"))
        assertTrue(error.message, error.message!!.contains("a stub"))
    }

    @Test
    fun `LiteRT's stub is called`() {
        val error = assertThrows(ModelError::class.java) { openSession(format("litert", "model.tflite"), 1) }
        assertTrue(error.message, error.message!!.startsWith("LiteRT cannot load '"))
        assertTrue(error.message, error.message!!.contains("a stub"))
    }

    @Test
    fun `a range of versions of ONNX Runtime is accepted`() {
        for (version in listOf("1.23.0", "1.24.2", "1.26.0", ONNX_RUNTIME_VERSION, "1.100.0", "1.31.0-rc1")) checkVersion(version)
        for (version in listOf("1.22.0", "1.19.2", "1.2.0", "0.23.0", "2.0.0", "", "nightly")) {
            val error = assertThrows(LibraryError::class.java) { checkVersion(version) }
            assertEquals(
                "ONNX Runtime $version is not supported: this library is tested with 1.23.0 to 1.29.0, and newer versions of " +
                    "1.x are accepted; depend on one of these",
                error.message,
            )
        }
        // "mvn -Donnxruntime.version=1.23.0" runs these tests with another version.
        assertEquals(System.getProperty("onnxruntime.version"), onnxRuntimeVersion())
    }

    @Test
    fun `a missing library is named`() {
        val error = assertThrows(LibraryError::class.java) {
            withLibrary("ONNX Runtime") { throw UnsatisfiedLinkError("dlopen failed: no libonnxruntime.so\nmore") }
        }
        assertEquals(
            "ONNX Runtime's Java classes or native library cannot be loaded: dlopen failed: no libonnxruntime.so",
            error.message,
        )
    }
}

/** With the method of `android.system.Os`. */
internal object EnvironmentOfAndroid {
    val set = ArrayList<Triple<String, String, Boolean>>()

    @JvmStatic
    fun setenv(name: String, value: String, overwrite: Boolean) {
        set.add(Triple(name, value, overwrite))
    }
}
