package squeezebertmobile.app.measure

import squeezebertmobile.app.AppContainer
import squeezebertmobile.app.data.Entry
import squeezebertmobile.runner.kindOf
import squeezebertmobile.runner.messageOf
import java.util.concurrent.Executor

/** What the measure screen shows. */
sealed interface State {
    /** Nothing yet. */
    object Idle : State

    /** On the way. */
    class Measuring(val progress: Progress) : State

    /** A computer measures, with this many runners. */
    class Remote(val jobs: Int) : State

    /** It came to an end. */
    class Done(val measurement: Measurement) : State

    /** It did not. */
    class Failed(val reason: String) : State
}

/** The measurement that is under way; for the main thread. */
class Running {
    var state: State = State.Idle
        private set(value) {
            field = value
            watcher()
        }

    /** Called whenever the state is another. */
    var watcher: () -> Unit = {}

    @Volatile
    private var wanted: Any? = null
    private var jobs = 0

    val isRunning: Boolean get() = state is State.Measuring || state is State.Remote

    /** Measures the artifact of this name, beside a BERT of the same task. */
    fun begin(app: AppContainer, name: String, threads: Int, thermal: () -> Int?) {
        if (isRunning) return
        val ours = Any().also { wanted = it }
        state = State.Measuring(Progress(Step.LOADING, 0.0))
        app.engine.alone { // no other model takes memory or time meanwhile
            val tell = { next: State -> app.main.execute { if (wanted === ours) state = next } }
            tell(measured(contenders(app, name), threads, thermal, tell) { wanted === ours })
        }
    }

    /** Does a job that a computer gave, beside those that are under way. */
    internal fun begin(job: ComputerJob, main: Executor) {
        jobs++
        state = State.Remote(jobs)
        Thread({
            job.work()
            main.execute {
                jobs--
                state = if (jobs > 0) State.Remote(jobs) else State.Idle
            }
        }, "job").start()
    }

    /** Ends it; what was measured so far is dropped. A computer's job is its computer's to end. */
    fun stop() {
        if (state !is State.Measuring) return
        wanted = null
        state = State.Idle
    }
}

private fun contenders(app: AppContainer, name: String): List<Entry> {
    val all = app.library.refresh().entries
    val asked = all.filter { it.name == name }
    val beside = all.firstOrNull { other ->
        asked.any { it.name != other.name && it.manifest.task == other.manifest.task } && other.manifest.modelType == "bert"
    }
    return asked + listOfNotNull(beside)
}

private fun measured(
    contenders: List<Entry>,
    threads: Int,
    thermal: () -> Int?,
    tell: (State) -> Unit,
    isWanted: () -> Boolean,
): State = try {
    val measuring = Measuring(contenders, threads, thermal) { tell(State.Measuring(it)) }
    measuring.run(isWanted)?.let { State.Done(it) } ?: State.Idle
} catch (@Suppress("TooGenericExceptionCaught") error: Throwable) { // the app goes on, and says what it was
    State.Failed("${kindOf(error)}: ${messageOf(error)}")
}
