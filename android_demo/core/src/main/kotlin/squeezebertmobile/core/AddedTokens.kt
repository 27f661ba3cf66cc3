package squeezebertmobile.core

/** A token that is found in a text before it is split into words. */
internal class AddedToken(
    val content: String,
    val id: Int,
    val singleWord: Boolean,
    val stripLeft: Boolean,
    val stripRight: Boolean,
    val normalized: Boolean,
    val special: Boolean,
)

/** A part of a text: an added token, or what stands between them ([token] is null). */
internal class Piece(val text: AlignedText, val token: AddedToken?)

/** Finds tokens in a text: of those that begin first the longest, then on behind it. */
internal class TokenFinder(tokens: List<Pair<AddedToken, IntArray>>) {
    // Longest first; of equal ones the one that was added first.
    private val byFirst: Map<Int, List<Pair<AddedToken, IntArray>>> =
        tokens.sortedByDescending { it.second.size }.groupBy { it.second[0] }

    fun split(text: AlignedText): List<Piece> {
        val pieces = ArrayList<Piece>()
        var done = 0
        var at = 0
        while (at < text.size) {
            val found = longestAt(text.codes, at)
            if (found == null) {
                at++
                continue
            }
            val (token, content) = found
            val stop = at + content.size
            if (!token.singleWord || standsAlone(text.codes, at, stop)) {
                val from = if (token.stripLeft) maxOf(spaceBefore(text.codes, at), done) else at
                val to = if (token.stripRight) spaceBehind(text.codes, stop) else stop
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

private fun spaceBefore(codes: IntArray, at: Int): Int {
    var from = at
    while (from > 0 && codes[from - 1] in Unicode.space) from--
    return from
}

private fun spaceBehind(codes: IntArray, at: Int): Int {
    var to = at
    while (to < codes.size && codes[to] in Unicode.space) to++
    return to
}
