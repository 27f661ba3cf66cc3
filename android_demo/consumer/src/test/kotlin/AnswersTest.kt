import kotlinx.coroutines.CancellationException
import kotlinx.coroutines.Dispatchers
import kotlinx.coroutines.async
import kotlinx.coroutines.cancelAndJoin
import kotlinx.coroutines.runBlocking
import kotlinx.coroutines.runInterruptible
import org.junit.Assert.assertEquals
import org.junit.Assert.assertNull
import org.junit.Assert.assertSame
import org.junit.Assert.assertThrows
import org.junit.Assert.assertTrue
import org.junit.Rule
import org.junit.Test
import org.junit.rules.TemporaryFolder
import squeezebertmobile.core.SqueezeBert
import java.io.File

/** An app's use of the library, which comes from the folder repository alone. */
class AnswersTest {
    @get:Rule
    val temporary = TemporaryFolder()

    private val demo = File(checkNotNull(System.getProperty("artifact")))

    @Test
    fun `the demo answers`() {
        SqueezeBert.load(demo).use { model ->
            val result = model.classify("wake me at half past six", topK = 2)
            assertEquals("set_alarm", result.labels[0].label)
            assertTrue("$result", Regex("labels \\[set_alarm 0\\.9\\d{3}, \\w+ 0\\.0\\d{3}]").matches("$result"))
            model.verify()
        }
    }

    @Test
    fun `the snippets work`() {
        Intents(demo).use {
            assertEquals("play_music", it.of("put on some jazz"))
            assertNull(it.of("yes yes no"))
        }
        SqueezeBert.load(demo).use { model ->
            assertEquals("play_music", runBlocking { intentOf(model, "put on some jazz") })
        }
    }

    @Test
    fun `a coroutine that is cancelled ends`() {
        SqueezeBert.load(demo).use { model ->
            runBlocking {
                val endless = async(Dispatchers.IO) {
                    runInterruptible { while (true) model.classify("put on some jazz") }
                }
                model.classify("music")
                endless.cancelAndJoin()
                assertThrows(CancellationException::class.java) { runBlocking { endless.await() } }
            }
            assertEquals("play_music", model.classify("put on some jazz").labels[0].label)
        }
    }

    @Test
    fun `a model is replaced only by a right one`() {
        val new = File(temporary.root, "new").also { demo.copyRecursively(it) }
        val manifest = File(new, "manifest.json")
        val sum = sha256(manifest)
        val first = SqueezeBert.load(demo)
        assertSame(first, updated(first, new, "0".repeat(64)))
        val second = updated(first, new, sum)
        assertTrue(second !== first)
        assertThrows(IllegalStateException::class.java) { first.classify("a") }
        File(new, "golden.json").appendText(" ")
        assertSame(second, updated(second, new, sum))
        assertEquals("play_music", second.classify("put on some jazz").labels[0].label)
        second.close()
    }

    @Test
    fun `the library is the released jar, with rules for R8`() {
        val from = SqueezeBert::class.java.protectionDomain.codeSource.location.path
        assertTrue(from, from.endsWith("squeezebertmobile-core-0.1.0.jar"))
        val rules = checkNotNull(SqueezeBert::class.java.getResource("/META-INF/proguard/squeezebertmobile-core.pro"))
        assertTrue("-keep class ai.onnxruntime.** { *; }" in rules.readText())
    }
}
