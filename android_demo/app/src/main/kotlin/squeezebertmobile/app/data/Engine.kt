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

/** A reply to a question. */
sealed interface Reply {
    /** The model is being loaded; the answer follows. */
    object Loading : Reply

    /**
     * The answer.
     *
     * @param nanos the time from text to answer, without loading.
     * @param loadNanos the time that loading took before it; null if the model was loaded.
     */
    class Answered(val answer: Answer, val nanos: Long, val loadNanos: Long?) : Reply

    /** There is no answer; [reason] is one sentence for the user. */
    class Failed(val reason: String) : Reply
}

/** Threads for one inference: half of the cores, since the other half are slow cores on most phones. */
val THREADS: Int = (Runtime.getRuntime().availableProcessors() / 2).coerceIn(1, 4)

/**
 * Keeps one model loaded and answers questions on its own thread.
 *
 * While it is busy only the newest question is kept, as the user wants the answer to the current text.
 * Replies are delivered through [main], in the order of the questions.
 */
class Engine(
    private val main: Executor,
    private val open: (Artifact) -> Session = { openSession(it, THREADS) },
) {
    private val worker = Executors.newSingleThreadExecutor { Thread(it, "engine") }
    private val newest = AtomicReference<Request>()
    private var loaded: Loaded? = null // used on the worker thread only

    @Volatile
    private var current: Request? = null

    private class Request(val entry: Entry, val question: Question, val reply: (Reply) -> Unit) {
        /** The answer is no longer needed. */
        @Volatile
        var cancelled = false
    }

    private class Loaded(val entry: Entry, val session: StoppableSession, val model: Model) {
        val vectors = Vectors()
    }

    /** Asks a question. [reply] is called once or twice, unless a newer question or [cancel] comes first. */
    fun ask(entry: Entry, question: Question, reply: (Reply) -> Unit) {
        val request = Request(entry, question, reply)
        newest.set(request)
        worker.execute { if (newest.get() === request) work(request) }
    }

    /** Cancels all questions: no reply follows, and a long answer stops before its next run of the model. */
    fun cancel() {
        newest.getAndSet(null)?.cancelled = true
        current?.cancelled = true
    }

    /** Unloads the model and runs [work] on the engine's thread. */
    fun alone(work: () -> Unit) = worker.execute {
        unload()
        work()
    }

    /** Waits until all previous questions are answered. */
    fun await() {
        worker.submit {}.get()
    }

    private fun work(request: Request) {
        current = request
        val reply = try {
            refusing { reply(request) } ?: return
        } catch (error: SqueezeBertMobileError) {
            Reply.Failed(error.message.orEmpty())
        }
        deliver(request, reply)
    }

    /** The reply, or null if nobody waits for it. */
    private fun reply(request: Request): Reply? = try {
        val asked = System.nanoTime()
        val before = loaded
        val ready = load(request)
        ready.session.stop = { newest.get() !== request }
        val begin = System.nanoTime()
        val answer = answer(ready.model, request.question, ready.vectors)
        Reply.Answered(answer, System.nanoTime() - begin, (begin - asked).takeIf { ready !== before })
    } catch (_: OutOfMemoryError) {
        unload()
        Reply.Failed("not enough memory on this phone for ${request.entry.name}; close other apps, or use int8")
    } catch (_: StoppedException) {
        null
    }

    private fun load(request: Request): Loaded {
        loaded?.let { if (it.entry.isSame(request.entry)) return it }
        unload()
        deliver(request, Reply.Loading)
        val artifact = Artifact.open(request.entry.artifact.folder) // compares checksums, as storage may have changed
        val tokenizer = tokenizerOf(artifact)
        val session = StoppableSession(open(artifact))
        return Loaded(request.entry, session, Model(artifact.manifest, tokenizer, session)).also { loaded = it }
    }

    private fun unload() {
        loaded?.session?.close()
        loaded = null
    }

    private fun deliver(request: Request, reply: Reply) = main.execute { if (!request.cancelled) request.reply(reply) }
}

private class StoppedException : RuntimeException()

/** A session that checks before each run, except the first, whether it should stop. */
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
