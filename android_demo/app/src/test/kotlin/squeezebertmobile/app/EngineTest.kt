package squeezebertmobile.app

import org.junit.Assert.assertEquals
import org.junit.Assert.assertTrue
import org.junit.Test
import squeezebertmobile.app.data.Answer
import squeezebertmobile.app.data.Engine
import squeezebertmobile.app.data.Entry
import squeezebertmobile.app.data.Prediction
import squeezebertmobile.app.data.Question
import squeezebertmobile.app.data.Reply
import squeezebertmobile.core.Artifact
import squeezebertmobile.core.Feed
import squeezebertmobile.core.Session
import squeezebertmobile.core.openSession
import java.util.concurrent.CountDownLatch
import java.util.concurrent.atomic.AtomicInteger

class EngineTest {
    private val demo = Entry("demo", Artifact.open(DEMO))
    private val replies = ArrayList<Reply>()
    private val opened = AtomicInteger()
    private val runs = AtomicInteger()
    private var gate = CountDownLatch(0)
    private val begun = CountDownLatch(1)

    /** A session that waits for the gate before each run. */
    private inner class Gated(private val session: Session) : Session by session {
        override fun run(feed: Feed) = run {
            runs.incrementAndGet()
            begun.countDown()
            gate.await()
            session.run(feed)
        }
    }

    private val engine = Engine({ it.run() }) { artifact ->
        opened.incrementAndGet()
        Gated(openSession(artifact, threads = 1))
    }

    private fun ask(entry: Entry, question: Question) = engine.ask(entry, question) { replies.add(it) }

    private fun answers(): List<Answer> = replies.filterIsInstance<Reply.Answered>().map { it.answer }

    @Test
    fun `a model is loaded once, with one loading reply`() {
        repeat(3) {
            ask(demo, Question.Classify("wake me at six"))
            engine.await()
        }
        assertEquals(1, opened.get())
        assertEquals(1, replies.count { it is Reply.Loading })
        val best = answers().map { (it.prediction as Prediction.Ranking).items[0].name }
        assertEquals(3, best.size)
        assertEquals(1, best.distinct().size)
    }

    @Test
    fun `while the engine is busy only the newest question is kept`() {
        gate = CountDownLatch(1)
        ask(demo, Question.Classify("one"))
        begun.await()
        listOf("two", "three", "four").forEach { ask(demo, Question.Classify(it)) }
        gate.countDown()
        engine.await()
        val read = answers().map { answer -> answer.rows[0].drop(1).dropLast(1).joinToString("") { it.text.removePrefix("##") } }
        assertEquals(listOf("one", "four"), read)
        assertEquals(2, runs.get())
    }

    @Test
    fun `a long answer stops between two runs of the model`() {
        val asking = Entry("ask", Artifact.open(goldenFolder("question-answering")))
        gate = CountDownLatch(1)
        ask(asking, Question.Ask("where?", "a long way to go from here to there ".repeat(100)))
        begun.await()
        engine.cancel()
        gate.countDown()
        engine.await()
        assertEquals(1, runs.get())
        assertTrue(replies.all { it is Reply.Loading })
    }

    @Test
    fun `an artifact that has changed on the phone is not used`() {
        val folder = java.nio.file.Files.createTempDirectory("changed").toFile()
        DEMO.copyRecursively(folder)
        val entry = Entry("demo", Artifact.open(folder))
        val model = folder.resolve("model.onnx")
        model.writeBytes(model.readBytes().also { it[it.size / 2]++ })
        ask(entry, Question.Classify("wake me"))
        engine.await()
        val refused = replies.last() as Reply.Failed
        assertTrue(refused.reason, "has changed since the export" in refused.reason)
        assertEquals(0, opened.get())
        folder.deleteRecursively()
    }

    @Test
    fun `running out of memory is reported, and the engine recovers`() {
        var isFull = true
        val tight = Engine({ it.run() }) { if (isFull) throw OutOfMemoryError() else openSession(it, threads = 1) }
        tight.ask(demo, Question.Classify("wake me")) { replies.add(it) }
        tight.await()
        val reason = "not enough memory on this phone for demo; close other apps, or use int8"
        assertEquals(reason, (replies.last() as Reply.Failed).reason)
        isFull = false
        tight.ask(demo, Question.Classify("wake me")) { replies.add(it) }
        tight.await()
        assertTrue(replies.last() is Reply.Answered)
    }

    @Test
    fun `an invalid question is refused with a message`() {
        ask(demo, Question.Classify("\ud800"))
        engine.await()
        assertTrue(replies.last() is Reply.Failed)
    }
}
