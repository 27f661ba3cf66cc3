package squeezebertmobile.app.measure

import kotlin.math.floor

/** The median of samples. */
fun median(samples: LongArray): Double = quantile(samples, 0.5)

/** The value below which a [share] of the samples lies, between its two neighbours in proportion (numpy's default). */
fun quantile(samples: LongArray, share: Double): Double {
    val sorted = samples.sortedArray()
    val place = share * (sorted.size - 1)
    val below = floor(place).toInt()
    val above = minOf(below + 1, sorted.size - 1)
    return sorted[below] + (place - below) * (sorted[above] - sorted[below])
}

/** How many samples fall into each of [bins] parts of [from] to [to]; what lies beyond counts in the last one. */
fun histogram(samples: LongArray, from: Double, to: Double, bins: Int): IntArray {
    val counts = IntArray(bins)
    val width = (to - from) / bins
    for (sample in samples) {
        val bin = if (width > 0) floor((sample - from) / width).toInt() else 0
        counts[bin.coerceIn(0, bins - 1)]++
    }
    return counts
}
