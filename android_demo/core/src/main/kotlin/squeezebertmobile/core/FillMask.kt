package squeezebertmobile.core

/** A token predicted for a mask; [sequence] is the text with the mask replaced by it. */
class Fill(val tokenStr: String, val score: Double, val token: Int, val sequence: String) {
    override fun toString(): String = "${shown(tokenStr)} ${rounded(score)}"
}

/** The best tokens for each mask, best first; [tokensCut] tokens of the text were truncated. */
class FillMaskResult(val masks: List<List<Fill>>, val tokensCut: Int) {
    override fun toString(): String = "masks $masks${cutNote(tokensCut)}"
}

/** Predicts the masked tokens of a text. */
class FillMask(private val model: Model) {
    init {
        checkTask(model, "fill-mask")
    }

    private val tokenizer = model.tokenizer

    /**
     * @param text a text with at least one mask token ([Tokenizer.maskToken]).
     * @param topK number of tokens to return for each mask, best first; null returns all.
     * @param targets restricts the result to these words; a word of several tokens is represented by
     *     its first token.
     * @throws InputError if the text has no mask, or a text or an option is invalid.
     */
    fun fill(text: String, topK: Int? = 5, targets: List<String>? = null): FillMaskResult {
        checkCount("topK", topK, 1)
        checkText(text)
        val allowed = targets?.let { targetIds(it) }
        val row = model.row(text)
        val ids = row.ids().toList()
        val positions = maskPositions(row, ids)
        val logits = model.outputs(listOf(row)).getValue("logits")
        val masks = positions.map { position ->
            val scores = softmax(logits[position].values)
            val tokens = allowed ?: scores.indices.toList()
            best(DoubleArray(tokens.size) { scores[tokens[it]] }, topK).map { choice ->
                filled(ids, position, tokens[choice], scores[tokens[choice]], alone = positions.size == 1)
            }
        }
        return FillMaskResult(masks, row.tokensCut)
    }

    private fun maskPositions(row: Row, ids: List<Int>): List<Int> {
        val positions = ids.indices.filter { ids[it] == tokenizer.maskId }
        if (positions.isNotEmpty()) return positions
        if (tokenizer.maskId in row.segments[0].ids) {
            throw InputError(
                "the ${tokenizer.maskToken} is beyond the ${model.manifest.maxLength} tokens that this " +
                    "model takes; shorten the text before it",
            )
        }
        throw InputError("the text has no ${tokenizer.maskToken}; put it where a word goes")
    }

    private fun filled(ids: List<Int>, position: Int, token: Int, score: Double, alone: Boolean): Fill {
        val shown = ids.toMutableList().also { it[position] = token }.filter { it != tokenizer.padId }
        return Fill(
            tokenStr = tokenizer.decode(listOf(token), skipSpecial = false),
            score = score,
            token = token,
            // Other masks are special tokens too, and should remain visible.
            sequence = tokenizer.decode(shown, skipSpecial = alone),
        )
    }

    private fun targetIds(targets: List<String>): List<Int> {
        if (targets.isEmpty()) throw InputError("targets is empty; give at least one word, or leave it out")
        return targets.map { word ->
            checkText(word, "target")
            tokenizer.idOf(word) ?: tokenizer.encode(word).ids.firstOrNull()
                ?: throw InputError("the target ${shown(word)} has no token; use a word")
        }.distinct().sorted()
    }
}
