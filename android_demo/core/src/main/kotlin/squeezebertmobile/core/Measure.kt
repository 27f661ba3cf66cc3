package squeezebertmobile.core

/** Tells nanoseconds on a clock that is never set: System.nanoTime. */
typealias Clock = () -> Long

/** How long a warm-up may take: at most [mostRuns] runs, and at most [mostNs] once [leastRuns] are done. */
class WarmUpLimits(val mostRuns: Int, val mostNs: Long, val leastRuns: Int = 3)

/** What the unrecorded runs at the beginning have shown; [stable]: it had stopped getting faster. */
class WarmUp(val samplesNs: LongArray, val stable: Boolean)

private const val WINDOW = 4 // runs compared with all before them
private const val STILL_FALLING = 0.97 // a window whose best is below this share of the best before

/** Runs until it gets no faster, or until the limits: the rules of benchmarks/protocol.py. */
fun warmUp(limits: WarmUpLimits, clock: Clock, run: () -> Unit): WarmUp {
    val times = ArrayList<Long>()
    val begin = clock()
    while (!stoppedFalling(times)) {
        val enough = times.size >= limits.leastRuns && clock() - begin >= limits.mostNs
        if (enough || times.size >= limits.mostRuns) break
        times.add(timed(clock, run))
    }
    return WarmUp(times.toLongArray(), stoppedFalling(times))
}

/** Minima are compared because other load on the machine only ever adds time. */
private fun stoppedFalling(times: List<Long>): Boolean =
    times.size >= 2 * WINDOW &&
        times.takeLast(WINDOW).min() >= STILL_FALLING * times.dropLast(WINDOW).min()

/**
 * Raw samples of one block, in nanoseconds.
 *
 * @param leadIn runs at the beginning that are not recorded: what ran before on this machine has
 *     left its own weights in the caches.
 * @param samples how many runs to record at least.
 * @param leastNs how long they must take together at least.
 */
fun block(leadIn: Int, samples: Int, leastNs: Long, clock: Clock, run: () -> Unit): LongArray {
    repeat(leadIn) { run() }
    var found = LongArray(samples)
    var size = 0
    var total = 0L
    while (size < samples || total < leastNs) {
        if (size == found.size) found = found.copyOf(2 * size)
        found[size] = timed(clock, run)
        total += found[size++]
    }
    return found.copyOf(size)
}

private inline fun timed(clock: Clock, run: () -> Unit): Long {
    val begin = clock()
    run()
    return clock() - begin
}
