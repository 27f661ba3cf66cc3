package squeezebertmobile.core

/** The model's inputs: int64 numbers in the shape (batch, sequence) or (batch, choices, sequence). */
class Feed internal constructor(
    val shape: LongArray,
    val inputIds: LongArray,
    val attentionMask: LongArray,
    val tokenTypeIds: LongArray,
) {
    /** The inputs in the order of [INPUT_NAMES]. */
    internal val inputs: List<LongArray> get() = listOf(inputIds, attentionMask, tokenTypeIds)

    companion object {
        /**
         * The feed of these rows, which are one item of the batch where the model takes choices.
         *
         * @param mask where there is a token; null for everywhere.
         * @param types which text each token is of; null for the first.
         * @throws InputError the rows are not what the manifest says.
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
            fun flat(name: String, rows: List<LongArray>?, usual: Long, end: Int): LongArray {
                if (rows == null) return LongArray(ids.size * length) { usual }
                if (rows.size != ids.size || rows.any { it.size != length }) {
                    throw InputError("the rows of '$name' have not the lengths of 'input_ids'")
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
    // An ExecuTorch program takes one row; its session runs the rows one by one.
    val checked = if (manifest.format == "executorch") listOf(axes.size - 1) else axes.indices.toList()
    if (checked.any { axes[it] is Long && axes[it] != shape[it] }) {
        throw InputError("'input_ids' has shape ${shape.toList()}, but this model takes $axes")
    }
    if (shape.last() > manifest.maxSequenceLength) {
        throw InputError(
            "'input_ids' has ${shape.last()} tokens a row, but this model takes at most " +
                "${manifest.maxSequenceLength}",
        )
    }
}

private fun checkRange(name: String, numbers: LongArray, end: Int) {
    val wrong = numbers.firstOrNull { it < 0 || it >= end } ?: return
    throw InputError("'$name' holds $wrong, but this model takes 0 to ${end - 1}")
}

/** Numbers in a shape, the last axis running fastest. */
class FloatTensor(val shape: IntArray, val values: FloatArray) {
    /** The part at [index] of the first axis. */
    operator fun get(index: Int): FloatTensor {
        val size = values.size / shape[0]
        return FloatTensor(
            shape.copyOfRange(1, shape.size),
            values.copyOfRange(index * size, (index + 1) * size),
        )
    }

    /** The parts along the first axis. */
    fun rows(): List<FloatTensor> = List(shape[0]) { get(it) }

    /** The first [count] parts along the first axis. */
    fun take(count: Int): FloatTensor {
        val size = values.size / shape[0]
        return FloatTensor(intArrayOf(count) + shape.drop(1), values.copyOf(count * size))
    }

    /** Where the largest number of each row of the last axis stands. */
    fun tops(): IntArray {
        val width = shape.last()
        return IntArray(values.size / width) { row ->
            largest(width) { values[row * width + it].toDouble() }
        }
    }
}

/** The place of the largest number, or of the first NaN, as numpy's argmax has it. */
internal inline fun largest(count: Int, value: (Int) -> Double): Int {
    var best = 0
    for (place in 0 until count) {
        if (value(place).isNaN()) return place
        if (value(place) > value(best)) best = place
    }
    return best
}
