package squeezebertmobile.core

/** A token that is matched in a text before the text is split into words. */
internal class AddedToken(
    val content: String,
    val id: Int,
    val singleWord: Boolean,
    val stripLeft: Boolean,
    val stripRight: Boolean,
    val normalized: Boolean,
    val special: Boolean,
)

/** A part of a text: an added token, or the text between added tokens ([token] is null). */
internal class Piece(val text: AlignedText, val token: AddedToken?)

/** Finds added tokens in a text: leftmost first, and the longest of those that start at the same place. */
internal class TokenFinder(tokens: List<Pair<AddedToken, IntArray>>) {
    // Longest first; ties keep the order in which they were added.
    private val byFirst: Map<Int, List<Pair<AddedToken, IntArray>>> =
        tokens.sortedByDescending { it.second.size }.groupBy { it.second[0] }

    fun split(text: AlignedText): List<Piece> {
        val pieces = ArrayList<Piece>()
        var done = 0
        var at = 0
        while (at < text.size) {
            val match = longestAt(text.codes, at)
            if (match == null) {
                at++
                continue
            }
            val (token, content) = match
            val stop = at + content.size
            if (!token.singleWord || standsAlone(text.codes, at, stop)) {
                val from = if (token.stripLeft) maxOf(skipSpaceBefore(text.codes, at), done) else at
                val to = if (token.stripRight) skipSpaceAfter(text.codes, stop) else stop
                if (done < from) pieces.add(Piece(text.slice(done, from), null))
                pieces.add(Piece(text.slice(from, to), token))
                done = to
            }
            at = stop
        }
        if (done < text.size) pieces.add(Piece(text.slice(done, text.size), null))
        return pieces
    }

    private fun longestAt(codes: IntArray, at: Int): Pair<AddedToken, IntArray>? =
        byFirst[codes[at]]?.firstOrNull { (_, content) ->
            at + content.size <= codes.size && content.indices.all { codes[at + it] == content[it] }
        }
}

private fun standsAlone(codes: IntArray, from: Int, to: Int): Boolean =
    (from == 0 || codes[from - 1] !in Unicode.word) && (to == codes.size || codes[to] !in Unicode.word)

private fun skipSpaceBefore(codes: IntArray, at: Int): Int {
    var from = at
    while (from > 0 && codes[from - 1] in Unicode.space) from--
    return from
}

private fun skipSpaceAfter(codes: IntArray, at: Int): Int {
    var to = at
    while (to < codes.size && codes[to] in Unicode.space) to++
    return to
}
