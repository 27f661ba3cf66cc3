package squeezebertmobile.core

/** A loaded artifact: what the tasks have in common. */
class Model(val manifest: Manifest, val tokenizer: Tokenizer, val session: Session) {
    /** The row of a text, or of two, cut to what the model takes. */
    internal fun row(text: String, pair: String? = null): Row = tokenizer.row(text, pair, manifest.maxLength)

    /**
     * The outputs for one input, without the axis of the batch and without padding.
     *
     * @param rows one row, or one for each choice.
     */
    internal fun outputs(rows: List<Row>): Map<String, FloatTensor> {
        val longest = rows.maxOf { it.size }
        val length = manifest.sequenceLength ?: longest
        val times = if (manifest.format == "executorch") 1 else manifest.batchSize ?: 1
        val all = List(if (manifest.hasChoices) 1 else times) { rows }.flatten()
        fun padded(fill: Int, values: (Row) -> IntArray) = all.map { row ->
            val given = values(row)
            LongArray(length) { (if (it < given.size) given[it] else fill).toLong() }
        }
        val feed = Feed.of(
            manifest,
            padded(tokenizer.padId) { it.ids() },
            padded(0) { row -> IntArray(row.size) { 1 } },
            padded(0) { it.typeIds() },
        )
        val axes = TASKS.getValue(manifest.task).outputs
        return session.run(feed).mapValues { (name, tensor) ->
            if ("sequence" in axes.getValue(name)) tensor[0].take(longest) else tensor[0]
        }
    }
}
