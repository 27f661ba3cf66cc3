package squeezebertmobile.core

/**
 * One text's tokens, without special tokens.
 *
 * @param ids their ids.
 * @param starts where each begins in its text, in characters (code points).
 * @param ends where it ends.
 * @param words which word of the text it belongs to.
 */
class Segment(val ids: IntArray, val starts: IntArray, val ends: IntArray, val words: IntArray) {
    /** The number of tokens. */
    val size: Int get() = ids.size
}

/** The WordPiece tokenizer: texts to ids exactly as Hugging Face's tokenizers does it, and back. */
class Tokenizer internal constructor(settings: TokenizerSettings) {
    private val vocab = settings.vocab
    private val added = settings.added
    private val normalizer = Normalizer(settings.lowercase, settings.stripAccents, settings.ideographs)
    private val pieces = WordPieces(vocab, vocab.getValue(settings.unknown))
    private val asWritten = TokenFinder(added.filter { !it.normalized }.map { it to codePoints(it.content) })
    private val asNormalized = TokenFinder(added.filter { it.normalized }.map { it to normalized(it) })
    private val tokens: Map<Int, String> by lazy {
        vocab.entries.associate { it.value to it.key } + added.associate { it.id to it.content }
    }
    private val special = added.filter { it.special }.map { it.content }.toSet()

    /** The number of tokens, the added ones included. */
    val size: Int = (vocab.keys + added.map { it.content }).size

    /** The ids of the special tokens. */
    val unknownId: Int = id(settings.unknown)
    val padId: Int = id(settings.pad)
    val maskId: Int = id(settings.mask)
    internal val clsId: Int = id(settings.cls)
    internal val sepId: Int = id(settings.sep)

    /** The token that stands for a word to be guessed, as it is written in a text. */
    val maskToken: String = settings.mask

    private fun id(token: String): Int = added.firstOrNull { it.content == token }?.id ?: vocab.getValue(token)

    private fun normalized(token: AddedToken): IntArray {
        val codes = normalizer.normalize(AlignedText.of(token.content)).codes
        if (codes.isEmpty()) {
            throw ArtifactError(
                "the added token ${shown(token.content)} has nothing left when it is normalized; " +
                    "export the checkpoint again without it",
            )
        }
        return codes
    }

    /**
     * A text's tokens, without the special ones that a model wants around them.
     *
     * @throws InputError the text is not valid Unicode.
     */
    fun encode(text: String): Segment {
        val out = SegmentBuilder()
        for (raw in asWritten.split(AlignedText.of(text))) {
            if (raw.token != null) {
                out.addToken(raw)
                continue
            }
            for (piece in asNormalized.split(normalizer.normalize(raw.text))) {
                if (piece.token != null) out.addToken(piece) else addWords(piece.text, out)
            }
        }
        return out.build()
    }

    private fun addWords(text: AlignedText, out: SegmentBuilder) {
        var from = 0
        for (at in 0..text.size) {
            val code = if (at < text.size) text.codes[at] else ' '.code
            val isMark = code in Unicode.punctuation
            if (!isMark && code !in Unicode.space) continue
            if (from < at) addWord(text, from, at, out)
            if (isMark) addWord(text, at, at + 1, out)
            from = at + 1
        }
    }

    private fun addWord(text: AlignedText, from: Int, to: Int, out: SegmentBuilder) {
        out.nextWord()
        pieces.split(text.codes, from, to) { id, start, end ->
            out.add(id, text.starts[start], text.ends[end - 1])
        }
    }

    // Ids to texts -----------------------------------------------------------------------------

    /** The id of a token, or null where there is none. */
    fun idOf(token: String): Int? = added.firstOrNull { it.content == token }?.id ?: vocab[token]

    /** The token of an id, or null where there is none. */
    fun tokenOf(id: Int): String? = tokens[id]

    /** The text of the ids, as far as the vocabulary keeps it. */
    fun decode(ids: List<Int>, skipSpecial: Boolean): String =
        join(ids.mapNotNull { tokens[it] }.filter { !(skipSpecial && it in special) })

    /** The text of tokens: pieces of a word joined, words apart. */
    fun join(tokens: List<String>): String = tokens.withIndex().joinToString("") { (index, token) ->
        val text = when {
            index == 0 -> token
            token.startsWith(CONTINUES) -> token.removePrefix(CONTINUES)
            else -> " $token"
        }
        CLEAN_UP.fold(text) { cleaned, (from, to) -> cleaned.replace(from, to) }
    }
}

internal const val CONTINUES = "##"

/** What the library's decoder mends in every token, in this order. */
private val CLEAN_UP = listOf(
    " ." to ".", " ?" to "?", " !" to "!", " ," to ",", " ' " to "'", " n't" to "n't", " 'm" to "'m",
    " do not" to " don't", " 's" to "'s", " 've" to "'ve", " 're" to "'re",
)

private class SegmentBuilder {
    private val ids = ArrayList<Int>()
    private val starts = ArrayList<Int>()
    private val ends = ArrayList<Int>()
    private val words = ArrayList<Int>()
    private var word = -1

    fun nextWord() {
        word++
    }

    fun add(id: Int, start: Int, end: Int) {
        ids.add(id)
        starts.add(start)
        ends.add(end)
        words.add(word)
    }

    fun addToken(piece: Piece) {
        nextWord()
        add(checkNotNull(piece.token).id, piece.text.starts.first(), piece.text.ends.last())
    }

    fun build() = Segment(ids.toIntArray(), starts.toIntArray(), ends.toIntArray(), words.toIntArray())
}

/** Words to pieces of the vocabulary: the longest that fits, again and again. */
private class WordPieces(private val vocab: Map<String, Int>, private val unknown: Int) {
    /** Gives each piece's id, and where it begins and ends in [codes]. */
    fun split(codes: IntArray, from: Int, to: Int, give: (id: Int, start: Int, end: Int) -> Unit) {
        val found = if (to - from > LONGEST_WORD) null else pieces(codes, from, to)
        if (found == null) give(unknown, from, to) else found.forEach { give(it[0], it[1], it[2]) }
    }

    /** The pieces; null where a part of the word fits none. */
    private fun pieces(codes: IntArray, from: Int, to: Int): List<IntArray>? {
        val found = ArrayList<IntArray>()
        var start = from
        while (start < to) {
            val prefix = if (start > from) CONTINUES else ""
            var end = to
            var id: Int? = null
            while (end > start) {
                id = vocab[prefix + String(codes, start, end - start)]
                if (id != null) break
                end--
            }
            found.add(intArrayOf(id ?: return null, start, end))
            start = end
        }
        return found
    }

    private companion object {
        const val LONGEST_WORD = 100
    }
}
