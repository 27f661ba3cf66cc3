package squeezebertmobile.runner

import java.io.File
import java.io.IOException

private const val TICK_NS = 10_000_000L // of all Linux kernels, for programs
private const val START = 19 // in /proc/*/stat, after the name of the program

/**
 * The time since this process was started in nanoseconds, in steps of 10 ms; null if the kernel does not tell.
 *
 * Apps may not read /proc/uptime. A thread that starts now has the current time as its start.
 *
 * @param proc the folder of the processes.
 */
internal fun processAgeNs(proc: File = File("/proc")): Long? {
    var now: Long? = null
    Thread { now = startTicks(File(proc, "thread-self/stat")) }.apply { start() }.join()
    val began = startTicks(File(proc, "self/stat")) ?: return null
    return now?.let { (it - began) * TICK_NS }
}

private fun startTicks(stat: File): Long? = try {
    stat.readText().substringAfterLast(") ").split(' ').getOrNull(START)?.toLongOrNull()
} catch (_: IOException) {
    null
}
