package squeezebertmobile.core

/** How the tokenizers library treats each character: the tables of unicode.txt, read once. */
internal object Unicode {
    private val lines: Map<String, List<String>> = readTables()

    val space = CodeSet(lines.getValue("space"))
    val removed = CodeSet(lines.getValue("removed"))
    val ideograph = CodeSet(lines.getValue("ideograph"))
    val punctuation = CodeSet(lines.getValue("punctuation"))
    val mark = CodeSet(lines.getValue("mark"))
    val word = CodeSet(lines.getValue("word"))
    private val lower = codeMap(lines.getValue("lower"))
    private val decomposed = codeMap(lines.getValue("decomposed"))
    private val order = codeMap(lines.getValue("order"))

    /** The lower-case form of a character, or null if it is unchanged. */
    fun lower(code: Int): IntArray? = lower[code]

    /** The canonical decomposition of a character, or null if it has none. */
    fun decomposed(code: Int): IntArray? = if (code in HANGUL) hangul(code) else decomposed[code]

    /** Sort key of combining marks; 0 for characters that are not reordered. */
    fun order(code: Int): Int = order[code]?.get(0) ?: 0

    private fun readTables(): Map<String, List<String>> {
        val stream = checkNotNull(Unicode::class.java.getResourceAsStream("/squeezebertmobile/unicode.txt"))
        return stream.bufferedReader(Charsets.US_ASCII).useLines { lines ->
            lines.associate { line -> line.split(' ').let { it[0] to it.drop(1) } }
        }
    }
}

private val HANGUL = 0xAC00..0xD7A3

/** Section 3.12 of the Unicode standard: 19 leading consonants, 21 vowels, 27 trailing consonants or none. */
private fun hangul(code: Int): IntArray {
    val index = code - HANGUL.first
    val lead = 0x1100 + index / (21 * 28)
    val vowel = 0x1161 + index / 28 % 21
    val tail = index % 28
    return if (tail == 0) intArrayOf(lead, vowel) else intArrayOf(lead, vowel, 0x11A7 + tail)
}

/** A set of characters, given as sorted ranges: `9-d 20 85`. */
internal class CodeSet(parts: List<String>) {
    private val firsts = IntArray(parts.size)
    private val lasts = IntArray(parts.size)

    init {
        parts.forEachIndexed { index, part ->
            firsts[index] = part.substringBefore('-').toInt(16)
            lasts[index] = part.substringAfter('-').toInt(16)
        }
    }

    operator fun contains(code: Int): Boolean {
        val index = firsts.binarySearch(code)
        val range = if (index >= 0) index else -index - 2 // the last range that starts before the code
        return range >= 0 && code <= lasts[range]
    }
}

private val PART = Regex("([0-9a-f]+)(?:-([0-9a-f]+))?(?:/([0-9a-f]+))?(?:([+-][0-9a-f]+)|=([0-9a-f.]+))")

/** Parses a map from characters to numbers: `41-5a+20`, `100-12e/2+1`, `130=69.307`, `300-314=e6`. */
private fun codeMap(parts: List<String>): Map<Int, IntArray> {
    val map = HashMap<Int, IntArray>()
    for (part in parts) {
        val (first, last, step, distance, values) = checkNotNull(PART.matchEntire(part)).destructured
        val codes = first.toInt(16)..last.ifEmpty { first }.toInt(16) step step.ifEmpty { "1" }.toInt(16)
        val fixed = values.split('.').filter { it.isNotEmpty() }.map { it.toInt(16) }.toIntArray()
        for (code in codes) {
            map[code] = if (distance.isEmpty()) fixed else intArrayOf(code + distance.toInt(16))
        }
    }
    return map
}
