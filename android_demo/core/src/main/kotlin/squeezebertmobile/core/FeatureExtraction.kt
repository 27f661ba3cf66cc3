package squeezebertmobile.core

import kotlin.math.abs
import kotlin.math.sqrt

/**
 * The vectors of a text.
 *
 * @param sentence as the checkpoint's modules.json says (sentence-transformers): pooled over all tokens,
 *     special tokens included, and normalized if it has a Normalize module. Without modules.json, the
 *     mean normalized to length 1.
 * @param tokens the tokens, special tokens included.
 * @param vectors a vector for each token: [sequence, hidden].
 * @param tokensCut number of tokens that were truncated.
 */
class FeatureExtractionResult(
    val sentence: FloatArray,
    val tokens: List<String>,
    val vectors: FloatTensor,
    val tokensCut: Int,
) {
    /** The cosine similarity of two sentence vectors. */
    fun cosine(other: FeatureExtractionResult): Double = similarity("cosine", sentence, other.sentence)

    override fun toString(): String {
        val first = sentence.take(SHOWN_VALUES).map { rounded(it.toDouble()) }
        val rest = if (sentence.size > SHOWN_VALUES) ", …" else ""
        return "vector of ${sentence.size} [${first.joinToString()}$rest] of ${tokens.size} tokens${cutNote(tokensCut)}"
    }

    private companion object {
        const val SHOWN_VALUES = 4
    }
}

/** Computes sentence and token vectors. */
class FeatureExtraction(private val model: Model) {
    private val settings = model.manifest.sentenceVector

    init {
        checkTask(model, "feature-extraction")
    }

    /**
     * Computes the vectors of a text or pair.
     *
     * @param promptName the prompt of the checkpoint that is put before the text; null takes its default
     *     prompt, if it has one.
     * @throws InputError if a text is invalid, or there is no such prompt.
     */
    fun extract(text: String, pair: String? = null, promptName: String? = null): FeatureExtractionResult {
        checkText(text)
        pair?.let { checkText(it, "pair") }
        val prompt = prompt(promptName)
        val row = model.row(prompt + text, pair)
        val vectors = model.outputs(listOf(row)).getValue("last_hidden_state")
        val tokens = row.ids().map { checkNotNull(model.tokenizer.tokenOf(it)) }
        return FeatureExtractionResult(sentenceVector(vectors, skipped(prompt)), tokens, vectors, row.tokensCut)
    }

    /**
     * The similarity of two texts, by the function that the checkpoint names (sentence-transformers):
     * the cosine, the dot product, or the negative Euclidean or Manhattan distance. Without one, the cosine.
     */
    fun similarity(first: FeatureExtractionResult, second: FeatureExtractionResult): Double =
        similarity(settings.similarity, first.sentence, second.sentence)

    /** The text of a prompt; empty without one. */
    private fun prompt(given: String?): String {
        val name = given ?: settings.defaultPrompt ?: return ""
        val names = settings.prompts.keys.joinToString().ifEmpty { "none" }
        return settings.prompts[name] ?: throw InputError("unknown promptName ${shown(name)}; the model has: $names")
    }

    /** As in sentence-transformers the tokens of a prompt count from `[CLS]` on, without `[SEP]`. */
    private fun skipped(prompt: String): Int =
        if (prompt.isEmpty() || settings.includePrompt) 0 else model.row(prompt).size - 1

    /** Pools the [vectors] of the tokens from the position [skipped] on. */
    private fun sentenceVector(vectors: FloatTensor, skipped: Int): FloatArray {
        val (count, width) = vectors.shape
        val positions = minOf(skipped, count - 1) until count
        val pooled = settings.pooling.flatMap { mode ->
            List(width) { column -> pool(mode, positions) { vectors.values[it * width + column].toDouble() } }
        }
        val length = if (settings.normalize) maxOf(sqrt(pooled.sumOf { it * it }), MIN_LENGTH) else 1.0
        return FloatArray(pooled.size) { (pooled[it] / length).toFloat() }
    }
}

private fun pool(mode: String, positions: IntRange, value: (Int) -> Double): Double = when (mode) {
    "cls" -> value(positions.first)
    "max" -> positions.maxOf(value)
    "mean" -> positions.sumOf(value) / positions.count()
    "mean_sqrt_len_tokens" -> positions.sumOf(value) / sqrt(positions.count().toDouble())
    "weightedmean" -> positions.sumOf { value(it) * (it + 1) } / positions.sumOf { it + 1.0 }
    else -> value(positions.last) // lasttoken
}

private fun similarity(function: String, first: FloatArray, second: FloatArray): Double {
    fun sum(term: (Double, Double) -> Double) =
        first.indices.sumOf { term(first[it].toDouble(), second[it].toDouble()) }
    return when (function) {
        "dot" -> sum { a, b -> a * b }
        "euclidean" -> -sqrt(sum { a, b -> (a - b) * (a - b) })
        "manhattan" -> -sum { a, b -> abs(a - b) }
        else -> { // cosine
            val lengths = listOf(sum { a, _ -> a * a }, sum { _, b -> b * b }).map { maxOf(sqrt(it), MIN_LENGTH) }
            sum { a, b -> a * b } / (lengths[0] * lengths[1])
        }
    }
}

private const val MIN_LENGTH = 1e-12 // eps of torch.nn.functional.normalize
