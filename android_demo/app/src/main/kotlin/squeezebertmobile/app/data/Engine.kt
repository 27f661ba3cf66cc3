package squeezebertmobile.app.data

import squeezebertmobile.core.Artifact
import squeezebertmobile.core.Feed
import squeezebertmobile.core.FloatTensor
import squeezebertmobile.core.Model
import squeezebertmobile.core.Session
import squeezebertmobile.core.SqueezeBertMobileError
import squeezebertmobile.core.openSession
import squeezebertmobile.core.tokenizerOf
import java.util.concurrent.Executor
import java.util.concurrent.Executors
import java.util.concurrent.atomic.AtomicReference

/** What comes back for a question. */
sealed interface Reply {
    /** The model is being read; the answer comes later. */
    object Loading : Reply

    /** The answer, and how long it took from text to answer, without loading. */
    class Answered(val answer: Answer, val nanos: Long) : Reply

    /** Why there is none, in a sentence. */
    class Refused(val reason: String) : Reply
}

/** Threads for one inference: half of the cores, as the other half of most phones is slow ones. */
val THREADS: Int = (Runtime.getRuntime().availableProcessors() / 2).coerceIn(1, 4)

/**
 * Keeps one model open, and answers questions on a thread of its own.
 *
 * While it is busy only the newest question waits: whoever types wants the answer to what stands there
 * now. Replies come through [main], in the order of the questions.
 */
class Engine(
    private val main: Executor,
    private val open: (Artifact) -> Session = { openSession(it, THREADS) },
) {
    private val worker = Executors.newSingleThreadExecutor { Thread(it, "engine") }
    private val newest = AtomicReference<Asked>()
    private var loaded: Loaded? = null // the worker's

    @Volatile
    private var current: Asked? = null

    private class Asked(val entry: Entry, val question: Question, val reply: (Reply) -> Unit) {
        /** Nobody waits for the answer any more. */
        @Volatile
        var cancelled = false
    }

    private class Loaded(val entry: Entry, val session: StoppableSession, val model: Model)

    /** Asks; [reply] is called once or twice, if neither a newer question nor [cancel] comes before. */
    fun ask(entry: Entry, question: Question, reply: (Reply) -> Unit) {
        val asked = Asked(entry, question, reply)
        newest.set(asked)
        worker.execute { if (newest.get() === asked) work(asked) }
    }

    /** No reply comes any more; a model that is computing is stopped before its next run. */
    fun cancel() {
        newest.getAndSet(null)?.cancelled = true
        current?.cancelled = true
    }

    /** Runs [work] on the engine's thread, with no model open. */
    fun alone(work: () -> Unit) = worker.execute {
        unload()
        work()
    }

    /** Waits until everything that was asked so far is done. */
    fun await() {
        worker.submit {}.get()
    }

    private fun work(asked: Asked) {
        current = asked
        val reply = try {
            val ready = load(asked)
            ready.session.stop = { newest.get() !== asked }
            val begin = System.nanoTime()
            val answer = answer(ready.model, asked.question)
            Reply.Answered(answer, System.nanoTime() - begin)
        } catch (error: SqueezeBertMobileError) {
            Reply.Refused(error.message.orEmpty())
        } catch (_: OutOfMemoryError) {
            unload()
            Reply.Refused("this phone has not enough memory for ${asked.entry.name}; close other apps, or use int8")
        } catch (_: StoppedException) {
            return
        }
        tell(asked, reply)
    }

    private fun load(asked: Asked): Loaded {
        loaded?.let { if (it.entry.isSame(asked.entry)) return it }
        unload()
        tell(asked, Reply.Loading)
        val artifact = Artifact.open(asked.entry.artifact.folder) // its checksums: storage may have changed
        val tokenizer = tokenizerOf(artifact)
        val session = StoppableSession(open(artifact))
        return Loaded(asked.entry, session, Model(artifact.manifest, tokenizer, session)).also { loaded = it }
    }

    private fun unload() {
        loaded?.session?.close()
        loaded = null
    }

    private fun tell(asked: Asked, reply: Reply) = main.execute { if (!asked.cancelled) asked.reply(reply) }
}

private class StoppedException : RuntimeException()

/** A session that is asked before each run but the first whether the answer is still wanted. */
private class StoppableSession(private val session: Session) : Session by session {
    private var isFirst = true
    var stop: () -> Boolean = { false }
        set(value) {
            field = value
            isFirst = true
        }

    override fun run(feed: Feed): Map<String, FloatTensor> {
        if (!isFirst && stop()) throw StoppedException()
        isFirst = false
        return session.run(feed)
    }
}
