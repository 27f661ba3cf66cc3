package squeezebertmobile.core

/** A choice with its score; [index] is its index in the caller's list. */
class Choice(val choice: String, val score: Double, val index: Int) {
    override fun toString(): String = "${shown(choice)} ${rounded(score)}"
}

/** All choices, best first; [tokensCut] tokens of the longest input were truncated. */
class MultipleChoiceResult(val choices: List<Choice>, val tokensCut: Int) {
    override fun toString(): String = "choices $choices${cutNote(tokensCut)}"
}

/** Ranks choices by how well they continue a text. */
class MultipleChoice(private val model: Model) {
    init {
        checkTask(model, "multiple-choice")
    }

    /**
     * Returns all choices, best first; their scores sum to 1.
     *
     * @throws InputError if the text or a choice is invalid.
     */
    fun choose(text: String, choices: List<String>): MultipleChoiceResult {
        checkText(text)
        if (choices.size < 2) throw InputError("there must be at least two choices, not ${choices.size}")
        choices.forEach { checkText(it, "choice") }
        val rows = choices.map { model.row(text, it) }
        val scores = softmax(model.outputs(rows).getValue("logits").values)
        return MultipleChoiceResult(
            best(scores, null).map { Choice(choices[it], scores[it], it) },
            rows.maxOf { it.tokensCut },
        )
    }
}
