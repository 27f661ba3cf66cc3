package squeezebertmobile.core

/**
 * A token, or a group of tokens if aggregated, with its label.
 *
 * @param start start offset in the text, in characters (code points).
 * @param end end offset.
 * @param index the token's position in the model's input; null for a group.
 */
class Entity(
    val label: String,
    val score: Double,
    val word: String,
    val start: Int,
    val end: Int,
    val index: Int?,
) {
    override fun toString(): String = "$label ${shown(word)} $start..$end ${rounded(score)}"
}

/** The entities of a text, in text order; [tokensCut] tokens of the text were truncated. */
class TokenClassificationResult(val entities: List<Entity>, val tokensCut: Int) {
    override fun toString(): String = "entities $entities${cutNote(tokensCut)}"
}

/** How neighbouring tokens are grouped: the Python pipeline's aggregation_strategy. [SIMPLE] may split a word. */
enum class Aggregation(internal val ofWord: ((List<DoubleArray>) -> DoubleArray)?) {
    NONE(null),
    SIMPLE(null),
    FIRST({ it[0] }),
    AVERAGE({ scores -> DoubleArray(scores[0].size) { label -> scores.sumOf { it[label] } / scores.size } }),
    MAX({ scores -> scores.maxBy { it.max() } }),
}

private class LabelledToken(
    val word: String,
    val scores: DoubleArray,
    val start: Int,
    val end: Int,
    val index: Int,
    val continues: Boolean,
)

/** Finds the entities of a text. */
class TokenClassification(private val model: Model) {
    init {
        checkTask(model, "token-classification")
    }

    /**
     * @param ignoredLabels labels to omit from the result.
     * @throws InputError if the text is invalid.
     */
    fun find(
        text: String,
        aggregation: Aggregation = Aggregation.NONE,
        ignoredLabels: Set<String> = setOf("O"),
    ): TokenClassificationResult {
        checkText(text)
        val row = model.row(text)
        val logits = model.outputs(listOf(row)).getValue("logits")
        val entities = entities(tokens(text, row, logits), aggregation)
        return TokenClassificationResult(entities.filter { it.label !in ignoredLabels }, row.tokensCut)
    }

    private fun tokens(text: String, row: Row, logits: FloatTensor): List<LabelledToken> {
        val characters = codePoints(text)
        val segment = row.segments[0]
        val first = row.firstPosition(0)
        return (0 until row.spans[0].stop).map { position ->
            val (start, end) = segment.starts[position] to segment.ends[position]
            val isUnknown = segment.ids[position] == model.tokenizer.unknownId
            val token = checkNotNull(model.tokenizer.tokenOf(segment.ids[position]))
            LabelledToken(
                word = if (isUnknown) part(characters, start, end) else token,
                scores = softmax(logits[first + position].values),
                start = start,
                end = end,
                index = first + position,
                continues = token.startsWith(CONTINUES) && !isUnknown,
            )
        }
    }

    private fun entities(tokens: List<LabelledToken>, aggregation: Aggregation): List<Entity> {
        val ofWord = aggregation.ofWord
        val entities = if (ofWord == null) {
            tokens.map { entity(listOf(it), it.scores, it.index) }
        } else {
            words(tokens).map { word -> entity(word, ofWord(word.map { it.scores }), null) }
        }
        return if (aggregation == Aggregation.NONE) entities else groups(entities).map { join(it) }
    }

    private fun entity(tokens: List<LabelledToken>, scores: DoubleArray, index: Int?): Entity {
        val best = argmax(scores.size) { scores[it] }
        val words = tokens.map { it.word }
        return Entity(
            label = model.manifest.label(best),
            score = scores[best],
            word = if (index != null) words[0] else model.tokenizer.join(words),
            start = tokens.first().start,
            end = tokens.last().end,
            index = index,
        )
    }

    private fun join(group: List<Entity>) = Entity(
        label = group[0].label.substringAfter('-'),
        score = group.sumOf { it.score } / group.size,
        word = model.tokenizer.join(group.map { it.word }),
        start = group.first().start,
        end = group.last().end,
        index = null,
    )
}

/** The characters from [start] to [end]; empty if [end] does not follow [start]. */
internal fun part(characters: IntArray, start: Int, end: Int): String =
    if (start < end) String(characters, start, end - start) else ""

private fun words(tokens: List<LabelledToken>): List<List<LabelledToken>> {
    val words = ArrayList<ArrayList<LabelledToken>>()
    for (token in tokens) {
        if (token.continues && words.isNotEmpty()) words.last().add(token) else words.add(arrayListOf(token))
    }
    return words
}

private fun groups(entities: List<Entity>): List<List<Entity>> {
    val groups = ArrayList<ArrayList<Entity>>()
    for (entity in entities) {
        val continues = groups.isNotEmpty() && !entity.label.startsWith("B-") &&
            tag(entity) == tag(groups.last().last())
        if (continues) groups.last().add(entity) else groups.add(arrayListOf(entity))
    }
    return groups
}

private fun tag(entity: Entity): String =
    if (entity.label.startsWith("B-") || entity.label.startsWith("I-")) entity.label.drop(2) else entity.label
