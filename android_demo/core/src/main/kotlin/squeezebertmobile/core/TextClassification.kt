package squeezebertmobile.core

/** A label and its score: a probability, or the predicted value for regression. */
class Label(val label: String, val score: Double) {
    override fun toString(): String = "$label ${rounded(score)}"
}

/** The best labels of a text, best first; [tokensCut] tokens of it were truncated. */
class TextClassificationResult(val labels: List<Label>, val tokensCut: Int) {
    override fun toString(): String = "labels $labels${cutNote(tokensCut)}"
}

private val FUNCTIONS: Map<String, (FloatArray) -> DoubleArray> =
    mapOf("softmax" to ::softmax, "sigmoid" to ::sigmoid, "none" to ::unchanged)

/** Classifies a text or a pair of texts. */
class TextClassification(private val model: Model) {
    init {
        checkTask(model, "text-classification")
    }

    /**
     * @param topK number of labels to return, best first; null returns all.
     * @param functionToApply "softmax", "sigmoid" or "none"; null uses the one the model was trained with.
     * @throws InputError if a text or an option is invalid.
     */
    fun classify(
        text: String,
        pair: String? = null,
        topK: Int? = 1,
        functionToApply: String? = null,
    ): TextClassificationResult {
        checkCount("topK", topK, 1)
        checkText(text)
        pair?.let { checkText(it, "pair") }
        val name = functionToApply ?: defaultFunction()
        val function = FUNCTIONS[name]
            ?: throw InputError("unknown function ${shown(name)}; choose from: ${FUNCTIONS.keys.joinToString()}")
        val row = model.row(text, pair)
        val scores = function(model.outputs(listOf(row)).getValue("logits").values)
        val labels = best(scores, topK).map { Label(model.manifest.label(it), scores[it]) }
        return TextClassificationResult(labels, row.tokensCut)
    }

    private fun defaultFunction(): String = when {
        model.manifest.problemType == "regression" -> "none"
        model.manifest.problemType == "multi_label_classification" -> "sigmoid"
        model.manifest.labels?.size == 1 -> "sigmoid"
        else -> "softmax"
    }
}
