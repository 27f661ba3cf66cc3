package squeezebertmobile.app

import org.junit.Assert.assertEquals
import org.junit.Assert.assertFalse
import org.junit.Assert.assertTrue
import org.junit.Rule
import org.junit.Test
import org.junit.rules.TemporaryFolder
import squeezebertmobile.app.data.Library
import squeezebertmobile.core.asRecord
import java.io.File

/** Zips and artifacts from others: refused in one sentence, never tried again, and nothing is left of them. */
class HostileZipTest {
    @get:Rule
    val temporary = TemporaryFolder()

    private val files by lazy { File(temporary.root, "app/files") }
    private val library by lazy { Library(files, emptyMap()) }

    private fun push(bytes: ByteArray, name: String = "bad") =
        File(files, "inbox").also { it.mkdirs() }.resolve("$name.zip").writeBytes(bytes)

    /** The reason for which the app refuses the zip. The artifact that was there before is kept. */
    private fun refusal(what: String, bytes: ByteArray): String {
        if (library.entry("bad") == null) {
            push(zip(TINY))
            assertEquals(emptyList<Any>(), library.refresh().refusals)
        }
        push(bytes)
        val listing = library.refresh()
        assertEquals(what, listOf("bad"), listing.entries.map { it.name })
        assertTidy(what)
        assertEquals(what, emptyList<Any>(), library.refresh().refusals)
        assertEquals(what, listOf("bad"), listing.refusals.map { it.name })
        val reason = listing.refusals.single().reason
        assertTrue("$what: $reason", reason.length in 10..700 && reason.none { it < ' ' })
        return reason
    }

    private fun assertTidy(what: String) {
        assertEquals(what, emptyList<String>(), File(files, "inbox").list().orEmpty().toList())
        assertTrue(what, files.list().orEmpty().all { it in setOf("artifacts", "inbox") })
        assertEquals(what, listOf("app"), temporary.root.list().orEmpty().toList())
        val installed = File(files, "artifacts").listFiles().orEmpty()
        for (folder in installed) assertEquals(what, TINY.keys, folder.list().orEmpty().toSet())
    }

    private fun assertRefused(expected: String, what: String, bytes: ByteArray) {
        val reason = refusal(what, bytes)
        assertTrue("$what: $reason", expected in reason)
    }

    private fun named(name: ByteArray, flags: Int = 0) =
        zip(TINY.map { (file, content) -> if (file == "vocab.txt") Packed(name, content, flags = flags) else Packed(file, content) })

    // Zips -------------------------------------------------------------------------------------

    @Test
    fun `names that are no file names are refused`() {
        val utf8 = 1 shl 11
        for (flags in listOf(0, utf8)) {
            for (bytes in listOf(byteArrayOf(-1), "vocab\u00e9".toByteArray(Charsets.ISO_8859_1), byteArrayOf(-19, -96, -128))) {
                assertRefused("a name in the zip is not UTF-8", "${bytes.toList()} $flags", named(bytes, flags))
            }
        }
        val outside = listOf("../vocab.txt", "../../artifacts/x/vocab.txt", "a/../../vocab.txt", "/etc/vocab.txt", "/vocab.txt")
        for (name in outside) assertRefused("leads out of the zip's folder", name, named(name.toByteArray()))
        val invalid = listOf("a\\vocab.txt", "..\\vocab.txt", "C:vocab.txt", "vocab\u0000.txt", "\u0000", ".", "", "v".repeat(300), "é".repeat(200))
        for (name in invalid) assertRefused("invalid file name", name, named(name.toByteArray()))
        assertRefused("leads out of", "a/..", named("a/..".toByteArray()))
        assertRefused("invalid file name", "65,000 characters", named(ByteArray(65_000) { 'v'.code.toByte() }))
    }

    @Test
    fun `a name twice is refused`() {
        for (name in TINY.keys) {
            val twice = TINY.map { Packed(it.key, it.value) } + Packed("again/$name", TINY.getValue(name))
            assertRefused("two files are called '$name'", name, zip(twice))
        }
    }

    @Test
    fun `folders in the place of files, links and too many entries are refused`() {
        val folder = TINY.map { (name, content) -> Packed(if (name == "manifest.json") "$name/" else name, content) }
        assertRefused("'manifest.json/' is a folder with a content", "folder with a content", zip(folder))
        val empty = TINY.map { (name, content) ->
            if (name == "manifest.json") Packed("$name/", ByteArray(0)) else Packed(name, content)
        }
        assertRefused("it has no manifest.json", "empty folder", zip(empty))
        // The zip's directory marks every file as a link; what counts is that the content is another.
        assertRefused("has changed since the export", "link", zip(TINY + ("vocab.txt" to "/data/system/users".toByteArray())))
        val folders = List(70_000) { Packed("a$it/", ByteArray(0)) }
        assertRefused("more than", "many folders", zip(folders + TINY.map { Packed(it.key, it.value) }))
        val many = List(5000) { Packed("a$it", ByteArray(1)) }
        assertRefused("more than 32 files", "many files", zip(TINY.map { Packed(it.key, it.value) } + many))
    }

    @Test
    fun `zip bombs are refused before they fill the storage`() {
        val bomb = ByteArray(48 shl 20)
        for (name in listOf("model.onnx", "unlisted", "manifest.json", "golden.json", "tokenizer.json")) {
            assertRefused("it unpacks to more than 100 times its size", name, zip(TINY.with(name, bomb)))
        }
        val inFolder = listOf(Packed("bomb/", bomb)) + TINY.map { Packed(it.key, it.value) }
        assertRefused("is a folder with a content", "folder", zip(inFolder))
    }

    @Test
    fun `every truncated or empty zip is refused or complete`() {
        val whole = zip(TINY)
        val end = whole.size - 22 - TINY.keys.sumOf { 46 + it.length } // of the files' data
        assertRefused("no files found", "no bytes", ByteArray(0))
        assertRefused("no files found", "no zip", "this is no zip".repeat(100).toByteArray())
        assertRefused("no files found", "an empty zip", zip(emptyList()))
        for (size in (1 until end step 997) + (end - 20 until end)) refusal("$size bytes", whole.copyOf(size))
        for (size in listOf(end, end + 1, whole.size - 30, whole.size - 1)) {
            push(whole.copyOf(size), "cut") // the central directory is not needed
            assertEquals("$size", emptyList<Any>(), library.refresh().refusals)
            library.remove("cut")
        }
    }

    @Test
    fun `headers with nonsense are refused`() {
        fun changed(change: (Packed) -> Packed) = zip(TINY.map { (name, content) -> change(Packed(name, content)) })
        val huge = littleEndian(20) { putShort(1).putShort(16).putLong(Long.MAX_VALUE).putLong(-1) }
        for (extra in listOf(huge, huge.copyOf(4), huge.copyOf(11), ByteArray(3) { -1 }, ByteArray(65_000) { -1 })) {
            val reason = refusal("zip64 ${extra.size}", changed {
                Packed(it.name, it.content, extra = extra, packedSize = 0xffffffffL, size = 0xffffffffL)
            })
            assertFalse(reason, "Exception" in reason)
        }
        for (size in listOf(0L, 1L, 0x7fffffffL, 0x80000000L, 0xffffffffL)) {
            refusal("packed size $size", changed { Packed(it.name, it.content, packedSize = size) })
            refusal("size $size", changed { Packed(it.name, it.content, size = size) })
            refusal("stored size $size", changed { Packed(it.name, it.content, method = 0, packedSize = size, size = size) })
        }
        for (method in listOf(1, 9, 12, 14, 93, 99, 65535)) {
            assertRefused("the zip is damaged: ", "method $method", changed { Packed(it.name, it.content, method = method) })
        }
        assertRefused("encrypted", "encrypted", changed { Packed(it.name, it.content, flags = 1) })
        refusal("data descriptor of a stored file", changed { Packed(it.name, it.content, method = 0, flags = 8) })
    }

    @Test
    fun `a folder and a link in the inbox are removed`() {
        File(files, "inbox/folder.zip/inner").mkdirs()
        val listing = library.refresh()
        assertEquals(listOf("folder"), listing.refusals.map { it.name })
        assertEquals(emptyList<Any>(), library.refresh().refusals)
        java.nio.file.Files.createSymbolicLink(File(files, "inbox/link.zip").toPath(), File("/dev/zero").toPath())
        assertEquals(listOf("link"), library.refresh().refusals.map { it.name })
        assertEquals(emptyList<String>(), File(files, "inbox").list().orEmpty().toList())
        assertTrue(File("/dev/zero").exists())
    }

    @Test
    fun `an artifact that ended the app is refused at the next start, and not tried again`() {
        push(zip(TINY), "crash")
        val crashing = Library(files, emptyMap()) { throw ThreadDeath() }
        org.junit.Assert.assertThrows(ThreadDeath::class.java) { crashing.refresh() }
        val next = library.refresh()
        val reason = "the app was closed or crashed while it checked the artifact; push it again, or export it again"
        assertEquals(listOf("crash" to reason), next.refusals.map { it.name to it.reason })
        assertEquals(emptyList<Any>(), next.entries)
        assertEquals(emptyList<Any>(), library.refresh().refusals)
        assertEquals(emptyList<String>(), File(files, "inbox").list().orEmpty().toList())
        assertFalse(File(files, "incoming").exists())
    }

    @Test
    fun `an artifact whose replacement was interrupted is still there`() {
        push(zip(TINY), "a")
        library.refresh()
        File(files, "outgoing").mkdirs()
        File(files, "artifacts/a").renameTo(File(files, "outgoing/a"))
        File(files, "incoming").mkdirs()
        File(files, "incoming/model.onnx").writeText("half")
        assertEquals(listOf("a"), library.refresh().entries.map { it.name })
        assertTidy("interrupted")
    }

    // Artifacts --------------------------------------------------------------------------------

    @Test
    fun `files that the manifest does not list are not kept`() {
        val surplus = mapOf("notes.txt" to "x".toByteArray(), "model.pte" to ByteArray(9), "__MACOSX/._vocab.txt" to ByteArray(9))
        push(zip(TINY + surplus), "a")
        assertEquals(listOf("a"), library.refresh().entries.map { it.name })
        assertTidy("unlisted files")
        val unlisted = TINY.manifest { it["files"] = it["files"].asRecord() - "vocab.txt" }
        push(zip(unlisted), "a") // replaces the first, which had one file more
        assertEquals(listOf("a"), library.refresh().entries.map { it.name })
        assertEquals(TINY.keys - "vocab.txt", File(files, "artifacts/a").list().orEmpty().toSet())
    }

    @Test
    fun `an older installation loses its unlisted files, also inside folders`() {
        push(zip(TINY), "a")
        library.refresh()
        File(files, "artifacts/a/left.bin").writeText("left")
        File(files, "artifacts/a/folder/inner").mkdirs()
        assertEquals(listOf("a"), library.refresh().entries.map { it.name })
        assertTidy("older installation")
    }

    @Test
    fun `file names in a manifest that are no file names are refused`() {
        val names = listOf("\ud800", "vocab\udfff.txt", "v".repeat(256), "\u00e9".repeat(128), "\ud83d\ude00".repeat(64))
        for (name in names) {
            val artifact = TINY.manifest {
                val listed = it["files"].asRecord()
                it["files"] = listed - "vocab.txt" + (name to listed["vocab.txt"])
            }
            assertRefused("is not a valid file name; export the checkpoint again", name, zip(artifact))
        }
    }

    private fun text(change: (MutableMap<String, Any?>) -> Unit) = TINY.changed("golden.json") { golden ->
        val texts = (golden["texts"] as List<*>).toMutableList()
        texts[3] = texts[3].asRecord().toMutableMap().also(change)
        golden["texts"] = texts
    }

    @Test
    fun `golden files whose rows do not fit are refused`() {
        for (name in listOf("texts", "input_ids", "attention_mask", "token_type_ids")) {
            for (rows in listOf(emptyList<Any>(), listOf(emptyList<Any>()))) {
                assertRefused("golden.json has a text", "$name: $rows", zip(text { it[name] = rows }))
            }
            assertRefused("golden.json has a text", "$name twice", zip(text { it[name] = it[name] as List<*> + it[name] as List<*> }))
        }
        assertRefused("golden.json has a text", "three texts", zip(text { it["texts"] = listOf(listOf("a", "b", "c")) }))
        for (name in listOf("input_ids", "attention_mask")) {
            assertRefused("golden.json has a text", "$name", zip(text { it[name] = listOf((it[name] as List<*>)[0].let { row -> (row as List<*>).drop(1) }) }))
        }
        assertRefused("golden.json has an invalid text", "half a surrogate", zip(text { it["texts"] = listOf(listOf("a\ud800")) }))
        assertRefused("golden.json has", "no mask", zip(text { it["attention_mask"] = listOf((it["attention_mask"] as List<*>)[0].let { row -> (row as List<*>).map { 0L } }) }))
        assertRefused("golden.json does not have texts", "no texts", zip(TINY.changed("golden.json") { it["texts"] = emptyList<Any>() }))
    }

    @Test
    fun `tolerances that would accept any output are refused`() {
        val golden = TINY.getValue("golden.json").toString(Charsets.UTF_8)
        for (tolerance in listOf("1e308", "1e999", "1e30", "100000", "-1e-9", "-1", "-1e999", "1" + "0".repeat(400), "NaN", "Infinity", "-Infinity", "null", "\"x\"", "[]")) {
            val changed = golden.replace(Regex("\"logits\":\\s*0\\.[0-9]+"), "\"logits\": $tolerance")
            assertRefused("golden.json' ", tolerance, zip(TINY.with("golden.json", changed)))
        }
    }

    @Test
    fun `JSON files that are nested deeply, huge or damaged are refused`() {
        val deep = mapOf("lists" to "[".repeat(100_000), "objects" to "{\"a\":".repeat(100_000), "closed" to "[".repeat(5000) + "]".repeat(5000))
        for (name in listOf("manifest.json", "golden.json", "tokenizer.json", "tokenizer_config.json")) {
            for ((what, text) in deep) assertRefused("nested more than 100 levels deep", "$name $what", zip(TINY.with(name, text)))
            val damaged = listOf("", "\u0000", "[]", "null", "1e999", "\"\\ud800\"", "{\"a\": ${"9".repeat(100_000)}}", "{\"a\": -}", "{\"\\u", "\u00ff{}")
            for (text in damaged) refusal("$name: ${text.take(20)}", zip(TINY.with(name, text)))
            val bytes = byteArrayOf('"'.code.toByte(), -1, '"'.code.toByte())
            assertRefused("it is not UTF-8 text", name, zip(TINY.with(name, bytes)))
        }
    }

    @Test
    fun `impossible shapes are refused`() {
        val impossible = listOf(1L shl 31, Long.MAX_VALUE, Long.MIN_VALUE, 0L, -1L, 1L shl 32, 5 + (1L shl 32))
        for (axis in impossible) {
            for (place in 0..1) {
                val artifact = TINY.manifest { manifest ->
                    manifest["inputs"] = (manifest["inputs"] as List<*>).map { input ->
                        val axes = (input.asRecord()["axes"] as List<*>).toMutableList().also { it[place] = axis }
                        input.asRecord() + ("axes" to axes)
                    }
                    manifest["max_sequence_length"] = Long.MAX_VALUE
                }
                assertRefused("an impossible shape, [", "$axis at $place", zip(artifact))
            }
        }
        for (size in listOf(0L, -1L, 1L shl 31)) {
            refusal("shape $size", zip(text { text ->
                text["outputs"] = text["outputs"].asRecord().mapValues { it.value.asRecord() + ("shape" to listOf(1L, size)) }
            }))
        }
    }

    @Test
    fun `odd vocabularies are refused or work`() {
        fun vocabulary(change: (Map<String, Any?>) -> Map<String, Any?>) = TINY.changed("tokenizer.json") {
            val model = it["model"].asRecord()
            it["model"] = model + ("vocab" to change(model["vocab"].asRecord()))
        }
        assertRefused("'model.vocab': empty", "empty", zip(vocabulary { emptyMap() }))
        refusal("ids twice", zip(vocabulary { words -> words.mapValues { 1L } }))
        refusal("negative", zip(vocabulary { words -> words.mapValues { -1L } }))
        refusal("beyond", zip(vocabulary { words -> words.mapValues { (it.value as Long) + 2_000_000_000L } }))
        refusal("floats", zip(vocabulary { words -> words.mapValues { 1.5 } }))
        for (key in listOf("unk_token", "sep_token", "pad_token", "cls_token", "mask_token")) {
            for (token in listOf("", "\ud800", "missing\udfff")) {
                refusal("$key $token", zip(TINY.changed("tokenizer_config.json") { it[key] = token }))
            }
        }
        val token = mapOf("id" to 70L, "content" to "a\ud800", "single_word" to false, "lstrip" to false, "rstrip" to false, "normalized" to false, "special" to true)
        for (normalized in listOf(false, true)) {
            val added = TINY.changed("tokenizer.json") { it["added_tokens"] = (it["added_tokens"] as List<*>) + (token + ("normalized" to normalized)) }
            assertRefused("the tokenizer is damaged at", "half a surrogate", zip(added))
        }
    }

    @Test
    fun `odd labels are shown`() {
        for (labels in listOf(null, emptyList(), listOf("\ud800", "", "\u0000", "x".repeat(100_000)))) {
            push(zip(TINY.manifest { it["labels"] = labels }), "a")
            val listing = library.refresh()
            assertEquals("$labels", emptyList<Any>(), listing.refusals)
            val entry = listing.entries.single()
            assertEquals(listOf("a"), listOf(entry.name))
            assertEquals(labels?.getOrNull(0) ?: "LABEL_0", entry.manifest.label(0))
        }
    }

    @Test
    fun `a model with other types or shapes than its manifest is refused`() {
        val other = File(REPOSITORY, "tests/golden/expected/artifacts/token-classification/model.onnx").readBytes()
        assertRefused("the model's output 'logits' has shape [1, ", "another task", zip(TINY.with("model.onnx", other)))
        for (model in listOf(ByteArray(0), ByteArray(100), TINY.getValue("model.onnx").copyOf(1000))) {
            refusal("${model.size}", zip(TINY.with("model.onnx", model)))
        }
    }

    @Test
    fun `every missing or wrong field is refused or has a default`() {
        for (name in listOf("manifest.json", "golden.json", "tokenizer.json", "tokenizer_config.json")) {
            val sound = TINY.json(name)
            for (key in sound.keys) {
                for (value in listOf("x", -1L, 1.5, emptyList<Any>(), emptyMap<String, Any>(), null, REMOVED)) {
                    val json = if (value === REMOVED) sound - key else sound + (key to value)
                    val bytes = squeezebertmobile.core.Json.write(json).toByteArray()
                    push(zip(if (name == "manifest.json") TINY + (name to bytes) else TINY.with(name, bytes)), "a")
                    val listing = library.refresh()
                    val count = listing.entries.size + listing.refusals.size
                    assertEquals("$name $key $value", 1, count)
                    assertTidy("$name $key $value")
                    library.remove("a")
                }
            }
        }
    }
}

private val REMOVED = Any()
