package squeezebertmobile.app.measure

import kotlin.math.floor

/** The median of the samples. */
fun median(samples: LongArray): Double = quantile(samples, 0.5)

/** The quantile at [share] (0 to 1), with linear interpolation as numpy's default. */
fun quantile(samples: LongArray, share: Double): Double {
    val sorted = samples.sortedArray()
    val position = share * (sorted.size - 1)
    val below = floor(position).toInt()
    val above = minOf(below + 1, sorted.size - 1)
    return sorted[below] + (position - below) * (sorted[above] - sorted[below])
}

/** Histogram of the samples with [bins] bins from [from] to [to]; larger samples count in the last bin. */
fun histogram(samples: LongArray, from: Double, to: Double, bins: Int): IntArray {
    val counts = IntArray(bins)
    val width = (to - from) / bins
    for (sample in samples) {
        val bin = if (width > 0) floor((sample - from) / width).toInt() else 0
        counts[bin.coerceIn(0, bins - 1)]++
    }
    return counts
}
