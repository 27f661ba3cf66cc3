package squeezebertmobile.core

/** Everything that decides which ids a text gets. */
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

/** The special tokens' names, with what stands for each unless tokenizer_config.json says so. */
private val SPECIAL_TOKENS = mapOf(
    "unk_token" to "[UNK]",
    "sep_token" to "[SEP]",
    "pad_token" to "[PAD]",
    "cls_token" to "[CLS]",
    "mask_token" to "[MASK]",
)

private val ID = whole(0, Int.MAX_VALUE.toLong())

/** What an export writes into tokenizer_config.json; it has to be no more than this reader knows. */
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
 * The tokenizer of an artifact.
 *
 * @throws ArtifactError its files are damaged, or do not fit its model.
 */
fun tokenizerOf(artifact: Artifact): Tokenizer {
    val tokenizer = checkNotNull(artifact.listedJson(TOKENIZER_FILE)) // Artifact.open
    val config = artifact.listedJson(CONFIG_FILE) ?: emptyMap()
    for (name in listOf("special_tokens_map.json", "added_tokens.json")) {
        if (name in artifact.manifest.files) {
            throw ArtifactError("the artifact lists $name, which no export writes; export the checkpoint again")
        }
    }
    val settings = try {
        CONFIG.check(config, CONFIG_FILE)
        settingsOf(tokenizer, config)
    } catch (error: ShapeError) {
        throw ArtifactError(
            "the tokenizer is damaged at ${shown(error.where)}: ${error.what}; export the checkpoint again",
        )
    }
    val found = Tokenizer(settings)
    if (found.size > artifact.manifest.vocabSize) {
        throw ArtifactError(
            "the tokenizer of ${shown(artifact.folder.path)} has ${found.size} tokens, but its model only " +
                "${artifact.manifest.vocabSize}; export the checkpoint again",
        )
    }
    return found
}

internal fun settingsOf(tokenizer: Map<String, Any?>, config: Map<String, Any?>): TokenizerSettings {
    val vocab = vocabOf(tokenizer["model"])
    val names = SPECIAL_TOKENS.mapValues { (key, usual) -> config[key] as String? ?: usual }
    val added = addedTokens(tokenizer["added_tokens"], vocab, names)
    for ((key, token) in names) {
        val isAdded = key != "unk_token" && added.any { it.content == token }
        if (token !in vocab && !isAdded) {
            throw ShapeError("vocab", "it has no ${shown(token)} ($key)")
        }
    }
    val normalizer = tokenizer["normalizer"] as? Map<*, *> ?: emptyMap<String, Any?>()
    fun option(theirs: String, ours: String, usual: Boolean?): Boolean? {
        val value = if (theirs in normalizer) normalizer[theirs] else config.getOrDefault(ours, usual)
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
    val found = model as? Map<*, *> ?: throw ShapeError("model", "it is missing")
    oneOf("WordPiece").check(found["type"] ?: "WordPiece", "model.type")
    values(ID).check(found["vocab"], "model.vocab")
    val vocab = found["vocab"].asRecord()
    if (vocab.isEmpty()) throw ShapeError("model.vocab", "it is empty")
    return vocab.mapValuesTo(HashMap(2 * vocab.size)) { (it.value as Long).toInt() }
}

/** The added tokens in the order of their ids, which new ones get behind the vocabulary. */
private fun addedTokens(
    listed: Any?,
    vocab: Map<String, Int>,
    names: Map<String, String>,
): List<AddedToken> {
    val given = listed ?: emptyList<Any?>()
    items(ADDED_TOKEN).check(given, "added_tokens")
    val records = (given as List<*>).map { it.asRecord() }.sortedBy { it["id"] as Long }
    val contents = records.map { it["content"] as String } + names.values
    val found = LinkedHashMap<String, AddedToken>()
    contents.forEachIndexed { index, content ->
        if (content.isEmpty() || content in found) {
            if (index < records.size) throw ShapeError("added_tokens", "${shown(content)} is there twice, or empty")
            return@forEachIndexed
        }
        val record = records.getOrNull(index) ?: emptyMap()
        found[content] = AddedToken(
            content = content,
            id = vocab[content] ?: maxOf(vocab.size, (found.values.maxOfOrNull { it.id } ?: -1) + 1),
            singleWord = record["single_word"] == true,
            stripLeft = record["lstrip"] == true,
            stripRight = record["rstrip"] == true,
            normalized = record["normalized"] == true,
            special = record["special"] != false || content in names.values,
        )
    }
    return found.values.sortedByDescending { it.special } // the library looks for special ones first
}
