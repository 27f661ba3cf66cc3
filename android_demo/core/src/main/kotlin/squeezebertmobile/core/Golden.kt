package squeezebertmobile.core

import kotlin.math.abs

/** A sample of one output: `values[i]` is the element at flat index `indices[i]`. */
class GoldenOutput(
    val shape: IntArray,
    val indices: IntArray,
    val values: FloatArray,
    val top: IntArray,
)

/** One golden input and the artifact's outputs at export. There is one row, or one for each choice. */
class GoldenText(
    val texts: List<List<String>>,
    val inputIds: List<LongArray>,
    val attentionMask: List<LongArray>,
    val tokenTypeIds: List<LongArray>,
    val outputs: Map<String, GoldenOutput>,
)

/** The contents of golden.json: a tolerance for each output, and the golden texts. */
class Golden(val tolerance: Map<String, Double>, val texts: List<GoldenText>)

/**
 * The comparison of one output over all golden texts.
 *
 * @param maxAbsDiff the largest absolute difference from the stored values; NaN if any value is NaN.
 * @param sameAnswers number of texts whose top answers (argmax) are unchanged; null if the output has
 *     no stored top answers.
 */
class GoldenCheck(
    val output: String,
    val maxAbsDiff: Double,
    val tolerance: Double,
    val sameAnswers: Int?,
    val texts: Int,
) {
    /** Whether the difference is within the tolerance; false for NaN. */
    val holds: Boolean get() = maxAbsDiff <= tolerance
}

private val INDICES = items(whole(0, Int.MAX_VALUE.toLong()))
private val IDS = items(INDICES)

private val GOLDEN = record(
    mapOf(
        "schema_version" to oneOf(SCHEMA_VERSION),
        "tolerance" to values(number()),
        "texts" to items(
            record(
                mapOf(
                    "texts" to items(items(text())),
                    "input_ids" to IDS,
                    "attention_mask" to IDS,
                    "token_type_ids" to IDS,
                    "outputs" to values(
                        record(
                            mapOf(
                                "shape" to items(whole(1)),
                                "indices" to INDICES,
                                "values" to items(number()),
                                "top" to INDICES,
                            ),
                        ),
                    ),
                ),
            ),
        ),
    ),
)

/** A tolerance is at most this many times the largest value; more would accept any outputs. */
internal const val MAX_TOLERANCE = 100.0

/**
 * Validates and parses golden.json.
 *
 * @throws ShapeError if a field is missing, unknown or invalid.
 */
internal fun goldenOf(data: Map<String, Any?>): Golden {
    GOLDEN.check(data, "")
    val texts = (data["texts"] as List<*>).map { textOf(it.asRecord()) }
    val tolerance = data.record("tolerance").mapValues { (it.value as Number).toDouble() }
    for ((name, allowed) in tolerance) {
        val largest = texts.maxOfOrNull { text -> largest(text.outputs[name]) } ?: 0f
        val limit = MAX_TOLERANCE * maxOf(1f, largest)
        if (allowed !in 0.0..limit) {
            throw ShapeError("tolerance.$name", "$allowed is not from 0 to $limit, 100 times the largest value of $name")
        }
    }
    return Golden(tolerance, texts)
}

/** The largest absolute value, without infinite ones. */
private fun largest(output: GoldenOutput?): Float =
    output?.values?.map { abs(it) }?.filter { it.isFinite() }?.maxOrNull() ?: 0f

private fun textOf(data: Map<String, Any?>) = GoldenText(
    texts = (data["texts"] as List<*>).map { row -> (row as List<*>).map { it as String } },
    inputIds = data.rows("input_ids"),
    attentionMask = data.rows("attention_mask"),
    tokenTypeIds = data.rows("token_type_ids"),
    outputs = data.record("outputs").mapValues { (_, value) ->
        val output = value.asRecord()
        GoldenOutput(
            output["shape"].asLongs().map { it.coerceAtMost(Int.MAX_VALUE.toLong()).toInt() }.toIntArray(),
            output["indices"].asInts(),
            (output["values"] as List<*>).map { (it as Number).toFloat() }.toFloatArray(),
            output["top"].asInts(),
        )
    },
)

private fun Map<String, Any?>.rows(name: String): List<LongArray> =
    (getValue(name) as List<*>).map { it.asLongs() }

/**
 * Runs the model on the ids of the golden texts and compares the outputs with the stored ones.
 *
 * @param progress called after each text.
 * @throws ArtifactError if golden.json does not match the model.
 */
fun checkGolden(
    session: Session,
    manifest: Manifest,
    golden: Golden,
    progress: (done: Int, all: Int) -> Unit = { _, _ -> },
): List<GoldenCheck> {
    val names = manifest.outputs.map { it.name }
    val complete = golden.texts.all { it.outputs.keys == names.toSet() }
    if (golden.texts.isEmpty() || !complete || golden.tolerance.keys != names.toSet()) {
        throw mismatch("does not have texts with the outputs ${names.joinToString()}")
    }
    val differences = names.associateWith { ArrayList<Double>() }
    val same = names.associateWith { ArrayList<Boolean?>() }
    golden.texts.forEachIndexed { number, text ->
        val outputs = run(session, manifest, text)
        for (name in names) {
            val ours = outputs.getValue(name)
            val stored = text.outputs.getValue(name)
            differences.getValue(name).add(difference(name, ours, stored))
            same.getValue(name).add(if (stored.top.isEmpty()) null else ours.argmax().contentEquals(stored.top))
        }
        progress(number + 1, golden.texts.size)
    }
    return names.map { name ->
        val answers = same.getValue(name)
        GoldenCheck(
            output = name,
            maxAbsDiff = differences.getValue(name).max(),
            tolerance = golden.tolerance.getValue(name),
            sameAnswers = if (answers[0] == null) null else answers.count { it == true },
            texts = answers.size,
        )
    }
}

/**
 * Checks that the tokenizer produces the stored ids of the golden texts.
 *
 * A golden text is truncated where its attention mask ends; for fill-mask one of its tokens is masked.
 *
 * @throws ArtifactError if the ids differ.
 */
fun checkGoldenIds(tokenizer: Tokenizer, golden: Golden) {
    for (text in golden.texts) {
        checkRows(text)
        text.texts.forEachIndexed { number, texts ->
            val length = text.attentionMask[number].count { it == 1L }
            val stored = text.inputIds[number].take(length)
            val ours = ids(tokenizer, texts, length)
            val mask = tokenizer.maskId.toLong()
            if (ours.size != length || ours.zip(stored).any { (our, their) -> our != their && their != mask }) {
                throw mismatch("has other ids than this tokenizer gives for ${shown(texts[0])}")
            }
        }
    }
}

private fun checkRows(text: GoldenText) {
    val columns = listOf(text.inputIds, text.attentionMask, text.tokenTypeIds)
    val lengths = columns.map { column -> column.map { it.size } }.distinct()
    val fits = lengths.size == 1 && lengths[0].size == text.texts.size && text.texts.isNotEmpty() &&
        text.texts.all { it.size in 1..2 }
    if (!fits) throw mismatch("has a text whose rows of texts, ids, masks and types do not fit together")
}

private fun ids(tokenizer: Tokenizer, texts: List<String>, length: Int): List<Long> = try {
    tokenizer.row(texts[0], texts.getOrNull(1), maxLength = length).ids().map { it.toLong() }
} catch (error: InputError) {
    throw mismatch("has an invalid text: ${error.message}")
}

private fun run(session: Session, manifest: Manifest, text: GoldenText): Map<String, FloatTensor> = try {
    session.run(Feed.of(manifest, text.inputIds, text.attentionMask, text.tokenTypeIds))
} catch (error: InputError) {
    throw mismatch("has an input that the model does not take: ${error.message}")
}

private fun difference(name: String, ours: FloatTensor, stored: GoldenOutput): Double {
    if (!ours.shape.contentEquals(stored.shape)) {
        throw mismatch(
            "has $name with shape ${stored.shape.toList()}, but the model's has shape ${ours.shape.toList()}",
        )
    }
    val fits = stored.indices.size == stored.values.size && stored.indices.isNotEmpty()
    if (!fits || stored.indices.any { it >= ours.values.size }) {
        throw mismatch("has invalid indices or values for the output $name")
    }
    val differences = stored.indices.zip(stored.values.asIterable()) { index, value ->
        abs(ours.values[index] - value).toDouble()
    }
    return differences.max() // NaN if any is NaN
}

private fun mismatch(problem: String) = ArtifactError("golden.json $problem; export the checkpoint again")
