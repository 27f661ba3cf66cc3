package squeezebertmobile.core

/**
 * Characters with their offsets in the original text.
 *
 * All offsets count characters (code points), as in Python.
 *
 * @param codes the characters.
 * @param starts start offset of each in the original text.
 * @param ends end offset of each in the original text.
 */
internal class AlignedText(val codes: IntArray, val starts: IntArray, val ends: IntArray) {
    val size: Int get() = codes.size

    fun slice(from: Int, to: Int) = AlignedText(
        codes.copyOfRange(from, to),
        starts.copyOfRange(from, to),
        ends.copyOfRange(from, to),
    )

    /** The characters from [from] (inclusive) to [to] (exclusive) as a string. */
    fun text(from: Int = 0, to: Int = size): String = String(codes, from, to - from)

    companion object {
        /** @throws InputError if the text contains an unpaired surrogate. */
        fun of(text: String): AlignedText {
            val codes = codePoints(text)
            return AlignedText(codes, IntArray(codes.size) { it }, IntArray(codes.size) { it + 1 })
        }
    }
}

/** @throws InputError if the text contains an unpaired surrogate. */
internal fun codePoints(text: String): IntArray {
    val codes = IntArray(text.codePointCount(0, text.length))
    var at = 0
    for (index in codes.indices) {
        codes[index] = text.codePointAt(at)
        if (codes[index] in 0xD800..0xDFFF) {
            throw InputError("a text is not valid Unicode: unpaired surrogate at character $index")
        }
        at += Character.charCount(codes[index])
    }
    return codes
}

/** Whether the text has no unpaired surrogate, so that it can be encoded as UTF-8. */
internal fun isUnicode(text: String): Boolean =
    text.indices.none { at ->
        (text[at].isHighSurrogate() && text.getOrNull(at + 1)?.isLowSurrogate() != true) ||
            (text[at].isLowSurrogate() && text.getOrNull(at - 1)?.isHighSurrogate() != true)
    }

/** Builds a text whose characters keep the offsets of characters in [from]. */
internal class AlignedBuilder(private val from: AlignedText) {
    private var codes = IntArray(from.size + SPARE)
    private var starts = IntArray(from.size + SPARE)
    private var ends = IntArray(from.size + SPARE)
    private var size = 0

    /** Adds a character with the offsets of character [index] of the old text. */
    fun add(code: Int, index: Int) {
        if (size == codes.size) {
            codes = codes.copyOf(2 * size)
            starts = starts.copyOf(2 * size)
            ends = ends.copyOf(2 * size)
        }
        codes[size] = code
        starts[size] = from.starts[index]
        ends[size] = from.ends[index]
        size++
    }

    fun build() = AlignedText(codes.copyOf(size), starts.copyOf(size), ends.copyOf(size))

    private companion object {
        const val SPARE = 16
    }
}
