package squeezebertmobile.core

/** All candidate labels, best first; [tokensCut] tokens of the text were truncated. */
class ZeroShotResult(val labels: List<Label>, val tokensCut: Int) {
    override fun toString(): String = "labels $labels${cutNote(tokensCut)}"
}

/**
 * Classifies a text by labels that the model was not trained on.
 *
 * The model must be one of natural language inference (MNLI, SNLI, XNLI, ...). The text is the
 * premise, each candidate label makes a hypothesis, and the scores come from the logits of
 * "entailment", as in the zero-shot-classification pipeline of transformers.
 *
 * @param entailmentLabel the model's label for entailment; null finds the one whose name begins
 *     with "entail".
 * @throws InputError if the model's label for entailment is not known.
 */
class ZeroShot(private val model: Model, entailmentLabel: String? = null) {
    init {
        checkTask(model, "text-classification")
    }

    private val entailment = entailmentPlace(model.manifest.labels.orEmpty(), entailmentLabel)

    /**
     * Runs the model once for each candidate label.
     *
     * @param hypothesisTemplate the hypothesis, with `{}` where the label goes; `{{` and `}}` are braces.
     * @param multiLabel whether several labels can be true: each score is then independent of the
     *     other labels. If not, the scores add up to 1.
     * @return all candidate labels. A text that is too long is truncated, a hypothesis is not.
     * @throws InputError if a text or an option is invalid, or a hypothesis leaves no room for a text.
     */
    fun classify(
        text: String,
        candidateLabels: List<String>,
        hypothesisTemplate: String = DEFAULT_TEMPLATE,
        multiLabel: Boolean = false,
    ): ZeroShotResult {
        if (candidateLabels.isEmpty()) throw InputError("candidateLabels is empty; give at least one label")
        candidateLabels.forEach { checkText(it, "candidate label") }
        checkText(text)
        val parts = templateParts(hypothesisTemplate)
        val rows = candidateLabels.map { model.rowWithWholePair(text, parts.joinToString(separator = it)) }
        val logits = rows.map { model.outputs(listOf(it)).getValue("logits").values }
        val scores = entailmentScores(logits, entailment, multiLabel)
        val labels = best(scores, null).map { Label(candidateLabels[it], scores[it]) }
        return ZeroShotResult(labels, rows.maxOf { it.tokensCut })
    }
}

internal const val DEFAULT_TEMPLATE = "This example is {}." // the default of transformers
private const val LABELS_SHOWN = 10

/** The pieces of a template: a doubled brace, the place for a label, a single brace, other text. */
private val TEMPLATE_PIECE = Regex("""\{\{|}}|\{}|[{}]|[^{}]+""")

/** The text before and the text after the template's `{}`. */
private fun templateParts(template: String): List<String> {
    val parts = arrayListOf("")
    var isValid = true
    for (piece in TEMPLATE_PIECE.findAll(template).map { it.value }) {
        when (piece) {
            "{}" -> parts.add("")
            "{", "}" -> isValid = false
            else -> parts[parts.lastIndex] += if (piece[0] in "{}") piece.take(1) else piece
        }
    }
    if (!isValid || parts.size != 2) {
        throw InputError(
            "hypothesisTemplate=${shown(template)} must contain {} once, where the label goes, " +
                "such as '$DEFAULT_TEMPLATE'",
        )
    }
    return parts
}

/** The position of "entailment" in the logits of a model with these labels. */
private fun entailmentPlace(labels: List<String>, entailmentLabel: String?): Int {
    if (labels.size < 2) {
        throw InputError(
            "zero-shot classification needs a model of natural language inference, with a label for " +
                "entailment and one for contradiction; this model has $labels",
        )
    }
    val shown = labels.take(LABELS_SHOWN).joinToString() + if (labels.size > LABELS_SHOWN) ", …" else ""
    if (entailmentLabel != null) {
        if (entailmentLabel in labels) return labels.indexOf(entailmentLabel)
        throw InputError("unknown entailmentLabel ${shown(entailmentLabel)}; choose from: $shown")
    }
    val places = labels.indices.filter { labels[it].lowercase().startsWith("entail") }
    return places.singleOrNull() ?: throw InputError(
        "${if (places.isEmpty()) "no label is" else "several labels are"} called entailment ($shown); if " +
            "this is a model of natural language inference, name its label with entailmentLabel",
    )
}

/**
 * The scores of the candidates from the logits of their hypotheses.
 *
 * They add up to 1, unless [multiLabel] is set or there is a single candidate: then each is the
 * probability of entailment against contradiction, which is the first label of the model, or the
 * last one if entailment is the first (as in transformers, which does not look for its name).
 */
private fun entailmentScores(logits: List<FloatArray>, entailment: Int, multiLabel: Boolean): DoubleArray {
    if (!multiLabel && logits.size > 1) return softmax(FloatArray(logits.size) { logits[it][entailment] })
    return DoubleArray(logits.size) {
        val contradiction = if (entailment == 0) logits[it].lastIndex else 0
        softmax(floatArrayOf(logits[it][contradiction], logits[it][entailment]))[1]
    }
}
