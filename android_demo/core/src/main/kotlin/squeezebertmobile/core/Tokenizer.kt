package squeezebertmobile.core

/**
 * The tokens of one text, without special tokens.
 *
 * @param ids token ids.
 * @param starts start offset of each token in the text, in characters (code points).
 * @param ends end offset of each token.
 * @param words index of the word that each token belongs to.
 */
class Segment(val ids: IntArray, val starts: IntArray, val ends: IntArray, val words: IntArray) {
    /** The number of tokens. */
    val size: Int get() = ids.size
}

/** The WordPiece tokenizer: encodes and decodes exactly as Hugging Face's tokenizers library. */
class Tokenizer internal constructor(settings: TokenizerSettings) {
    private val vocab = settings.vocab
    private val added = settings.added
    private val normalizer = Normalizer(settings.lowercase, settings.stripAccents, settings.ideographs)
    private val pieces = WordPieces(vocab, vocab.getValue(settings.unknown))
    private val rawFinder = TokenFinder(added.filter { !it.normalized }.map { it to codePoints(it.content) })
    private val normalizedFinder = TokenFinder(added.filter { it.normalized }.map { it to normalized(it) })
    private val tokens: Map<Int, String> by lazy {
        vocab.entries.associate { it.value to it.key } + added.associate { it.id to it.content }
    }
    private val special = added.filter { it.special }.map { it.content }.toSet()

    /** The number of tokens, added tokens included. */
    val size: Int = (vocab.keys + added.map { it.content }).size

    /** Ids of the special tokens. */
    val unknownId: Int = id(settings.unknown)
    val padId: Int = id(settings.pad)
    val maskId: Int = id(settings.mask)
    internal val clsId: Int = id(settings.cls)
    internal val sepId: Int = id(settings.sep)

    /** The mask token as written in a text. */
    val maskToken: String = settings.mask

    private fun id(token: String): Int = added.firstOrNull { it.content == token }?.id ?: vocab.getValue(token)

    private fun normalized(token: AddedToken): IntArray {
        val codes = normalizer.normalize(AlignedText.of(token.content)).codes
        if (codes.isEmpty()) {
            throw ArtifactError(
                "the added token ${shown(token.content)} is empty after normalization; " +
                    "export the checkpoint again without it",
            )
        }
        return codes
    }

    /**
     * Encodes a text without adding special tokens.
     *
     * @throws InputError if the text is not valid Unicode.
     */
    fun encode(text: String): Segment {
        val out = SegmentBuilder()
        for (raw in rawFinder.split(AlignedText.of(text))) {
            if (raw.token != null) {
                out.addToken(raw)
                continue
            }
            for (piece in normalizedFinder.split(normalizer.normalize(raw.text))) {
                if (piece.token != null) out.addToken(piece) else addWords(piece.text, out)
            }
        }
        return out.build()
    }

    private fun addWords(text: AlignedText, out: SegmentBuilder) {
        var from = 0
        for (at in 0..text.size) {
            val code = if (at < text.size) text.codes[at] else ' '.code
            val isPunctuation = code in Unicode.punctuation
            if (!isPunctuation && code !in Unicode.space) continue
            if (from < at) addWord(text, from, at, out)
            if (isPunctuation) addWord(text, at, at + 1, out)
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

    /** The id of a token, or null if it is not in the vocabulary. */
    fun idOf(token: String): Int? = added.firstOrNull { it.content == token }?.id ?: vocab[token]

    /** The token of an id, or null if there is none. */
    fun tokenOf(id: Int): String? = tokens[id]

    /** Decodes ids to a text; lost case and unknown tokens cannot be restored. */
    fun decode(ids: List<Int>, skipSpecial: Boolean): String =
        join(ids.mapNotNull { tokens[it] }.filter { !(skipSpecial && it in special) })

    /** Joins tokens to a text: pieces of a word without, words with a space between. */
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

/** Replacements that the library's decoder makes in every token, in this order. */
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

/** Greedy WordPiece: the longest matching piece first, repeatedly. */
private class WordPieces(private val vocab: Map<String, Int>, private val unknown: Int) {
    /** Calls [emit] with each piece's id, start and end in [codes]. */
    fun split(codes: IntArray, from: Int, to: Int, emit: (id: Int, start: Int, end: Int) -> Unit) {
        val pieces = if (to - from > MAX_WORD_LENGTH) null else pieces(codes, from, to)
        if (pieces == null) emit(unknown, from, to) else pieces.forEach { emit(it[0], it[1], it[2]) }
    }

    /** The pieces of a word, or null if a part of it matches none. */
    private fun pieces(codes: IntArray, from: Int, to: Int): List<IntArray>? {
        val pieces = ArrayList<IntArray>()
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
            pieces.add(intArrayOf(id ?: return null, start, end))
            start = end
        }
        return pieces
    }

    private companion object {
        const val MAX_WORD_LENGTH = 100
    }
}
