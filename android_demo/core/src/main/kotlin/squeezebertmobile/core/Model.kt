package squeezebertmobile.core

/** A loaded artifact, as used by the tasks: manifest, tokenizer and session. */
class Model(val manifest: Manifest, val tokenizer: Tokenizer, val session: Session) {
    /** Tokenizes a text or a pair of texts, truncated to the model's maximum length. */
    internal fun row(text: String, pair: String? = null): Row = tokenizer.row(text, pair, manifest.maxLength)

    /** Tokenizes a text and a hypothesis about it, of which only the text may be truncated. */
    internal fun rowWithWholePair(text: String, hypothesis: String): Row =
        tokenizer.rowWithWholePair(text, hypothesis, manifest.maxLength)

    /**
     * Runs the model on one input and returns its outputs without the batch axis and padding.
     *
     * @param rows a single row, or one for each choice.
     */
    internal fun outputs(rows: List<Row>): Map<String, FloatTensor> {
        val longest = rows.maxOf { it.size }
        val length = manifest.sequenceLength ?: longest
        val batchSize = if (manifest.isSingleRow) 1 else manifest.batchSize ?: 1
        val all = List(if (manifest.hasChoices) 1 else batchSize) { rows }.flatten()
        fun padded(fill: Int, values: (Row) -> IntArray) = all.map { row ->
            val numbers = values(row)
            LongArray(length) { (if (it < numbers.size) numbers[it] else fill).toLong() }
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
