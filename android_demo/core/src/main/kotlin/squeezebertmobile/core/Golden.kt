package squeezebertmobile.core

import kotlin.math.abs

/** A sample of one output: `values[i]` stands at flat position `indices[i]`. */
class GoldenOutput(
    val shape: IntArray,
    val indices: IntArray,
    val values: FloatArray,
    val top: IntArray,
)

/** One input and what the artifact answered where it was made; rows are choices, else one. */
class GoldenText(
    val texts: List<List<String>>,
    val inputIds: List<LongArray>,
    val attentionMask: List<LongArray>,
    val tokenTypeIds: List<LongArray>,
    val outputs: Map<String, GoldenOutput>,
)

/** golden.json. */
class Golden(val tolerance: Map<String, Double>, val texts: List<GoldenText>)

/**
 * One output, over all golden texts.
 *
 * @param maxAbsDiff the largest difference from the stored values; NaN if there was one.
 * @param sameAnswers texts whose largest number stands where it stood; null where there are none.
 */
class GoldenCheck(
    val output: String,
    val maxAbsDiff: Double,
    val tolerance: Double,
    val sameAnswers: Int?,
    val texts: Int,
) {
    /** Whether the difference is within the tolerance; NaN is not. */
    val holds: Boolean get() = maxAbsDiff <= tolerance
}

private val PLACES = items(whole(0, Int.MAX_VALUE.toLong()))
private val IDS = items(PLACES)

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
                                "indices" to PLACES,
                                "values" to items(number()),
                                "top" to PLACES,
                            ),
                        ),
                    ),
                ),
            ),
        ),
    ),
)

/** @throws ShapeError a field is missing, unknown or wrong. */
internal fun goldenOf(data: Map<String, Any?>): Golden {
    GOLDEN.check(data, "")
    return Golden(
        tolerance = data.record("tolerance").mapValues { (it.value as Number).toDouble() },
        texts = (data["texts"] as List<*>).map { textOf(it.asRecord()) },
    )
}

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
 * Runs the golden texts' ids again, and compares each output with what is stored.
 *
 * @param progress is called after each text.
 * @throws ArtifactError golden.json does not fit the model.
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
        throw misfit("does not have texts with the outputs ${names.joinToString()}")
    }
    val differences = names.associateWith { ArrayList<Double>() }
    val same = names.associateWith { ArrayList<Boolean?>() }
    golden.texts.forEachIndexed { number, text ->
        val outputs = run(session, manifest, text)
        for (name in names) {
            val ours = outputs.getValue(name)
            val stored = text.outputs.getValue(name)
            differences.getValue(name).add(difference(name, ours, stored))
            same.getValue(name).add(if (stored.top.isEmpty()) null else ours.tops().contentEquals(stored.top))
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
 * Sees that the tokenizer makes the golden texts' ids of their texts.
 *
 * A golden text is cut where its attention mask ends, and for fill-mask a token of it is masked.
 *
 * @throws ArtifactError it does not.
 */
fun checkGoldenIds(tokenizer: Tokenizer, golden: Golden) {
    for (text in golden.texts) {
        text.texts.forEachIndexed { number, texts ->
            val length = text.attentionMask[number].count { it == 1L }
            val stored = text.inputIds[number].take(length)
            val ours = tokenizer.row(texts[0], texts.getOrNull(1), maxLength = length).ids().map { it.toLong() }
            val mask = tokenizer.maskId.toLong()
            if (ours.size != length || ours.zip(stored).any { (our, its) -> our != its && its != mask }) {
                throw misfit("has other ids than this tokenizer makes of ${shown(texts[0])}")
            }
        }
    }
}

private fun run(session: Session, manifest: Manifest, text: GoldenText): Map<String, FloatTensor> = try {
    session.run(Feed.of(manifest, text.inputIds, text.attentionMask, text.tokenTypeIds))
} catch (error: InputError) {
    throw misfit("has an input that the model does not take: ${error.message}")
}

private fun difference(name: String, ours: FloatTensor, stored: GoldenOutput): Double {
    if (!ours.shape.contentEquals(stored.shape)) {
        throw misfit(
            "has $name in the shape ${stored.shape.toList()}, the model gives ${ours.shape.toList()}",
        )
    }
    val fits = stored.indices.size == stored.values.size && stored.indices.isNotEmpty()
    if (!fits || stored.indices.any { it >= ours.values.size }) {
        throw misfit("has values of $name that stand nowhere in it")
    }
    val differences = stored.indices.zip(stored.values.asIterable()) { index, value ->
        abs(ours.values[index] - value).toDouble()
    }
    return differences.max() // NaN if there is one
}

private fun misfit(how: String) = ArtifactError("golden.json $how; export the checkpoint again")
