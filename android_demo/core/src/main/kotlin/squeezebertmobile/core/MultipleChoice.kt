package squeezebertmobile.core

/** One of the choices given; [index] is its place in the caller's list. */
class Choice(val choice: String, val score: Double, val index: Int)

/** All choices, best first; [tokensCut] tokens of the longest input were not read. */
class MultipleChoiceResult(val choices: List<Choice>, val tokensCut: Int)

/** Ranks the choices given with a text. */
class MultipleChoice(private val model: Model) {
    /**
     * All choices, best first; their scores add up to 1.
     *
     * @throws InputError the text or its choices cannot be used.
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
