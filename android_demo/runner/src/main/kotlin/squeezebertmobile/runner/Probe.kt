package squeezebertmobile.runner

private const val SAMPLES = 5
private const val STEPS = 1 shl 22

/**
 * The same arithmetic every time, on one core and in its registers: when it takes longer, the core
 * runs slower, whatever a phone says of its temperature.
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

/** Marsaglia's xorshift: each step needs the one before it. */
internal fun steps(seed: Long): Long {
    var value = seed
    repeat(STEPS) {
        value = value xor (value shl 13)
        value = value xor (value ushr 7)
        value = value xor (value shl 17)
    }
    return value
}
