package squeezebertmobile.core

/** A range of a text's tokens, from [first] (inclusive) to [stop] (exclusive). */
class Span(val first: Int, val stop: Int) {
    val size: Int get() = stop - first
}

/** One row of model input: `[CLS] first [SEP]` or `[CLS] first [SEP] second [SEP]`. */
class Row internal constructor(
    private val tokenizer: Tokenizer,
    val segments: List<Segment>,
    val spans: List<Span>,
) {
    /** The number of tokens, special ones included. */
    val size: Int get() = spans.sumOf { it.size } + spans.size + 1

    /** Number of the texts' tokens that this row leaves out. */
    val tokensCut: Int get() = segments.sumOf { it.size } - spans.sumOf { it.size }

    /** The position in the row of the first token of text [which] (0 or 1). */
    fun firstPosition(which: Int): Int = spans.take(which).sumOf { it.size } + which + 1

    /** The token ids. */
    fun ids(): IntArray = join(tokenizer.clsId, { tokenizer.sepId }) { _, segment, index -> segment.ids[index] }

    /** The token type ids: 0 for the first text, 1 for the second. */
    fun typeIds(): IntArray = join(0, { it }) { which, _, _ -> which }

    private inline fun join(
        cls: Int,
        sep: (which: Int) -> Int,
        value: (which: Int, segment: Segment, index: Int) -> Int,
    ): IntArray {
        val row = ArrayList<Int>(size)
        row.add(cls)
        segments.forEachIndexed { which, segment ->
            for (index in spans[which].first until spans[which].stop) row.add(value(which, segment, index))
            row.add(sep(which))
        }
        return row.toIntArray()
    }
}

/** Number of special tokens in a row of one or two texts. */
internal fun specialTokens(texts: Int): Int = texts + 1

/**
 * Tokenizes a text or a pair of texts. A pair that is too long loses tokens of its longer text first.
 *
 * @throws InputError if a text is not valid Unicode, or [maxLength] is too short for the special tokens.
 */
fun Tokenizer.row(text: String, pair: String? = null, maxLength: Int): Row {
    val segments = listOfNotNull(text, pair).map { encode(it) }
    val room = maxLength - specialTokens(segments.size)
    if (room < 0) {
        throw InputError("a length of $maxLength is too short: the special tokens alone take ${maxLength - room}")
    }
    val sizes = sizes(segments.map { it.size }, room)
    return Row(this, segments, sizes.map { Span(0, it) })
}

/**
 * Tokenizes a text and a hypothesis about it. If they are too long, only the text is truncated.
 *
 * @throws InputError if one is not valid Unicode, or the hypothesis leaves no room for a token of the text.
 */
internal fun Tokenizer.rowWithWholePair(text: String, hypothesis: String, maxLength: Int): Row {
    val segments = listOf(text, hypothesis).map { encode(it) }
    val room = maxLength - specialTokens(2) - segments[1].size
    if (room < 1) {
        throw InputError(
            "the hypothesis ${shown(hypothesis)} has ${segments[1].size} tokens, which leaves no room for " +
                "a text in the $maxLength that this model takes; use a shorter label",
        )
    }
    return Row(this, segments, listOf(Span(0, minOf(room, segments[0].size)), Span(0, segments[1].size)))
}

/** Sizes with a sum of at most [room]. The shorter text is kept whole if it fits into half of it. */
private fun sizes(lengths: List<Int>, room: Int): List<Int> {
    if (lengths.sum() <= room) return lengths
    if (lengths.size == 1) return listOf(room)
    var short = lengths.min()
    if (short > room - short) short = room / 2
    return if (lengths[0] > lengths[1]) listOf(room - short, short) else listOf(short, room - short)
}

/** Spans of [size] tokens that cover [length] tokens; neighbours share [overlap] tokens. */
internal fun windows(length: Int, size: Int, overlap: Int): List<Span> {
    val spans = arrayListOf(Span(0, size))
    while (spans.last().stop < length) {
        val first = spans.last().first + size - overlap
        spans.add(Span(first, minOf(first + size, length)))
    }
    return spans
}
