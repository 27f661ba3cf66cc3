package squeezebertmobile.app

import android.content.Intent
import android.net.Uri
import android.view.View
import org.junit.Assert.assertEquals
import org.junit.Assert.assertFalse
import org.junit.Assert.assertTrue
import org.junit.Test
import org.junit.runner.RunWith
import org.robolectric.RobolectricTestRunner
import org.robolectric.Shadows.shadowOf
import org.robolectric.annotation.Config
import squeezebertmobile.app.data.Prediction
import squeezebertmobile.app.data.Question
import squeezebertmobile.app.data.Vectors
import squeezebertmobile.app.data.answer
import squeezebertmobile.core.Artifact
import squeezebertmobile.core.FeatureExtraction
import squeezebertmobile.core.Feed
import squeezebertmobile.core.Model
import squeezebertmobile.core.Session
import squeezebertmobile.core.ZeroShot
import squeezebertmobile.core.openSession
import squeezebertmobile.core.tokenizerOf
import java.io.ByteArrayInputStream
import java.io.File

/** Zero-shot and search, what the start screen shows first, and how long the first answer took. */
@RunWith(RobolectricTestRunner::class)
@Config(sdk = [34])
class NewScreensTest {
    private fun <T> withModel(folder: File, work: (Model, runs: () -> Int) -> T): T {
        var runs = 0
        val artifact = Artifact.open(folder)
        return openSession(artifact, threads = 1).use { session ->
            val counted = object : Session by session {
                override fun run(feed: Feed) = session.run(feed).also { runs++ }
            }
            work(Model(artifact.manifest, tokenizerOf(artifact), counted)) { runs }
        }
    }

    @Test
    fun `labels that the user types are ranked as by core`() {
        installInference()
        task("inference").use { controller ->
            val screen = controller.get()
            screen.type(R.id.text, "wake me at six")
            screen.type(R.id.labels, "music\n time \n\nmusic\nthe weather")
            val theirs = withModel(File(app.filesDir, "artifacts/inference")) { model, _ ->
                ZeroShot(model).classify("wake me at six", listOf("music", "time", "the weather")).labels
            }
            assertEquals(theirs.map { it.label to "%.1f\u00a0%%".format(100 * it.score) }, screen.bars())
            screen.type(R.id.labels, " \n")
            assertEquals(emptyList<Any>(), screen.bars())
            assertEquals("Fill in the text fields; the answer updates as you type.", screen.textOf(R.id.status))
        }
    }

    @Test
    fun `only a model of natural language inference has the screen for labels`() {
        home().close()
        installInference()
        install("feature-extraction")
        home().use {
            val texts = it.get().texts()
            assertEquals(1, texts.count { text -> text == "Zero-shot classification" })
            assertEquals(2, texts.count { text -> text == "Text classification" })
            assertTrue("$texts", "Search" in texts && "Sentence similarity" in texts)
        }
        task("demo-intents", "zero-shot").use { assertEquals("Text classification", it.get().title) }
    }

    @Test
    fun `the nearest lines of a list come first, while the user types`() {
        install("feature-extraction")
        task("feature-extraction").use { controller ->
            val screen = controller.get()
            screen.type(R.id.list, "is it going to rain\nplay some music\nwake me at six\nwhere is Paris\ncall Anna\nstop")
            screen.type(R.id.query, "play some music")
            assertEquals("play some music" to "1.000", screen.bars()[0])
            assertEquals(5, screen.bars().size)
            screen.type(R.id.query, "wake me at six")
            assertEquals("wake me at six" to "1.000", screen.bars()[0])
            screen.type(R.id.list, "")
            assertEquals(emptyList<Any>(), screen.bars())
        }
    }

    @Test
    fun `a line is read once, and its number is core's similarity`() = withModel(goldenFolder("feature-extraction")) { model, runs ->
        val vectors = Vectors()
        val lines = listOf("play some music", "call Anna")
        for (query in listOf("play", "play some", "play some jazz")) answer(model, Question.Search(query, lines), vectors)
        assertEquals(lines.size + 3, runs())
        val ours = (answer(model, Question.Search("play", lines), vectors).prediction as Prediction.Ranking).items
        val core = FeatureExtraction(model)
        val theirs = lines.map { core.similarity(core.extract("play"), core.extract(it)) }
        assertEquals(theirs.sortedDescending(), ours.map { it.score })
    }

    @Test
    fun `the first answer says how long loading took, the next one does not`() {
        home().close()
        task("demo-intents").use { controller ->
            val screen = controller.get()
            val first = screen.textOf(R.id.status)
            assertTrue(first, Regex("""\nThe first run; loading the model took another \d+ ms\.""").containsMatchIn(first))
            screen.type(R.id.text, "play some jazz")
            assertFalse(screen.textOf(R.id.status), "loading" in screen.textOf(R.id.status))
        }
    }

    @Test
    fun `trained artifacts come before random ones`() {
        install("a-first-by-name", goldenFolder("fill-mask"))
        home().use { controller ->
            val texts = controller.get().texts()
            assertTrue("$texts", texts.indexOf("demo-intents") < texts.indexOf("a-first-by-name"))
        }
    }

    @Test
    fun `a refusal after picking survives a rotation, and goes with the next pick`() {
        fun pick(home: HomeActivity, name: String, content: ByteArray) {
            val uri = Uri.parse("content://documents/$name.zip")
            shadowOf(app.contentResolver).registerInputStream(uri, ByteArrayInputStream(content))
            home.findViewById<View>(R.id.add).performClick()
            val request = shadowOf(home).nextStartedActivityForResult
            shadowOf(home).receiveResult(request.intent, -1, Intent().setData(uri))
        }

        fun refused(home: HomeActivity) = home.texts().filter { "was not added" in it }.map { it.substringBefore(' ') }
        home().use { controller ->
            pick(controller.get(), "bad", "no zip".toByteArray())
            settle()
            assertEquals(listOf("bad"), refused(controller.get()))
            controller.recreate()
            settle()
            assertEquals(listOf("bad"), refused(controller.get()))
            pick(controller.get(), "worse", "no zip".toByteArray())
            controller.recreate() // while it is checked
            settle()
            assertEquals(listOf("worse"), refused(controller.get()))
        }
    }
}
