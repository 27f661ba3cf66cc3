package squeezebertmobile.app

import android.content.Intent
import android.net.Uri
import android.os.Bundle
import android.text.Spanned
import android.text.style.BackgroundColorSpan
import android.view.View
import android.widget.EditText
import android.widget.TextView
import org.junit.Assert.assertEquals
import org.junit.Assert.assertFalse
import org.junit.Assert.assertTrue
import org.junit.Test
import org.junit.runner.RunWith
import org.robolectric.Robolectric
import org.robolectric.RobolectricTestRunner
import org.robolectric.Shadows.shadowOf
import org.robolectric.annotation.Config
import org.robolectric.fakes.RoboMenuItem
import squeezebertmobile.app.data.Engine
import squeezebertmobile.core.Feed
import squeezebertmobile.core.Session
import squeezebertmobile.core.asRecord
import squeezebertmobile.core.openSession
import java.io.ByteArrayInputStream
import java.io.ByteArrayOutputStream
import java.io.File
import java.util.concurrent.CountDownLatch
import java.util.zip.ZipEntry
import java.util.zip.ZipOutputStream

/** From typed text to displayed answer, with real inference. */
@RunWith(RobolectricTestRunner::class)
@Config(sdk = [34])
class ScreensTest {
    @Test
    fun `the bundled artifacts are installed and checked at the first start`() {
        home().use { controller ->
            val home = controller.get()
            assertEquals(BUNDLED, home.texts().filter { it.startsWith("demo-") })
            assertFalse("Random weights" in home.texts().joinToString())
            assertTrue(home.texts().any { it.startsWith("squeezebert · int8 · onnx · ") })
            assertFalse(home.isShown(R.id.progress))
            home.findViewById<View>(R.id.name).rootView // a card opens its task
            (home.findViewById<View>(R.id.name).parent as View).performClick()
            val next = shadowOf(home).nextStartedActivity
            assertEquals(BUNDLED[0], next.getStringExtra("name"))
        }
    }

    @Test
    fun `typed text shows Python's labels as bars`() {
        home().close()
        task("demo-intents").use { controller ->
            for (case in CASES.filter { it["artifact"] == "demo-intents" }.map { Case(it) }) {
                controller.get().type(R.id.text, case.text("texts"))
                val theirs = case.records("labels").take(5)
                assertEquals(theirs.map { it["label"] }, controller.get().bars().map { it.first })
                controller.get().bars().zip(theirs) { (_, shown), their ->
                    assertEquals(100 * case.number(their["score"]), percent(shown), 100 * case.tolerance + 0.06)
                }
                assertTrue(controller.get().textOf(R.id.status), " ms for " in controller.get().textOf(R.id.status))
            }
        }
    }

    private fun percent(shown: String): Double = shown.removeSuffix("%").trim().toDouble()

    @Test
    fun `a mask is filled, and a touch puts the word there`() = show("fill-mask") { screen ->
        val case = Case(CASES.first { it["artifact"] == "fill-mask" })
        val text = case.text("texts")
        screen.type(R.id.text, text)
        val words = ((case.result["masks"] as List<*>)[0] as List<*>).map { it.asRecord()["token_str"] as String }
        assertEquals(words, screen.bars().map { it.first })
        (screen.findViewById<View>(R.id.bar).parent as View).performClick()
        settle()
        val filled = text.replace("[MASK]", words[0])
        assertEquals(filled, screen.textOf(R.id.text))
        assertEquals(emptyList<Any>(), screen.bars())
        screen.findViewById<EditText>(R.id.text).setSelection(0)
        screen.findViewById<View>(R.id.insert_mask).performClick()
        settle()
        assertEquals("[MASK]$filled", screen.textOf(R.id.text))
        assertEquals(5, screen.bars().size)
    }

    @Test
    fun `words are coloured where Python finds them`() = show("token-classification") { screen ->
        for (case in CASES.filter { it["artifact"] == "token-classification" }.map { Case(it) }.filter { it.question != null }) {
            val text = case.text("texts")
            screen.type(R.id.text, text)
            val shown = screen.findViewById<TextView>(R.id.tagged).text as Spanned
            assertEquals(text, shown.toString())
            val spans = shown.getSpans(0, shown.length, BackgroundColorSpan::class.java)
            val ours = spans.map { shown.getSpanStart(it) to shown.getSpanEnd(it) }.sortedBy { it.first }
            val theirs = case.records("entities").map {
                val (from, to) = listOf("start", "end").map { name -> text.offsetByCodePoints(0, case.number(it[name]).toInt()) }
                from to to
            }
            assertEquals(theirs, ours)
            assertEquals(theirs.isEmpty(), screen.isShown(R.id.none))
        }
    }

    @Test
    fun `the answer is marked in the passage`() = show("question-answering") { screen ->
        for (case in CASES.filter { it["artifact"] == "question-answering" }.map { Case(it) }.filter { it.question != null }) {
            screen.type(R.id.passage, case.text("context"))
            screen.type(R.id.question, case.text("question"))
            val best = case.records("answers")[0]["answer"]
            val shown = screen.findViewById<TextView>(R.id.marked).text as Spanned
            val span = shown.getSpans(0, shown.length, BackgroundColorSpan::class.java).single()
            assertEquals(best, shown.substring(shown.getSpanStart(span), shown.getSpanEnd(span)))
            assertEquals(listOf(best), screen.bars().map { it.first })
        }
    }

    @Test
    fun `choices are ranked`() = show("multiple-choice") { screen ->
        val places = listOf(R.id.choice_1, R.id.choice_2, R.id.choice_3, R.id.choice_4)
        for (case in CASES.filter { it["artifact"] == "multiple-choice" }.map { Case(it) }) {
            val choices = (case.question as squeezebertmobile.app.data.Question.Choose).choices
            places.forEachIndexed { place, id -> screen.type(id, choices.getOrElse(place) { "" }) }
            screen.type(R.id.text, case.text("texts"))
            assertEquals(case.records("choices").map { it["choice"] }, screen.bars().map { it.first })
        }
        places.drop(1).forEach { screen.type(it, " ") }
        assertEquals("Fill in the text fields; the answer updates as you type.", screen.textOf(R.id.status))
        assertEquals(emptyList<Any>(), screen.bars())
    }

    @Test
    fun `two sentences are compared by a number, not a percentage`() = show("feature-extraction", "compare") { screen ->
        screen.type(R.id.first_sentence, "play some music")
        screen.type(R.id.second_sentence, "play some music")
        assertEquals(listOf("Cosine similarity" to "1.000"), screen.bars())
    }

    @Test
    fun `random weights are marked, trained ones are not`() {
        home().close()
        task("demo-intents").use { assertFalse(it.get().isShown(R.id.random)) }
        show("fill-mask") { assertTrue(it.isShown(R.id.random)) }
    }

    @Test
    fun `long, odd and right-to-left texts are answered`() {
        home().close()
        task("demo-intents").use { controller ->
            val screen = controller.get()
            screen.type(R.id.text, "wake me at six ".repeat(700)) // 10,500 characters
            assertTrue(screen.textOf(R.id.status), "were truncated" in screen.textOf(R.id.status))
            for (text in listOf("\ud83c\udf89\ud83d\udc4d\ud83c\udffd", "ما هو الطقس غدا؟", "\u202eabc", "日本語")) {
                screen.type(R.id.text, text)
                assertTrue("$text: ${screen.textOf(R.id.status)}", " ms for " in screen.textOf(R.id.status))
                assertEquals(5, screen.bars().size)
            }
            screen.type(R.id.text, "half an emoji \ud83c")
            assertTrue(screen.textOf(R.id.status), "Unicode" in screen.textOf(R.id.status))
            assertEquals(emptyList<Any>(), screen.bars())
        }
    }

    @Test
    fun `a rotation keeps what was typed, what is shown and the model`() {
        home().close()
        task("demo-intents").use { controller ->
            controller.get().type(R.id.text, "play some jazz")
            val before = controller.get().bars()
            controller.get().onOptionsItemSelected(RoboMenuItem(R.id.tokens_shown))
            controller.recreate()
            settle()
            assertEquals("play some jazz", controller.get().textOf(R.id.text))
            assertEquals(before, controller.get().bars())
            assertTrue(controller.get().isShown(R.id.tokens))
            assertTrue("play" in controller.get().textOf(R.id.tokens))
        }
    }

    @Test
    fun `everything is restored after the process was killed`() {
        home().close()
        val state = Bundle()
        task("demo-intents").use { controller ->
            controller.get().type(R.id.text, "play some jazz")
            controller.pause().stop().saveInstanceState(state)
        }
        useEngine { Engine(it) } // with no model open, as in a new process
        Robolectric.buildActivity(TaskActivity::class.java, TaskActivity.of(app, "demo-intents")).setup(state).use {
            settle()
            assertEquals("play some jazz", it.get().textOf(R.id.text))
            assertEquals(5, it.get().bars().size)
        }
    }

    @Test
    fun `a slow model does not block the screen, and can be cancelled`() {
        home().close()
        val gate = CountDownLatch(1)
        useEngine { main ->
            Engine(main) { artifact ->
                val session = openSession(artifact, threads = 1)
                object : Session by session {
                    override fun run(feed: Feed) = gate.await().let { session.run(feed) }
                }
            }
        }
        activity(TaskActivity::class.java, TaskActivity.of(app, "demo-intents")).use { controller ->
            val screen = controller.get()
            shadowOf(screen.mainLooper).idle()
            assertTrue(screen.isShown(R.id.progress))
            screen.findViewById<EditText>(R.id.text).setText("typed meanwhile")
            assertTrue(screen.isShown(R.id.cancel))
            screen.findViewById<View>(R.id.cancel).performClick()
            gate.countDown()
            settle()
            assertEquals("Cancelled.", screen.textOf(R.id.status))
            assertFalse(screen.isShown(R.id.progress))
            assertEquals(emptyList<Any>(), screen.bars())
            screen.type(R.id.text, "again")
            assertEquals(5, screen.bars().size)
        }
    }

    @Test
    fun `too little memory for a model is reported`() {
        home().close()
        useEngine { Engine(it) { throw OutOfMemoryError() } }
        task("demo-intents").use {
            val reason = "not enough memory on this phone for demo-intents; close other apps, or use int8"
            assertEquals(reason, it.get().textOf(R.id.status))
        }
    }

    @Test
    fun `an artifact that was damaged in storage is refused when it is opened`() {
        home().close()
        val model = File(app.filesDir, "artifacts/demo-intents/model.onnx")
        model.writeBytes(model.readBytes().also { it[it.size / 2]++ })
        task("demo-intents").use {
            assertTrue(it.get().textOf(R.id.status), "has changed since the export" in it.get().textOf(R.id.status))
        }
    }

    @Test
    fun `a zip that was picked is checked and added, a bad one refused`() {
        home().use { controller ->
            val good = Uri.parse("content://documents/good.zip")
            val bad = Uri.parse("content://documents/bad.zip")
            shadowOf(app.contentResolver).registerInputStream(good, ByteArrayInputStream(zipOf(goldenFolder("fill-mask"))))
            shadowOf(app.contentResolver).registerInputStream(bad, ByteArrayInputStream("no zip".toByteArray()))
            for (uri in listOf(good, bad)) {
                controller.get().findViewById<View>(R.id.add).performClick()
                val request = shadowOf(controller.get()).nextStartedActivityForResult
                assertEquals(Intent.ACTION_OPEN_DOCUMENT, request.intent.action)
                shadowOf(controller.get()).receiveResult(request.intent, -1, Intent().setData(uri))
                settle()
            }
            val texts = controller.get().texts()
            assertTrue("$texts", "good" in texts)
            assertTrue("$texts", texts.any { it.startsWith("bad was not added: no files found") })
        }
    }

    @Test
    fun `a bad zip in the inbox is refused on the screen, once`() {
        val named = Packed(byteArrayOf(-1), ByteArray(9))
        val surrogate = TINY.manifest { it["files"] = it["files"].asRecord() + ("\ud800" to it["files"].asRecord()["vocab.txt"]) }
        val rows = TINY.changed("golden.json") { golden ->
            golden["texts"] = (golden["texts"] as List<*>).map { it.asRecord() + ("attention_mask" to emptyList<Any>()) }
        }
        val inbox = File(app.filesDir, "inbox").also { it.mkdirs() }
        val zips = mapOf("name" to zip(listOf(named)), "surrogate" to zip(surrogate), "rows" to zip(rows))
        for ((name, bytes) in zips) File(inbox, "$name.zip").writeBytes(bytes)
        home().use {
            val texts = it.get().texts()
            for (name in zips.keys) assertEquals("$texts", 1, texts.count { text -> text.startsWith("$name was not added: ") })
            assertTrue("$texts", "demo-intents" in texts)
        }
        home().use { assertTrue(it.get().texts().none { text -> "was not added" in text }) }
    }

    @Test
    fun `a file that another app does not share is refused`() {
        val uri = Uri.parse("content://documents/secret.zip")
        shadowOf(app.contentResolver).registerInputStreamSupplier(uri) { throw SecurityException("no permission") }
        home().use { controller ->
            controller.get().findViewById<View>(R.id.add).performClick()
            val request = shadowOf(controller.get()).nextStartedActivityForResult
            shadowOf(controller.get()).receiveResult(request.intent, -1, Intent().setData(uri))
            settle()
            val reason = "secret was not added: another app does not let this one read it: no permission; pick it again"
            assertTrue("${controller.get().texts()}", reason in controller.get().texts())
        }
    }

    @Test
    fun `an artifact is removed`() {
        home().close()
        install("mine", DEMO)
        task("mine").use { controller ->
            controller.get().onOptionsItemSelected(RoboMenuItem(R.id.remove))
            settle()
            assertTrue(controller.get().isFinishing)
        }
        home().use { assertFalse("mine" in it.get().texts()) }
    }

    @Test
    fun `an intent for an unknown artifact finishes the screen`() {
        activity(TaskActivity::class.java, TaskActivity.of(app, "nowhere")).use { assertTrue(it.get().isFinishing) }
    }

    private fun show(name: String, screen: String? = null, look: (TaskActivity) -> Unit) {
        install(name)
        task(name, screen).use { look(it.get()) }
    }

    private fun zipOf(folder: File): ByteArray {
        val out = ByteArrayOutputStream()
        ZipOutputStream(out).use { zip ->
            for (file in checkNotNull(folder.listFiles())) {
                zip.putNextEntry(ZipEntry(file.name))
                zip.write(file.readBytes())
            }
        }
        return out.toByteArray()
    }
}
