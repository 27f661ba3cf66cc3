package squeezebertmobile.core

import kotlin.math.sqrt

/**
 * The vectors of a text; [tokensCut] tokens of it were not read.
 *
 * @param sentence the mean over the tokens, special ones included, at length 1.
 * @param tokens the tokens, special ones included.
 * @param vectors one for each of them.
 */
class FeatureExtractionResult(
    val sentence: FloatArray,
    val tokens: List<String>,
    val vectors: FloatTensor,
    val tokensCut: Int,
)

/** Makes vectors of texts. */
class FeatureExtraction(private val model: Model) {
    /**
     * The cosine of two texts is the product of their sentence vectors.
     *
     * @throws InputError a text cannot be used.
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
    val mean = DoubleArray(width) { place ->
        (0 until count).sumOf { vectors.values[it * width + place].toDouble() } / count
    }
    val length = maxOf(sqrt(mean.sumOf { it * it }), LEAST_LENGTH)
    return FloatArray(width) { (mean[it] / length).toFloat() }
}

private const val LEAST_LENGTH = 1e-12 // as torch.nn.functional.normalize has it
