package squeezebertmobile.app

import org.junit.Assert.assertEquals
import org.junit.Assert.assertFalse
import org.junit.Assert.assertThrows
import org.junit.Assert.assertTrue
import org.junit.Rule
import org.junit.Test
import org.junit.rules.TemporaryFolder
import squeezebertmobile.app.data.Library
import squeezebertmobile.app.data.ArtifactFiles
import squeezebertmobile.app.data.zipFiles
import squeezebertmobile.core.ArtifactError
import java.io.ByteArrayInputStream
import java.io.ByteArrayOutputStream
import java.io.File
import java.io.IOException
import java.util.zip.ZipEntry
import java.util.zip.ZipOutputStream

class LibraryTest {
    @get:Rule
    val temporary = TemporaryFolder()

    private val demo = checkNotNull(DEMO.listFiles()).associate { it.name to it.readBytes() }
    private val library by lazy { Library(temporary.root, emptyMap()) }

    private fun parts(files: Map<String, ByteArray>) = ArtifactFiles { read ->
        files.forEach { (name, bytes) -> read(name, ByteArrayInputStream(bytes)) }
    }

    private fun zip(files: Map<String, ByteArray>): ByteArray {
        val out = ByteArrayOutputStream()
        ZipOutputStream(out).use { zip ->
            for ((name, bytes) in files) {
                zip.putNextEntry(ZipEntry(name))
                zip.write(bytes)
            }
        }
        return out.toByteArray()
    }

    private fun push(name: String, bytes: ByteArray) =
        File(temporary.root, "inbox").also { it.mkdirs() }.resolve("$name.zip").writeBytes(bytes)

    private fun assertRefused(message: String, parts: ArtifactFiles) {
        val error = assertThrows(ArtifactError::class.java) { library.install("demo", parts) }
        assertTrue("${error.message}", message in error.message.orEmpty())
        assertFalse(File(temporary.root, "incoming").exists())
    }

    @Test
    fun `a pushed zip is installed, flat or in one folder, and stays installed`() {
        push("flat", zip(demo))
        push("nested", zip(demo.mapKeys { "some folder/${it.key}" }))
        assertEquals(listOf("flat", "nested"), library.refresh().entries.map { it.name })
        assertEquals(emptyList<File>(), File(temporary.root, "inbox").listFiles().orEmpty().toList())
        val again = Library(temporary.root, emptyMap()).refresh()
        assertEquals(listOf("flat", "nested"), again.entries.map { it.name })
        assertEquals(emptyList<Any>(), again.refusals)
    }

    @Test
    fun `the bundled artifact is installed, and again when it changes`() {
        val ours = { files: Map<String, ByteArray> -> Library(temporary.root, mapOf("demo" to parts(files))) }
        assertEquals(listOf("demo"), ours(demo).refresh().entries.map { it.name })
        val model = File(temporary.root, "artifacts/demo/model.onnx")
        model.setLastModified(0)
        ours(demo).refresh()
        assertEquals(0L, model.lastModified())
        val manifest = demo.getValue("manifest.json").toString(Charsets.UTF_8)
        ours(demo + ("manifest.json" to " $manifest".toByteArray())).refresh()
        assertTrue(model.lastModified() > 0)
    }

    @Test
    fun `a bad artifact is refused with a message, and the previous one is kept`() {
        library.install("demo", parts(demo))
        val before = library.refresh().entries.single()
        val model = demo.getValue("model.onnx").copyOf().also { it[it.size / 2]++ }
        assertRefused("has changed since the export", parts(demo + ("model.onnx" to model)))
        assertRefused("is missing", parts(demo - "vocab.txt"))
        assertRefused("it has no manifest.json", parts(demo - "manifest.json"))
        assertRefused("no files found", zipFiles { ByteArrayInputStream(ByteArray(0)) })
        assertRefused("no files found", zipFiles { ByteArrayInputStream("this is no zip".toByteArray()) })
        assertRefused("invalid file name", parts(mapOf(".." to ByteArray(1))))
        assertRefused("invalid file name", parts(mapOf("a\\b" to ByteArray(1))))
        assertRefused("more than 32 files", parts((0..32).associate { "$it" to ByteArray(1) }))
        assertRefused("cannot be read or stored: the phone was unplugged", ArtifactFiles { throw IOException("the phone was unplugged") })
        assertTrue(before.isSame(library.refresh().entries.single()))
    }

    @Test
    fun `a zip cannot write outside the folder`() {
        push("evil", zip(demo.mapKeys { if (it.key == "vocab.txt") "../../artifacts/x/vocab.txt" else it.key }))
        val reason = "the path '../../artifacts/x/vocab.txt' leads out of the zip's folder; zip the artifact again"
        assertEquals(reason, library.refresh().refusals.single().reason)
        assertEquals(listOf("inbox"), temporary.root.list().orEmpty().toList())
        assertEquals(emptyList<String>(), File(temporary.root, "inbox").list().orEmpty().toList())
    }

    @Test
    fun `a truncated zip is refused, and not tried again`() {
        push("half", zip(demo).let { it.copyOf(it.size / 2) })
        val refusal = library.refresh().refusals.single()
        assertEquals("half", refusal.name)
        assertEquals(emptyList<Any>(), library.refresh().refusals)
    }

    @Test
    fun `an artifact with different outputs is refused`() {
        val golden = demo.getValue("golden.json").toString(Charsets.UTF_8)
        val manifest = demo.getValue("manifest.json").toString(Charsets.UTF_8)
        val other = golden.replace(Regex("\"values\": ?\\[\\s*-?[0-9.]+"), "\"values\": [77")
        fun sha(bytes: ByteArray) =
            java.security.MessageDigest.getInstance("SHA-256").digest(bytes).joinToString("") { "%02x".format(it) }
        val changed = manifest.replace(sha(golden.toByteArray()), sha(other.toByteArray()))
            .replace(Regex("\"bytes\": ${golden.toByteArray().size}\\b"), "\"bytes\": ${other.toByteArray().size}")
        assertRefused(
            "this phone's outputs differ from the golden outputs: logits is off by",
            parts(demo + ("golden.json" to other.toByteArray()) + ("manifest.json" to changed.toByteArray())),
        )
    }

    @Test
    fun `a damaged artifact is listed with the reason, and the others remain`() {
        library.install("a", parts(demo))
        library.install("b", parts(demo))
        File(temporary.root, "artifacts/a/model.onnx").appendText("x")
        val listing = library.refresh()
        assertEquals(listOf("b"), listing.entries.map { it.name })
        assertTrue("has changed since the export" in listing.refusals.single { it.name == "a" }.reason)
    }

    @Test
    fun `names are reduced to safe characters`() {
        val names = mapOf("my model" to "my-model", "../../etc" to "-..-etc", "" to "artifact", "x".repeat(80) to "x".repeat(64))
        for ((name, safe) in names) assertEquals(safe, library.install(name, parts(demo)))
        library.remove("my-model")
        assertFalse(File(temporary.root, "artifacts/my-model").exists())
    }

    @Test
    fun `an artifact that does not fit in memory is refused`() {
        val tight = Library(temporary.root, mapOf("demo" to parts(demo))) { throw OutOfMemoryError() }
        val reason = "not enough memory on this phone to load it; export it to int8"
        assertEquals(reason, tight.refresh().refusals.single().reason)
    }
}
