package squeezebertmobile.core

import org.junit.Assert.assertEquals
import org.junit.Assert.assertThrows
import org.junit.Assert.assertTrue
import org.junit.Rule
import org.junit.Test
import org.junit.rules.TemporaryFolder
import java.io.File
import java.nio.file.Files
import java.security.MessageDigest

class ArtifactTest {
    @get:Rule
    val temporary = TemporaryFolder()

    private fun copy(name: String = "text-classification"): File =
        File(temporary.root, "artifact").also { ARTIFACTS.getValue(name).copyRecursively(it) }

    private fun assertRefused(folder: File, message: String, open: () -> Any? = { Artifact.open(folder) }) {
        val error = assertThrows(ArtifactError::class.java) { open() }
        assertEquals(message, checkNotNull(error.message).replace(folder.path, "FOLDER"))
    }

    /** Changes the manifest; checksums and sizes of the files stay correct. */
    private fun rewrite(folder: File, change: (MutableMap<String, Any?>) -> Unit) {
        val path = File(folder, MANIFEST_FILE)
        path.writeText(Json.write(readJson(path).toMutableMap().also(change)))
    }

    /** Changes a file and its entry in the manifest. */
    private fun replace(folder: File, name: String, content: String) {
        File(folder, name).writeText(content)
        val sum = MessageDigest.getInstance("SHA-256").digest(content.toByteArray())
            .joinToString("") { "%02x".format(it) }
        rewrite(folder) { manifest ->
            val facts = mapOf("sha256" to sum, "bytes" to content.toByteArray().size.toLong())
            manifest["files"] = manifest.record("files") + (name to facts)
        }
    }

    @Test
    fun `a valid artifact is read, and its progress reported`() {
        val progress = ArrayList<Pair<Long, Long>>()
        val manifest = Artifact.open(copy()) { done, all -> progress.add(done to all) }.manifest
        assertEquals("text-classification", manifest.task)
        assertEquals(listOf("O", "B-PER", "I-PER", "B-LOC", "I-LOC"), manifest.labels)
        assertEquals(40, manifest.maxSequenceLength)
        assertEquals(null, manifest.sequenceLength)
        assertEquals("LABEL_7", manifest.label(7))
        assertEquals(progress.last().second, progress.last().first)
        assertEquals(12, artifact("fixed").manifest.sequenceLength)
    }

    @Test
    fun `missing files are named`() {
        val folder = copy()
        assertRefused(File("/nowhere"), "no such artifact folder: 'FOLDER'")
        assertRefused(temporary.root, "'FOLDER' is not an artifact: it has no manifest.json")
        File(folder, "vocab.txt").delete()
        assertRefused(folder, "artifact file 'FOLDER/vocab.txt' is missing; copy or export it again")
        rewrite(folder) { it["files"] = it.record("files") - "golden.json" - "vocab.txt" }
        assertRefused(folder, "'FOLDER/manifest.json' lists no golden.json")
    }

    @Test
    fun `a changed file is refused`() {
        val folder = copy()
        val model = File(folder, "model.onnx")
        val changed = "artifact file 'FOLDER/model.onnx' has changed since the export (its SHA-256 is not the " +
            "manifest's); copy or export it again"
        val bytes = model.readBytes()
        model.writeBytes(bytes.also { it[it.size / 2] = (it[it.size / 2] + 1).toByte() })
        assertRefused(folder, changed)
        Artifact.open(folder, checksums = false)
        model.appendText("x")
        assertRefused(folder, changed) { Artifact.open(folder, checksums = false) }
    }

    @Test
    fun `links and names that point outside the folder are refused`() {
        val folder = copy()
        val outside = File(temporary.root, "outside.txt").also { it.writeText("x") }
        val vocab = File(folder, "vocab.txt")
        val facts = readJson(File(folder, MANIFEST_FILE)).record("files").getValue("vocab.txt")
        vocab.renameTo(outside)
        Files.createSymbolicLink(vocab.toPath(), outside.toPath())
        assertRefused(folder, "artifact file 'vocab.txt' points outside its folder 'FOLDER'")
        for (name in listOf("../outside.txt", "a\\b", "c:d", "..", ".", "", "nul\u0000")) {
            rewrite(folder) { it["files"] = it.record("files") - "vocab.txt" - names + (name to facts) }
            val shown = name.replace("\u0000", "\\u0000")
            assertRefused(folder, "artifact file '$shown' points outside its folder 'FOLDER'")
        }
    }

    @Test
    fun `names that no file can have are refused`() {
        val folder = copy()
        val facts = readJson(File(folder, MANIFEST_FILE)).record("files").getValue("vocab.txt")
        val impossible = listOf("\ud800", "a\udfff", "\udc00\ud800", "v".repeat(256), "\u00e9".repeat(128))
        for (name in impossible) {
            rewrite(folder) { it["files"] = it.record("files") - "vocab.txt" - impossible.toSet() + (name to facts) }
            val error = assertThrows(ArtifactError::class.java) { Artifact.open(folder) }
            val message = checkNotNull(error.message)
            assertTrue(message, message.endsWith("is not a valid file name; export the checkpoint again"))
        }
        for (name in listOf("\ud83d\ude00".repeat(63), "v".repeat(255), "model.onnx.data")) assertTrue(name, isFileName(name))
    }

    @Test
    fun `fixed shapes that take all memory are refused`() {
        val folder = copy()
        val sound = readJson(File(folder, MANIFEST_FILE))
        fun withAxes(axes: List<Any>) = rewrite(folder) { manifest ->
            manifest["inputs"] = sound.records("inputs").map { it + ("axes" to axes) }
        }
        val impossible = listOf(
            listOf("batch", 1L shl 31), listOf(Long.MAX_VALUE, "sequence"), listOf(0L, 0L), listOf("batch", -1L),
            listOf(1L shl 20, 2L), listOf(1L shl 32, 1L shl 32), listOf(Long.MIN_VALUE, Long.MIN_VALUE),
        )
        for (axes in impossible) {
            withAxes(axes)
            assertRefused(
                folder,
                "the artifact's manifest gives 'input_ids' an impossible shape, $axes; export the checkpoint again",
            )
        }
        for (axes in listOf(listOf(1L, 1L shl 20), listOf("batch", 512L), listOf(1L, 1L))) {
            withAxes(axes)
            Artifact.open(folder)
        }
    }

    @Test
    fun `pipes, devices and huge files are not read`() {
        val folder = copy()
        val path = File(folder, MANIFEST_FILE)
        path.delete()
        assertEquals(0, ProcessBuilder("mkfifo", path.path).start().waitFor())
        assertRefused(folder, "'FOLDER/manifest.json' cannot be read as JSON: it is not a regular file")
        path.delete()
        Files.createSymbolicLink(path.toPath(), File("/dev/zero").toPath())
        assertRefused(folder, "'FOLDER/manifest.json' cannot be read as JSON: it is not a regular file")
        path.delete()
        path.mkdir()
        assertRefused(folder, "'FOLDER/manifest.json' cannot be read as JSON: it is not a regular file")
        path.delete()
        java.io.RandomAccessFile(path, "rw").use { it.setLength((64L shl 20) + 1) }
        assertRefused(folder, "'FOLDER/manifest.json' cannot be read as JSON: it has more than 67108864 bytes")
    }

    @Test
    fun `tolerances are limited by the largest value`() {
        fun golden(tolerance: Any, largest: Double): Map<String, Any?> {
            val output = mapOf("shape" to listOf(1L, 2L), "indices" to listOf(0L, 1L), "values" to listOf(0.5, largest), "top" to emptyList<Any>())
            val rows = listOf("input_ids", "attention_mask", "token_type_ids").associateWith { listOf(listOf(1L)) }
            val text = rows + mapOf("texts" to listOf(listOf("a")), "outputs" to mapOf("logits" to output))
            return mapOf("schema_version" to 1L, "tolerance" to mapOf("logits" to tolerance), "texts" to listOf(text))
        }
        val limits = listOf(0.0 to 100.0, 2e4 to 2e6, -1e30 to 1e32, Double.POSITIVE_INFINITY to 100.0, 1e300 to 100.0)
        for ((largest, limit) in limits) {
            assertEquals(limit * 0.999, goldenOf(golden(limit * 0.999, largest)).tolerance.getValue("logits"), 0.0)
            for (tolerance in listOf<Any>(limit * 1.001, 1e308, Double.POSITIVE_INFINITY, Double.NaN, -1e-9, -1L, Long.MAX_VALUE)) {
                if (tolerance == Long.MAX_VALUE && limit > 1e18) continue
                val error = assertThrows("$tolerance", ShapeError::class.java) { goldenOf(golden(tolerance, largest)) }
                assertEquals("tolerance.logits", error.where)
                assertTrue(error.problem, error.problem.endsWith(", 100 times the largest value of logits"))
            }
        }
    }

    private val names = setOf("../outside.txt", "a\\b", "c:d", "..", ".", "", "nul\u0000")

    @Test
    fun `an invalid manifest is refused`() {
        val folder = copy()
        val path = File(folder, MANIFEST_FILE)
        rewrite(folder) { it["schema_version"] = 2L }
        assertRefused(
            folder,
            "'FOLDER/manifest.json' has schema_version 2, this version reads 1; " +
                "export the checkpoint again with the same version",
        )
        rewrite(folder) {
            it["schema_version"] = 1L
            it["model"] = it.record("model") + ("layers" to 0L)
        }
        assertRefused(folder, "'FOLDER/manifest.json' is damaged at 'model.layers': 0 is not at least 1")
        path.writeText("[]")
        assertRefused(folder, "'FOLDER/manifest.json' must hold a JSON object")
        path.writeText("{")
        assertRefused(folder, "'FOLDER/manifest.json' cannot be read as JSON: a key must be a string (character 1)")
        path.writeBytes(byteArrayOf('"'.code.toByte(), -1))
        assertRefused(folder, "'FOLDER/manifest.json' cannot be read as JSON: it is not UTF-8 text")
    }

    @Test
    fun `a manifest that does not match its task is refused`() {
        val folder = copy()
        rewrite(folder) { it["task"] = "translation" }
        val tasks = "feature-extraction, fill-mask, multiple-choice, question-answering, text-classification, " +
            "token-classification"
        assertRefused(folder, "the artifact's manifest names an unknown task 'translation'; choose from: $tasks")
        rewrite(folder) { it["task"] = "question-answering" }
        assertRefused(
            folder,
            "the artifact's manifest does not have the inputs and outputs of question-answering; " +
                "export the checkpoint again",
        )
    }

    @Test
    fun `an encoder needs no pooler_output, but all other outputs`() {
        fun copyOf(name: String) = File(temporary.root, name).also { ARTIFACTS.getValue(name).copyRecursively(it) }
        val folder = copyOf("no-pooler")
        assertEquals(listOf("last_hidden_state"), Artifact.open(folder).manifest.outputs.map { it.name })
        val whole = copyOf("feature-extraction")
        val (states, pooled) = readJson(File(whole, MANIFEST_FILE)).records("outputs")
        val message = "the artifact's manifest does not have the inputs and outputs of feature-extraction; " +
            "export the checkpoint again"
        for (outputs in listOf(
            listOf(pooled),
            listOf(states, pooled + ("axes" to states["axes"])),
            listOf(states, pooled + ("name" to "logits")),
            listOf(states, pooled, pooled + ("name" to "logits")),
        )) {
            rewrite(whole) { it["outputs"] = outputs }
            assertRefused(whole, message)
        }
    }

    @Test
    fun `Python and Kotlin accept the same manifests and golden files`() {
        val readers = mapOf<String, (Map<String, Any?>) -> Any>(MANIFEST_FILE to ::manifestOf, GOLDEN_FILE to ::goldenOf)
        val counts = HashMap<Boolean, Int>()
        for (file in readJson(expected("damaged.json")).records("files")) {
            val read = readers.getValue(file.text("file"))
            read(file.record("sound"))
            for ((path, change, accepted) in damages(file)) {
                val ours = try {
                    read(changed(file["sound"], path, change).asRecord())
                    true
                } catch (_: ShapeError) {
                    false
                }
                assertEquals("${file["file"]}: $path: $change", accepted, ours)
                counts.merge(ours, 1, Int::plus)
            }
        }
        assertTrue("$counts", counts.getValue(true) > 50)
        assertTrue("$counts", counts.getValue(false) > 500)
    }

    /** Each change of a file: its path, the change, and whether Python accepts the result. */
    private fun damages(file: Map<String, Any?>): List<Triple<List<Any?>, Change, Any?>> {
        val wrong = file["wrong"] as List<*>
        return file.records("places").flatMap { place ->
            val path = place["path"] as List<*>
            val replaced = wrong.zip(place["replaced"] as List<*>) { value, accepted ->
                Triple(path, Change.Put(value), accepted)
            }
            val removed = Triple(path, Change.Remove, place["removed"])
            val joined = Triple(path + "unknown", Change.Put(1L), place["joined"])
            replaced + removed + listOf(joined).filter { it.third != null }
        }
    }

    private sealed interface Change {
        data class Put(val value: Any?) : Change

        data object Remove : Change
    }

    /** A copy of [data] with the value at [path] changed. */
    private fun changed(data: Any?, path: List<Any?>, change: Change): Any? {
        val key = path.first()
        val old = if (data is Map<*, *>) data[key] else (data as List<*>)[(key as Long).toInt()]
        val new = when {
            path.size > 1 -> changed(old, path.drop(1), change)
            change is Change.Put -> change.value
            else -> return if (data is Map<*, *>) data - key else (data as List<*>).filterIndexed { i, _ -> i.toLong() != key }
        }
        if (data is Map<*, *>) return data + (key to new)
        return (data as List<*>).mapIndexed { i, value -> if (i.toLong() == key) new else value }
    }

    @Test
    fun `an invalid tokenizer is refused`() {
        val folder = copy()
        val sound = readJson(File(folder, TOKENIZER_FILE))
        val model = sound.record("model")
        fun assertTokenizer(changed: Map<String, Any?>, message: String) {
            replace(folder, TOKENIZER_FILE, Json.write(changed))
            assertRefused(folder, message) { tokenizerOf(Artifact.open(folder)) }
        }
        fun damaged(what: String) = "the tokenizer is damaged at $what; export the checkpoint again"
        assertTokenizer(sound - "model", damaged("'model': missing"))
        assertTokenizer(
            sound + ("model" to model + ("type" to "BPE")),
            damaged("'model.type': 'BPE' is not one of WordPiece"),
        )
        val vocab = model.record("vocab")
        assertTokenizer(
            sound + ("model" to model + ("vocab" to vocab - "[UNK]")),
            damaged("'vocab': '[UNK]' (unk_token) is missing"),
        )
        assertTokenizer(
            sound + ("model" to model + ("vocab" to vocab + ("dog" to -1L))),
            damaged("'model.vocab.dog': -1 is not from 0 to 2147483647"),
        )
        assertTokenizer(sound + ("model" to model + ("vocab" to emptyMap<String, Any?>())), damaged("'model.vocab': empty"))
        assertTokenizer(
            sound + ("model" to model + ("vocab" to vocab + ("surplus" to 64L))),
            "the tokenizer of 'FOLDER' has 65 tokens, but its model has only 64; export the checkpoint again",
        )
        val token = mapOf(
            "id" to 5L, "content" to "\u0301", "single_word" to false, "lstrip" to false,
            "rstrip" to false, "normalized" to true, "special" to false,
        )
        val added = sound["added_tokens"] as List<*>
        assertTokenizer(
            sound + ("added_tokens" to added + token),
            "the added token '\u0301' is empty after normalization; export the checkpoint again without it",
        )
        for (half in listOf("a\ud800", "\udc00")) {
            assertTokenizer(
                sound + ("added_tokens" to added + (token + ("content" to half))),
                damaged("'added_tokens': '${half.replace("\ud800", "\\ud800").replace("\udc00", "\\udc00")}' is not valid Unicode"),
            )
        }
        assertTokenizer(
            sound + ("added_tokens" to added + added),
            damaged("'added_tokens': '[PAD]' is a duplicate or empty"),
        )
        assertTokenizer(
            sound + ("normalizer" to mapOf("lowercase" to 1L)),
            damaged("'normalizer.lowercase': 1 is neither true nor false"),
        )
        replace(folder, "added_tokens.json", "{}")
        assertRefused(
            folder,
            "the artifact lists added_tokens.json, which an export never writes; export the checkpoint again",
        ) { tokenizerOf(Artifact.open(folder)) }
    }

    @Test
    fun `tokenizer settings that an export never writes are refused`() {
        val folder = copy()
        replace(folder, "tokenizer_config.json", """{"added_tokens_decoder": {}}""")
        assertRefused(
            folder,
            "the tokenizer is damaged at 'tokenizer_config.json.added_tokens_decoder': unknown field; " +
                "export the checkpoint again",
        ) { tokenizerOf(Artifact.open(folder)) }
    }
}
