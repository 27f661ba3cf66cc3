package squeezebertmobile.core

/** One input or output. An axis is a Long (its fixed length) or a String (the name of a dynamic axis). */
class TensorSpec(val name: String, val axes: List<Any>)

/** SHA-256 (hexadecimal) and size in bytes of a file of the artifact. */
class FileFacts(val sha256: String, val bytes: Long)

/**
 * How the vector of a text follows from those of its tokens; as in sentence-transformers.
 *
 * @param pooling the modes, whose vectors are concatenated in this order.
 * @param normalize whether the vector gets the length 1.
 * @param prompts by name, the text before every input.
 * @param defaultPrompt the name of the prompt that is used if the caller names none.
 * @param includePrompt whether the prompt's tokens are pooled too.
 * @param similarity how two vectors are compared: cosine, dot, euclidean or manhattan.
 */
class SentenceVector(
    val pooling: List<String> = listOf("mean"),
    val normalize: Boolean = true,
    val prompts: Map<String, String> = emptyMap(),
    val defaultPrompt: String? = null,
    val includePrompt: Boolean = true,
    val similarity: String = "cosine",
)

/**
 * The fields of manifest.json that are used on a phone.
 *
 * @property sequenceLengths the lengths that a file of fixed shapes takes, ascending (LiteRT); null if it
 *     takes any, or only [sequenceLength].
 */
class Manifest(
    val task: String,
    val labels: List<String>?,
    val problemType: String?,
    val modelType: String,
    val vocabSize: Int,
    val weights: String,
    val format: String,
    val precision: String,
    val inputs: List<TensorSpec>,
    val outputs: List<TensorSpec>,
    val maxSequenceLength: Int,
    val sentenceVector: SentenceVector,
    val sourceName: String,
    val files: Map<String, FileFacts>,
    val sequenceLengths: List<Int>? = null,
) {
    /** Name of the model file, which depends on the format. */
    val modelFile: String get() = MODEL_FILES.getValue(format)

    /** The fixed sequence length, or null if it is dynamic. */
    val sequenceLength: Int? get() = (inputs[0].axes.last() as? Long)?.toInt()

    /** The fixed batch size, or null if it is dynamic. */
    val batchSize: Int? get() = (inputs[0].axes.first() as? Long)?.toInt()

    /** Whether the model takes one row; a session runs the rows of a batch one after another. */
    internal val isSingleRow: Boolean get() = format == "executorch" || format == "litert"

    /** The maximum number of tokens in a row. */
    val maxLength: Int get() = sequenceLength ?: maxSequenceLength

    /** Whether inputs have a `choices` axis: [batch, choices, sequence]. */
    val hasChoices: Boolean get() = "choices" in TASKS.getValue(task).inputAxes

    /** The name of the label at this index of the logits. */
    fun label(index: Int): String = labels?.getOrNull(index) ?: "LABEL_$index"
}

internal const val SCHEMA_VERSION = 1L
internal const val MANIFEST_FILE = "manifest.json"
internal const val GOLDEN_FILE = "golden.json"
internal const val TOKENIZER_FILE = "tokenizer.json"
private val MODEL_FILES =
    mapOf("onnx" to "model.onnx", "executorch" to "model.pte", "litert" to "model.tflite", "torchscript" to "model.pt")

private val COUNT = whole(1)
private val SIZE = whole(0)
private val NOT_NEGATIVE = number(0.0..Double.MAX_VALUE)
private val FRACTION = number(0.0..1.0)
private val SHA256 = text(Regex("[0-9a-f]{64}"))

private val TENSOR = record(
    mapOf(
        "name" to text(),
        "dtype" to oneOf("int64", "int32", "float32"),
        "axes" to items(either(text(), whole(Long.MIN_VALUE))),
    ),
)

private val COUNTS = items(COUNT)
private val LENGTHS = Shape { value, where ->
    COUNTS.check(value, where)
    val lengths = (value as List<*>).map { it as Long }
    if (lengths.isEmpty()) throw ShapeError(where, "must have at least one length")
}

private val POOLING = items(oneOf("cls", "max", "mean", "mean_sqrt_len_tokens", "weightedmean", "lasttoken"))

private val SENTENCE_VECTOR = record(
    mapOf(
        "pooling" to Shape { value, where ->
            POOLING.check(value, where)
            if ((value as List<*>).isEmpty()) throw ShapeError(where, "must have at least one mode")
        },
        "normalize" to flag,
        "prompts" to values(text()),
        "default_prompt" to nullable(text()),
        "include_prompt" to flag,
        "similarity" to oneOf("cosine", "dot", "euclidean", "manhattan"),
    ),
    optional = setOf("prompts", "default_prompt", "include_prompt", "similarity"),
)

/** The schema of docs/manifest.schema.json. */
private val MANIFEST = record(
    mapOf(
        "schema_version" to oneOf(SCHEMA_VERSION),
        "task" to text(),
        "labels" to nullable(items(text())),
        "problem_type" to nullable(
            oneOf("regression", "single_label_classification", "multi_label_classification"),
        ),
        "model" to record(
            mapOf(
                "type" to oneOf("squeezebert", "bert"),
                "layers" to COUNT,
                "hidden" to COUNT,
                "heads" to COUNT,
                "groups" to values(COUNT),
                "parameters" to COUNT,
                "vocab_size" to COUNT,
            ),
        ),
        "parts" to values(
            record(mapOf("parameters" to SIZE, "checkpoint_bytes" to SIZE, "bytes" to SIZE)),
        ),
        "weights" to oneOf("trained", "random"),
        "format" to oneOf("onnx", "executorch", "litert", "torchscript"),
        "precision" to oneOf("fp32", "fp16", "int8", "int4"),
        "inputs" to items(TENSOR),
        "outputs" to items(TENSOR),
        "max_sequence_length" to COUNT,
        "sequence_lengths" to nullable(LENGTHS),
        "sentence_vector" to nullable(SENTENCE_VECTOR),
        "source" to record(
            mapOf("name" to text(), "sha256" to SHA256, "license" to nullable(text())),
            optional = setOf("license"),
        ),
        "quantization" to nullable(
            record(
                mapOf(
                    "weights" to text(),
                    "embeddings" to text(),
                    "activations" to text(),
                    "engine" to nullable(text()),
                    "kept" to values(text()),
                    "approximated" to values(text()),
                    "sensitivity" to values(number()),
                ),
                optional = setOf("engine", "kept", "approximated", "sensitivity"),
            ),
        ),
        "operators" to values(COUNT),
        "delegated" to values(COUNT),
        "planned_bytes" to nullable(COUNT),
        "files" to values(record(mapOf("sha256" to SHA256, "bytes" to SIZE))),
        "parity" to record(
            mapOf(
                "outputs" to values(
                    record(
                        mapOf(
                            "max_abs_diff" to NOT_NEGATIVE,
                            "mean_cosine" to number(),
                            "min_cosine" to number(),
                            "tolerance" to text(),
                        ),
                    ),
                ),
                "top1_agreement" to nullable(FRACTION),
                "answers" to SIZE,
                "answers_undecided" to SIZE,
                "texts" to SIZE,
            ),
        ),
        "accuracy" to nullable(
            record(
                mapOf(
                    "data" to text(),
                    "examples" to COUNT,
                    "metric" to text(),
                    "checkpoint" to number(),
                    "artifact" to number(),
                ),
            ),
        ),
        "versions" to values(text()),
    ),
    optional = setOf("problem_type", "sequence_lengths", "sentence_vector", "delegated", "planned_bytes", "accuracy"),
)

/**
 * Validates and parses manifest.json.
 *
 * @throws ShapeError if a field is missing, unknown or invalid.
 */
internal fun manifestOf(data: Map<String, Any?>): Manifest {
    MANIFEST.check(data, "")
    return Manifest(
        task = data["task"] as String,
        labels = data.texts("labels"),
        problemType = data["problem_type"] as String?,
        modelType = data.record("model")["type"] as String,
        vocabSize = data.record("model").int("vocab_size"),
        weights = data["weights"] as String,
        format = data["format"] as String,
        precision = data["precision"] as String,
        inputs = data.tensors("inputs"),
        outputs = data.tensors("outputs"),
        maxSequenceLength = data.int("max_sequence_length"),
        sentenceVector = data["sentence_vector"]?.let { sentenceVectorOf(it.asRecord()) } ?: SentenceVector(),
        sourceName = data.record("source")["name"] as String,
        files = data.record("files").mapValues { (_, facts) ->
            val record = facts.asRecord()
            FileFacts(record["sha256"] as String, record["bytes"] as Long)
        },
        sequenceLengths = (data["sequence_lengths"] as List<*>?)?.map { (it as Long).toInt() },
    )
}

private fun sentenceVectorOf(data: Map<String, Any?>) = SentenceVector(
    pooling = data.texts("pooling").orEmpty(),
    normalize = data["normalize"] as Boolean,
    prompts = data["prompts"]?.asRecord().orEmpty().mapValues { (_, prompt) -> prompt as String },
    defaultPrompt = data["default_prompt"] as String?,
    includePrompt = data["include_prompt"] != false,
    similarity = data["similarity"] as String? ?: "cosine",
)

private fun Map<String, Any?>.tensors(name: String): List<TensorSpec> =
    (getValue(name) as List<*>).map {
        val spec = it.asRecord()
        TensorSpec(spec["name"] as String, (spec["axes"] as List<*>).map { axis -> axis as Any })
    }
