package squeezebertmobile.core

/** One token in the place of a mask; [sequence] is the text with the token in it. */
class Fill(val tokenStr: String, val score: Double, val token: Int, val sequence: String)

/** For each mask of a text its best tokens, best first; [tokensCut] tokens of it were not read. */
class FillMaskResult(val masks: List<List<Fill>>, val tokensCut: Int)

/** Fills the masks of texts. */
class FillMask(private val model: Model) {
    private val tokenizer = model.tokenizer

    /**
     * @param text has at least one mask token ([Tokenizer.maskToken]).
     * @param topK how many tokens to give for each mask, best first; null gives all.
     * @param targets the words to choose from; of a word that is no token its first token counts.
     * @throws InputError the text has no mask, or a text or an option cannot be used.
     */
    fun fill(text: String, topK: Int? = 5, targets: List<String>? = null): FillMaskResult {
        checkCount("topK", topK, 1)
        checkText(text)
        val allowed = targets?.let { targetIds(it) }
        val row = model.row(text)
        val ids = row.ids().toList()
        val places = places(row, ids)
        val logits = model.outputs(listOf(row)).getValue("logits")
        val masks = places.map { place ->
            val scores = softmax(logits[place].values)
            val tokens = allowed ?: scores.indices.toList()
            best(DoubleArray(tokens.size) { scores[tokens[it]] }, topK).map { choice ->
                filled(ids, place, tokens[choice], scores[tokens[choice]], alone = places.size == 1)
            }
        }
        return FillMaskResult(masks, row.tokensCut)
    }

    private fun places(row: Row, ids: List<Int>): List<Int> {
        val places = ids.indices.filter { ids[it] == tokenizer.maskId }
        if (places.isNotEmpty()) return places
        if (tokenizer.maskId in row.segments[0].ids) {
            throw InputError(
                "the ${tokenizer.maskToken} stands beyond the ${model.manifest.maxLength} tokens that this " +
                    "model takes; shorten the text before it",
            )
        }
        throw InputError("the text has no ${tokenizer.maskToken}; put it where a word goes")
    }

    private fun filled(ids: List<Int>, place: Int, token: Int, score: Double, alone: Boolean): Fill {
        val shown = ids.toMutableList().also { it[place] = token }.filter { it != tokenizer.padId }
        return Fill(
            tokenStr = tokenizer.decode(listOf(token), skipSpecial = false),
            score = score,
            token = token,
            // The other masks are special tokens too, and are to be seen.
            sequence = tokenizer.decode(shown, skipSpecial = alone),
        )
    }

    private fun targetIds(targets: List<String>): List<Int> {
        if (targets.isEmpty()) throw InputError("targets is empty; give at least one word, or leave it out")
        return targets.map { word ->
            checkText(word, "target")
            tokenizer.idOf(word) ?: tokenizer.encode(word).ids.firstOrNull()
                ?: throw InputError("the target ${shown(word)} has no token; give a word")
        }.distinct().sorted()
    }
}
