package squeezebertmobile.core

/** The model's inputs: int64 arrays of shape [batch, sequence] or [batch, choices, sequence]. */
class Feed internal constructor(
    val shape: LongArray,
    val inputIds: LongArray,
    val attentionMask: LongArray,
    val tokenTypeIds: LongArray,
) {
    /** The input arrays, in the order of [INPUT_NAMES]. */
    internal val inputs: List<LongArray> get() = listOf(inputIds, attentionMask, tokenTypeIds)

    companion object {
        /**
         * Creates a feed from rows; for a model with choices, the rows are the choices of one item.
         *
         * @param mask the attention mask; null for all ones.
         * @param types the token type ids; null for all zeros.
         * @throws InputError if the rows do not match the manifest.
         */
        fun of(
            manifest: Manifest,
            ids: List<LongArray>,
            mask: List<LongArray>? = null,
            types: List<LongArray>? = null,
        ): Feed {
            val length = ids.firstOrNull()?.size ?: 0
            if (length == 0) throw InputError("'input_ids' has no tokens")
            val shape =
                if (manifest.hasChoices) longArrayOf(1, ids.size.toLong(), length.toLong())
                else longArrayOf(ids.size.toLong(), length.toLong())
            checkShape(manifest, shape)
            fun flat(name: String, rows: List<LongArray>?, default: Long, end: Int): LongArray {
                if (rows == null) return LongArray(ids.size * length) { default }
                if (rows.size != ids.size || rows.any { it.size != length }) {
                    throw InputError("the rows of '$name' must have the same length as those of 'input_ids'")
                }
                return LongArray(rows.size * length) { rows[it / length][it % length] }
                    .also { checkRange(name, it, end) }
            }
            return Feed(
                shape,
                flat("input_ids", ids, 0, manifest.vocabSize),
                flat("attention_mask", mask, 1, 2),
                flat("token_type_ids", types, 0, Int.MAX_VALUE),
            )
        }
    }
}

private fun checkShape(manifest: Manifest, shape: LongArray) {
    val axes = manifest.inputs[0].axes
    val checked = if (manifest.isSingleRow) listOf(axes.size - 1) else axes.indices.toList()
    if (checked.any { axes[it] is Long && axes[it] != shape[it] }) {
        throw InputError("'input_ids' has shape ${shape.toList()}, but this model takes $axes")
    }
    if (shape.last() > manifest.maxSequenceLength) {
        throw InputError(
            "'input_ids' has ${shape.last()} tokens per row, but this model takes at most " +
                "${manifest.maxSequenceLength}",
        )
    }
}

private fun checkRange(name: String, numbers: LongArray, end: Int) {
    val wrong = numbers.firstOrNull { it < 0 || it >= end } ?: return
    throw InputError("'$name' holds $wrong, but this model takes 0 to ${end - 1}")
}

/** @throws ModelError if an output does not have the shape of its task for this feed. */
internal fun checkOutputs(manifest: Manifest, feed: Feed, outputs: Map<String, FloatTensor>) {
    val task = TASKS.getValue(manifest.task)
    val lengths = task.inputAxes.zip(feed.shape.asIterable()).toMap()
    for ((name, tensor) in outputs) {
        val axes = task.outputs.getValue(name)
        val fits = tensor.shape.size == axes.size && axes.zip(tensor.shape.asIterable()).all { (axis, size) ->
            lengths[axis]?.let { it == size.toLong() } ?: (size > 0)
        }
        if (!fits) {
            throw ModelError(
                "the model's output '$name' has shape ${tensor.shape.toList()} for an input of shape " +
                    "${feed.shape.toList()}, but ${manifest.task} has $axes; export the checkpoint again",
            )
        }
    }
}

/** A float32 tensor in row-major order. */
class FloatTensor(val shape: IntArray, val values: FloatArray) {
    /** The slice at [index] of the first axis. */
    operator fun get(index: Int): FloatTensor {
        val size = values.size / shape[0]
        return FloatTensor(
            shape.copyOfRange(1, shape.size),
            values.copyOfRange(index * size, (index + 1) * size),
        )
    }

    /** The slices along the first axis. */
    fun rows(): List<FloatTensor> = List(shape[0]) { get(it) }

    /** The first [count] slices along the first axis. */
    fun take(count: Int): FloatTensor {
        val size = values.size / shape[0]
        return FloatTensor(intArrayOf(count) + shape.drop(1), values.copyOf(count * size))
    }

    /** The argmax over the last axis, for each row. */
    fun argmax(): IntArray {
        val width = shape.last()
        return IntArray(values.size / width) { row ->
            argmax(width) { values[row * width + it].toDouble() }
        }
    }
}

/** The index of the largest number, or of the first NaN, as numpy's argmax. */
internal inline fun argmax(count: Int, value: (Int) -> Double): Int {
    var best = 0
    for (index in 0 until count) {
        if (value(index).isNaN()) return index
        if (value(index) > value(best)) best = index
    }
    return best
}
