package squeezebertmobile.app.measure

import squeezebertmobile.app.AppContainer
import squeezebertmobile.app.data.Entry
import squeezebertmobile.runner.kindOf
import squeezebertmobile.runner.messageOf
import java.util.concurrent.Executor

/** The state of the measurement screen. */
sealed interface State {
    /** Nothing has been measured. */
    object Idle : State

    /** A measurement is running. */
    class Active(val progress: Progress) : State

    /** A computer is measuring, with this number of jobs. */
    class Remote(val jobs: Int) : State

    /** The measurement is complete. */
    class Done(val measurement: Measurement) : State

    /** The measurement failed. */
    class Failed(val reason: String) : State
}

/** Starts and stops measurements and holds their state. Use it on the main thread. */
class MeasurementController {
    var state: State = State.Idle
        private set(value) {
            field = value
            watcher()
        }

    /** Called whenever the state changes. */
    var watcher: () -> Unit = {}

    @Volatile
    private var current: Any? = null // identifies the measurement that may change the state
    private var jobs = 0

    val isRunning: Boolean get() = state is State.Active || state is State.Remote

    /** Measures the artifact with this name, compared with a BERT model of the same task. */
    fun begin(app: AppContainer, name: String, threads: Int, thermal: () -> Int?) {
        if (isRunning) return
        val ours = Any().also { current = it }
        state = State.Active(Progress(Step.LOADING, 0.0))
        app.engine.alone { // no other model may use memory or time meanwhile
            val update = { next: State -> app.main.execute { if (current === ours) state = next } }
            update(measure(contenders(app, name), threads, thermal, update) { current === ours })
        }
    }

    /** Runs a job from a computer, in parallel with its other jobs. */
    internal fun begin(job: ComputerJob, main: Executor) {
        jobs++
        state = State.Remote(jobs)
        Thread({
            job.run()
            main.execute {
                jobs--
                state = if (jobs > 0) State.Remote(jobs) else State.Idle
            }
        }, "job").start()
    }

    /** Stops the measurement and discards its samples. Jobs from a computer are ended by the computer. */
    fun stop() {
        if (state !is State.Active) return
        current = null
        state = State.Idle
    }
}

private fun contenders(app: AppContainer, name: String): List<Entry> {
    val all = app.library.refresh().entries
    val requested = all.filter { it.name == name }
    val baseline = all.firstOrNull { other ->
        requested.any { it.name != other.name && it.manifest.task == other.manifest.task } &&
            other.manifest.modelType == "bert"
    }
    return requested + listOfNotNull(baseline)
}

private fun measure(
    contenders: List<Entry>,
    threads: Int,
    thermal: () -> Int?,
    update: (State) -> Unit,
    isWanted: () -> Boolean,
): State = try {
    val comparison = LatencyComparison(contenders, threads, thermal) { update(State.Active(it)) }
    comparison.run(isWanted)?.let { State.Done(it) } ?: State.Idle
} catch (@Suppress("TooGenericExceptionCaught") error: Throwable) { // shown to the user; the app continues
    State.Failed("${kindOf(error)}: ${messageOf(error)}")
}
