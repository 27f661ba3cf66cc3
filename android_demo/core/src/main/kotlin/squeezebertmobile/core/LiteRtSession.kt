package squeezebertmobile.core

import java.io.File

/**
 * A LiteRT model, run with the Kotlin API of com.google.ai.edge.litert:litert.
 *
 * The file has a signature for each of some lengths, of one row; a row runs in the shortest that it fits
 * in, and the rows of a batch (and choices) run one after another. This class is compiled against the
 * stub in `litert-stub` and has not yet run on a phone.
 */
internal class LiteRtSession private constructor(
    private val model: LiteRtModel,
    private val manifest: Manifest,
) : Session {
    override val placement get() = model.placement
    private val lengths = manifest.sequenceLengths ?: listOf(manifest.maxLength)

    override fun run(feed: Feed): Map<String, FloatTensor> =
        prepare(feed).use { it.outputs() }.also { checkOutputs(manifest, feed, it) }

    override fun prepare(feed: Feed): LiteRtRun {
        val length = feed.shape.last().toInt()
        val padded = lengths.firstOrNull { it >= length }
            ?: throw InputError("'input_ids' has $length tokens per row, but this model takes at most ${lengths.last()}")
        val rows = List(feed.inputIds.size / length) { row ->
            feed.inputs.map { numbers ->
                IntArray(padded) { if (it < length) numbers[row * length + it].toInt() else 0 }
            }
        }
        return LiteRtRun(model, manifest, feed.shape.map { it.toInt() }, padded, rows)
    }

    override fun close() = model.close()

    companion object {
        fun open(artifact: Artifact, threads: Int, accelerator: Accelerator, libraries: File?): LiteRtSession =
            withLibrary("LiteRT") {
                val outputs = artifact.manifest.outputs.map { it.name }
                val model = try {
                    compile(artifact.modelPath, outputs, threads, accelerator, libraries)
                } catch (@Suppress("TooGenericExceptionCaught") error: Exception) { // LiteRT's own has no public base
                    throw ModelError(
                        "LiteRT cannot load ${shown(artifact.modelPath)}: ${firstLine(error)}; " +
                            "use a newer LiteRT, or export the checkpoint again",
                    )
                }
                LiteRtSession(model, artifact.manifest)
            }

        /** For tests, which have no LiteRT. */
        fun of(model: LiteRtModel, manifest: Manifest) = LiteRtSession(model, manifest)
    }
}

/** @param rows the inputs of each row, padded with zeros to [padded] tokens. */
internal class LiteRtRun(
    private val model: LiteRtModel,
    private val manifest: Manifest,
    private val shape: List<Int>,
    private val padded: Int,
    private val rows: List<List<IntArray>>,
) : PreparedRun {
    override fun run() {
        rows.forEach { model.run(it) }
    }

    fun outputs(): Map<String, FloatTensor> {
        val computed = rows.map { model.run(it) }
        val batch = shape.dropLast(1)
        return manifest.outputs.associate { spec ->
            val axes = TASKS.getValue(manifest.task).outputs.getValue(spec.name).drop(batch.size)
            val parts = computed.map { cut(it.getValue(spec.name), axes) }
            val width = parts[0].size / axes.count { it == "sequence" }.let { if (it == 0) 1 else shape.last() }
            val inner = axes.map { if (it == "sequence") shape.last() else width }
            spec.name to FloatTensor((batch + inner).toIntArray(), parts.flatMap { it.asIterable() }.toFloatArray())
        }
    }

    /** The values of the row's own tokens, without the padding. */
    private fun cut(values: FloatArray, axes: List<String>): FloatArray {
        if (axes.firstOrNull() != "sequence") return values
        if (values.size % padded != 0) {
            throw ModelError("the model's output has ${values.size} values for $padded tokens; export the checkpoint again")
        }
        return values.copyOf(values.size / padded * shape.last())
    }

    override fun close() = Unit
}
