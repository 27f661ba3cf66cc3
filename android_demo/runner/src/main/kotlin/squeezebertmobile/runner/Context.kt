package squeezebertmobile.runner

import java.io.File
import java.io.IOException

/**
 * Readings of the machine's state between measurements; unavailable ones are omitted.
 *
 * @param root the folder that contains proc and sys.
 */
internal class Context(private val root: File = File("/"), private val clock: () -> Long = System::nanoTime) {
    /** The time in nanoseconds that all readings have taken. */
    var spentNs = 0L
        private set

    /** The readings, named as in docs/runner.md. */
    fun read(): Map<String, Any?> {
        val begin = clock()
        return readings(begin).also { spentNs += clock() - begin }
    }

    private fun readings(at: Long): Map<String, Any?> {
        val status = lines("proc/self/status").associate { it.substringBefore(':') to it.substringAfter(':').trim() }
        val readings = mapOf(
            "at_ns" to at,
            "peak_memory_kb" to kilobytes(status["VmHWM"]),
            "memory_kb" to kilobytes(status["VmRSS"]),
            "swapped_kb" to kilobytes(status["VmSwap"]),
            "cpus_allowed" to status["Cpus_allowed_list"],
            "load_average" to loadAverage(),
            "cpu_khz" to numbers("sys/devices/system/cpu", Regex("cpu[0-9]+"), "cpufreq/scaling_cur_freq"),
            "thermal_millicelsius" to numbers("sys/class/thermal", Regex("thermal_zone[0-9]+"), "temp"),
        )
        return readings.filterValues { it != null }
    }

    private fun loadAverage(): List<Double>? =
        lines("proc/loadavg").firstOrNull()?.split(' ')?.take(3)?.mapNotNull { it.toDoubleOrNull() }

    private fun numbers(folder: String, name: Regex, file: String): Map<String, Long>? =
        File(root, folder).list().orEmpty().filter { name.matches(it) }.sorted()
            .mapNotNull { entry -> number("$folder/$entry/$file")?.let { label(folder, entry) to it } }
            .toMap().ifEmpty { null }

    /** A thermal zone's name and its type, which says what it measures. */
    private fun label(folder: String, name: String): String =
        lines("$folder/$name/type").firstOrNull()?.let { "$name $it" } ?: name

    private fun number(path: String): Long? = lines(path).firstOrNull()?.trim()?.toLongOrNull()

    private fun lines(path: String): List<String> = try {
        File(root, path).readLines()
    } catch (_: IOException) { // missing, or not readable by this user
        emptyList()
    }
}

private fun kilobytes(value: String?): Long? = value?.substringBefore(' ')?.toLongOrNull() // "12345 kB"
