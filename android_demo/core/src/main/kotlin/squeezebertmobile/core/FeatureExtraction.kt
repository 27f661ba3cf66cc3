package squeezebertmobile.core

import kotlin.math.sqrt

/**
 * The vectors of a text.
 *
 * @param sentence the mean over all tokens, special tokens included, normalized to length 1.
 * @param tokens the tokens, special tokens included.
 * @param vectors a vector for each token: [sequence, hidden].
 * @param tokensCut number of tokens that were truncated.
 */
class FeatureExtractionResult(
    val sentence: FloatArray,
    val tokens: List<String>,
    val vectors: FloatTensor,
    val tokensCut: Int,
)

/** Computes sentence and token vectors. */
class FeatureExtraction(private val model: Model) {
    /**
     * Computes the vectors of a text or pair. The dot product of two sentence vectors is their cosine.
     *
     * @throws InputError if a text is invalid.
     */
    fun extract(text: String, pair: String? = null): FeatureExtractionResult {
        checkText(text)
        pair?.let { checkText(it, "pair") }
        val row = model.row(text, pair)
        val vectors = model.outputs(listOf(row)).getValue("last_hidden_state")
        val tokens = row.ids().map { checkNotNull(model.tokenizer.tokenOf(it)) }
        return FeatureExtractionResult(sentenceVector(vectors), tokens, vectors, row.tokensCut)
    }
}

private fun sentenceVector(vectors: FloatTensor): FloatArray {
    val (count, width) = vectors.shape
    val mean = DoubleArray(width) { column ->
        (0 until count).sumOf { vectors.values[it * width + column].toDouble() } / count
    }
    val length = maxOf(sqrt(mean.sumOf { it * it }), MIN_LENGTH)
    return FloatArray(width) { (mean[it] / length).toFloat() }
}

private const val MIN_LENGTH = 1e-12 // eps of torch.nn.functional.normalize
