package squeezebertmobile.runner

import squeezebertmobile.core.Session
import java.io.File
import java.io.IOException

/**
 * What the load event says of the accelerator: nothing if none was asked for.
 *
 * LiteRT's API tells whether it compiled the whole model for the accelerator, but no numbers of operators;
 * these are in Android's log, if anywhere.
 */
internal fun placementOf(session: Session): Map<String, Any?> {
    val placement = session.placement ?: return emptyMap()
    val fields = mapOf(
        "requested" to placement.accelerator.name.lowercase(),
        "available" to placement.available,
        "reason" to placement.reason,
        "operators" to delegatedOperators(ownLog()),
    )
    return mapOf("accelerator" to fields)
}

private val GPU_COUNTS = Regex("(\\d+) operations will run on the GPU, and the remaining (\\d+) operations will run on the CPU")
private val REPLACED =
    Regex("Replacing (\\d+) out of (\\d+) node\\(s\\) with delegate \\(([^)]*)\\)(?:.* for subgraph (\\d+))?")

/**
 * The operators of all signatures on the accelerator and on the CPU; null if the log does not tell.
 *
 * A model that is compiled twice, the second time for the CPU as well, is counted once.
 */
internal fun delegatedOperators(log: List<String>): Map<String, Long>? {
    val bySubgraph = log.mapNotNull { REPLACED.find(it)?.destructured }
        .filter { (_, _, delegate) -> "xnnpack" !in delegate.lowercase() } // which is the CPU
        .associate { (some, all, _, subgraph) -> subgraph to (some.toLong() to all.toLong() - some.toLong()) }
    val gpu = log.mapNotNull { GPU_COUNTS.find(it)?.destructured }.map { (gpu, cpu) -> gpu.toLong() to cpu.toLong() }
    val half = gpu.size / 2
    val once = if (gpu.size % 2 == 0 && gpu.take(half) == gpu.drop(half)) gpu.take(half) else gpu
    val counts = bySubgraph.values.ifEmpty { once }.ifEmpty { return null }
    return mapOf("accelerator" to counts.sumOf { it.first }, "cpu" to counts.sumOf { it.second })
}

/** The lines of this process in Android's log, which adb's shell may read; none elsewhere. */
private fun ownLog(): List<String> = try {
    val pid = File("/proc/self").canonicalFile.name
    val logcat = ProcessBuilder("logcat", "-d", "-v", "raw", "--pid", pid).redirectErrorStream(true).start()
    logcat.outputStream.close()
    logcat.inputStream.bufferedReader(Charsets.ISO_8859_1).use { it.readLines() }
} catch (_: IOException) { // there is no logcat
    emptyList()
}
