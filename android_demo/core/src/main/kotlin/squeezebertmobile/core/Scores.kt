package squeezebertmobile.core

import kotlin.math.exp
import kotlin.math.ln
import kotlin.math.tanh

/** Probabilities over the logits. */
internal fun softmax(logits: FloatArray): DoubleArray {
    val most = logits.max().toDouble()
    val total = ln(logits.sumOf { exp(it - most) })
    return DoubleArray(logits.size) { exp(logits[it] - most - total) }
}

/** A probability for each logit on its own. */
internal fun sigmoid(logits: FloatArray): DoubleArray =
    // By tanh, which has no overflow: 1 / (1 + exp(-x)) = (1 + tanh(x / 2)) / 2.
    DoubleArray(logits.size) { (1 + tanh(logits[it].toDouble() / 2)) / 2 }

/** The logits themselves. */
internal fun unchanged(logits: FloatArray): DoubleArray = DoubleArray(logits.size) { logits[it].toDouble() }

/** The places of the [topK] highest scores (null: of all), highest first, the first of equal ones first. */
internal fun best(scores: DoubleArray, topK: Int?): List<Int> {
    val order = scores.indices.sortedByDescending { scores[it] } // stable
    return if (topK == null) order else order.take(topK)
}

/** @throws InputError [value] is less than [least]. */
internal fun checkCount(name: String, value: Int?, least: Int) {
    if (value != null && value < least) throw InputError("$name=$value must be at least $least")
}

/** @throws InputError a text is empty. */
internal fun checkText(text: String, what: String = "text") {
    // Python's strip() knows the spaces of Unicode, and four separators that are no spaces there.
    val isEmpty = codePoints(text).all { it in Unicode.space || it in 0x1c..0x1f }
    if (isEmpty) throw InputError("the $what is empty; give at least one word")
}
