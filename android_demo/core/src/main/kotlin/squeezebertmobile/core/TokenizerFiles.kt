package squeezebertmobile.core

/** The settings of a tokenizer: everything that affects the ids of a text. */
internal class TokenizerSettings(
    val vocab: Map<String, Int>,
    val lowercase: Boolean,
    val stripAccents: Boolean,
    val ideographs: Boolean,
    val added: List<AddedToken>,
    val unknown: String,
    val sep: String,
    val pad: String,
    val cls: String,
    val mask: String,
)

private const val CONFIG_FILE = "tokenizer_config.json"

/** The special tokens and their defaults, which tokenizer_config.json may change. */
private val SPECIAL_TOKENS = mapOf(
    "unk_token" to "[UNK]",
    "sep_token" to "[SEP]",
    "pad_token" to "[PAD]",
    "cls_token" to "[CLS]",
    "mask_token" to "[MASK]",
)

private val ID = whole(0, Int.MAX_VALUE.toLong())

/** The fields that an export writes to tokenizer_config.json. Others are refused: they could change ids. */
private val CONFIG = record(
    mapOf(
        "tokenizer_class" to text(),
        "do_lower_case" to nullable(flag),
        "strip_accents" to nullable(flag),
        "tokenize_chinese_chars" to nullable(flag),
        "model_max_length" to number(),
    ) + SPECIAL_TOKENS.mapValues { text() },
    optional = setOf(
        "tokenizer_class", "do_lower_case", "strip_accents", "tokenize_chinese_chars", "model_max_length",
    ) + SPECIAL_TOKENS.keys,
)

private val ADDED_TOKEN = record(
    mapOf(
        "id" to ID,
        "content" to text(),
        "single_word" to flag,
        "lstrip" to flag,
        "rstrip" to flag,
        "normalized" to flag,
        "special" to flag,
    ),
)

/**
 * Loads the tokenizer of an artifact.
 *
 * @throws ArtifactError if its files are damaged or do not match the model.
 */
fun tokenizerOf(artifact: Artifact): Tokenizer {
    val tokenizer = checkNotNull(artifact.listedJson(TOKENIZER_FILE)) // guaranteed by Artifact.open
    val config = artifact.listedJson(CONFIG_FILE) ?: emptyMap()
    for (name in listOf("special_tokens_map.json", "added_tokens.json")) {
        if (name in artifact.manifest.files) {
            throw ArtifactError("the artifact lists $name, which an export never writes; export the checkpoint again")
        }
    }
    val settings = try {
        CONFIG.check(config, CONFIG_FILE)
        settingsOf(tokenizer, config)
    } catch (error: ShapeError) {
        throw ArtifactError(
            "the tokenizer is damaged at ${shown(error.where)}: ${error.problem}; export the checkpoint again",
        )
    }
    val loaded = Tokenizer(settings)
    if (loaded.size > artifact.manifest.vocabSize) {
        throw ArtifactError(
            "the tokenizer of ${shown(artifact.folder.path)} has ${loaded.size} tokens, but its model has only " +
                "${artifact.manifest.vocabSize}; export the checkpoint again",
        )
    }
    return loaded
}

internal fun settingsOf(tokenizer: Map<String, Any?>, config: Map<String, Any?>): TokenizerSettings {
    val vocab = vocabOf(tokenizer["model"])
    val names = SPECIAL_TOKENS.mapValues { (key, default) -> config[key] as String? ?: default }
    val added = addedTokens(tokenizer["added_tokens"], vocab, names)
    for ((key, token) in names) {
        val isAdded = key != "unk_token" && added.any { it.content == token }
        if (token !in vocab && !isAdded) {
            throw ShapeError("vocab", "${shown(token)} ($key) is missing")
        }
    }
    val normalizer = tokenizer["normalizer"] as? Map<*, *> ?: emptyMap<String, Any?>()
    fun option(theirs: String, ours: String, default: Boolean?): Boolean? {
        val value = if (theirs in normalizer) normalizer[theirs] else config.getOrDefault(ours, default)
        nullable(flag).check(value, "normalizer.$theirs")
        return value as Boolean?
    }
    val lowercase = option("lowercase", "do_lower_case", true) ?: false
    return TokenizerSettings(
        vocab = vocab,
        lowercase = lowercase,
        stripAccents = option("strip_accents", "strip_accents", null) ?: lowercase,
        ideographs = option("handle_chinese_chars", "tokenize_chinese_chars", true) ?: false,
        added = added,
        unknown = names.getValue("unk_token"),
        sep = names.getValue("sep_token"),
        pad = names.getValue("pad_token"),
        cls = names.getValue("cls_token"),
        mask = names.getValue("mask_token"),
    )
}

private fun vocabOf(model: Any?): Map<String, Int> {
    val fields = model as? Map<*, *> ?: throw ShapeError("model", "missing")
    oneOf("WordPiece").check(fields["type"] ?: "WordPiece", "model.type")
    values(ID).check(fields["vocab"], "model.vocab")
    val vocab = fields["vocab"].asRecord()
    if (vocab.isEmpty()) throw ShapeError("model.vocab", "empty")
    return vocab.mapValuesTo(HashMap(2 * vocab.size)) { (it.value as Long).toInt() }
}

/** The added tokens by id. Tokens that are not in the vocabulary get ids after it. */
private fun addedTokens(
    listed: Any?,
    vocab: Map<String, Int>,
    names: Map<String, String>,
): List<AddedToken> {
    val fields = listed ?: emptyList<Any?>()
    items(ADDED_TOKEN).check(fields, "added_tokens")
    val records = (fields as List<*>).map { it.asRecord() }.sortedBy { it["id"] as Long }
    val contents = records.map { it["content"] as String } + names.values
    val tokens = LinkedHashMap<String, AddedToken>()
    contents.forEachIndexed { index, content ->
        if (content.isEmpty() || content in tokens) {
            if (index < records.size) throw ShapeError("added_tokens", "${shown(content)} is a duplicate or empty")
            return@forEachIndexed
        }
        if (!isUnicode(content)) throw ShapeError("added_tokens", "${shown(content)} is not valid Unicode")
        val record = records.getOrNull(index) ?: emptyMap()
        tokens[content] = AddedToken(
            content = content,
            id = vocab[content] ?: maxOf(vocab.size, (tokens.values.maxOfOrNull { it.id } ?: -1) + 1),
            singleWord = record["single_word"] == true,
            stripLeft = record["lstrip"] == true,
            stripRight = record["rstrip"] == true,
            normalized = record["normalized"] == true,
            special = record["special"] != false || content in names.values,
        )
    }
    return tokens.values.sortedByDescending { it.special } // the library matches special tokens first
}
