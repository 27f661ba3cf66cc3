package squeezebertmobile.runner

internal const val SAMPLES = 5
private const val STEPS = 1 shl 22

/**
 * Times a fixed computation that runs in the registers of one core. If it takes longer, the core runs
 * slower, whatever temperature the phone reports.
 */
internal fun probe(): Map<String, Any?> {
    var value = 1L
    val samples = LongArray(SAMPLES) {
        val begin = System.nanoTime()
        value = steps(1L)
        System.nanoTime() - begin
    }
    return mapOf("samples_ns" to samples, "result" to value)
}

/** Marsaglia's xorshift: each step depends on the previous one. */
internal fun steps(seed: Long): Long {
    var value = seed
    repeat(STEPS) {
        value = value xor (value shl 13)
        value = value xor (value ushr 7)
        value = value xor (value shl 17)
    }
    return value
}
