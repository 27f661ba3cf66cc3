package squeezebertmobile.core

import kotlin.math.exp
import kotlin.math.ln
import kotlin.math.tanh

/** Softmax over the logits. */
internal fun softmax(logits: FloatArray): DoubleArray {
    val most = logits.max().toDouble()
    val total = ln(logits.sumOf { exp(it - most) })
    return DoubleArray(logits.size) { exp(logits[it] - most - total) }
}

/** Sigmoid of each logit. */
internal fun sigmoid(logits: FloatArray): DoubleArray =
    // With tanh, which cannot overflow: 1 / (1 + exp(-x)) = (1 + tanh(x / 2)) / 2.
    DoubleArray(logits.size) { (1 + tanh(logits[it].toDouble() / 2)) / 2 }

/** The logits unchanged. */
internal fun unchanged(logits: FloatArray): DoubleArray = DoubleArray(logits.size) { logits[it].toDouble() }

/** Indices of the [topK] highest scores (null: all), highest first; ties keep their order. */
internal fun best(scores: DoubleArray, topK: Int?): List<Int> {
    val order = scores.indices.sortedByDescending { scores[it] } // stable
    return if (topK == null) order else order.take(topK)
}

/** @throws InputError if [value] is less than [minimum]. */
internal fun checkCount(name: String, value: Int?, minimum: Int) {
    if (value != null && value < minimum) throw InputError("$name=$value must be at least $minimum")
}

/** @throws InputError if the text is empty. */
internal fun checkText(text: String, what: String = "text") {
    // Python's strip() removes Unicode white space and four separators that Unicode does not count as such.
    val isEmpty = codePoints(text).all { it in Unicode.space || it in 0x1c..0x1f }
    if (isEmpty) throw InputError("the $what is empty; give at least one word")
}
