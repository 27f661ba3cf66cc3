package squeezebertmobile.core

/** A monotonic clock in nanoseconds, such as System.nanoTime. */
typealias Clock = () -> Long

/** Limits of a warm-up: at most [maxRuns] runs, and at most [maxNs] nanoseconds after [minRuns] runs. */
class WarmUpLimits(val maxRuns: Int, val maxNs: Long, val minRuns: Int = MIN_WARM_UP_RUNS)

/** The samples of a warm-up, in nanoseconds; [stable] if the runs had stopped getting faster. */
class WarmUp(val samplesNs: LongArray, val stable: Boolean)

internal const val MIN_WARM_UP_RUNS = 3
internal const val WINDOW = 4 // latest runs, compared with all earlier ones
internal const val STILL_FALLING = 0.97 // the window's minimum is below this share of the earlier minimum

/** Runs until the latency stops falling or a limit is reached, as benchmarks/measure/timing.py does. */
fun warmUp(limits: WarmUpLimits, clock: Clock, run: () -> Unit): WarmUp {
    val times = ArrayList<Long>()
    val begin = clock()
    while (!stoppedFalling(times)) {
        val enough = times.size >= limits.minRuns && clock() - begin >= limits.maxNs
        if (enough || times.size >= limits.maxRuns) break
        times.add(timed(clock, run))
    }
    return WarmUp(times.toLongArray(), stoppedFalling(times))
}

/** Compares minima, because other load on the machine can only add time. */
private fun stoppedFalling(times: List<Long>): Boolean =
    times.size >= 2 * WINDOW &&
        times.takeLast(WINDOW).min() >= STILL_FALLING * times.dropLast(WINDOW).min()

/**
 * Measures one block and returns its raw samples in nanoseconds.
 *
 * @param leadIn number of unrecorded runs at the start; they evict what ran before from the caches.
 * @param samples minimum number of recorded runs.
 * @param minNs minimum total time of the recorded runs, in nanoseconds.
 */
fun block(leadIn: Int, samples: Int, minNs: Long, clock: Clock, run: () -> Unit): LongArray {
    repeat(leadIn) { run() }
    var recorded = LongArray(samples)
    var size = 0
    var total = 0L
    while (size < samples || total < minNs) {
        if (size == recorded.size) recorded = recorded.copyOf(2 * size)
        recorded[size] = timed(clock, run)
        total += recorded[size++]
    }
    return recorded.copyOf(size)
}

private inline fun timed(clock: Clock, run: () -> Unit): Long {
    val begin = clock()
    run()
    return clock() - begin
}
