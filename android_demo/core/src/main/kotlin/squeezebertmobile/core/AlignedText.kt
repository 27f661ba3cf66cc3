package squeezebertmobile.core

/**
 * Characters, each with the place it came from in the original text.
 *
 * All places are counted in characters (code points), as Python does.
 *
 * @param codes the characters.
 * @param starts where each came from.
 * @param ends where that ends.
 */
internal class AlignedText(val codes: IntArray, val starts: IntArray, val ends: IntArray) {
    val size: Int get() = codes.size

    fun slice(from: Int, to: Int) = AlignedText(
        codes.copyOfRange(from, to),
        starts.copyOfRange(from, to),
        ends.copyOfRange(from, to),
    )

    /** The characters from [from] to [to] as a text. */
    fun text(from: Int = 0, to: Int = size): String = String(codes, from, to - from)

    companion object {
        /** @throws InputError the text has half a surrogate pair in it. */
        fun of(text: String): AlignedText {
            val codes = codePoints(text)
            return AlignedText(codes, IntArray(codes.size) { it }, IntArray(codes.size) { it + 1 })
        }
    }
}

/** @throws InputError the text has half a surrogate pair in it. */
internal fun codePoints(text: String): IntArray {
    val codes = IntArray(text.codePointCount(0, text.length))
    var at = 0
    for (index in codes.indices) {
        codes[index] = text.codePointAt(at)
        if (codes[index] in 0xD800..0xDFFF) {
            throw InputError("a text is not valid Unicode: half a surrogate pair at character $index")
        }
        at += Character.charCount(codes[index])
    }
    return codes
}

/** Collects the characters of a new text, which take the places of those in [from]. */
internal class AlignedBuilder(private val from: AlignedText) {
    private var codes = IntArray(from.size + SPARE)
    private var starts = IntArray(from.size + SPARE)
    private var ends = IntArray(from.size + SPARE)
    private var size = 0

    /** Adds a character that stands for number [index] of the old text. */
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
