package squeezebertmobile.core

/** Which tokens of a text: from [first] to before [stop]. */
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

    /** How many tokens of the texts are not in this row. */
    val tokensCut: Int get() = segments.sumOf { it.size } - spans.sumOf { it.size }

    /** Where the first token of text [which] (0 or 1) stands in the row. */
    fun firstPosition(which: Int): Int = spans.take(which).sumOf { it.size } + which + 1

    /** The ids. */
    fun ids(): IntArray = join(tokenizer.clsId, { tokenizer.sepId }) { _, segment, index -> segment.ids[index] }

    /** 0 for the first text, 1 for the second. */
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

/** How many special tokens a row of one or two texts has. */
internal fun specialTokens(texts: Int): Int = texts + 1

/**
 * The row of a text, or of two; of texts that are too long the longer one is cut first.
 *
 * @throws InputError a text is not valid Unicode, or [maxLength] has no room for the special tokens.
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

/** Sizes that sum up to at most [room]: the shorter text is kept whole while it has its half. */
private fun sizes(lengths: List<Int>, room: Int): List<Int> {
    if (lengths.sum() <= room) return lengths
    if (lengths.size == 1) return listOf(room)
    var short = lengths.min()
    if (short > room - short) short = room / 2
    return if (lengths[0] > lengths[1]) listOf(room - short, short) else listOf(short, room - short)
}

/** Spans of [size] tokens that cover [length], each [overlap] into the one before it. */
internal fun windows(length: Int, size: Int, overlap: Int): List<Span> {
    val found = arrayListOf(Span(0, size))
    while (found.last().stop < length) {
        val first = found.last().first + size - overlap
        found.add(Span(first, minOf(first + size, length)))
    }
    return found
}
