package squeezebertmobile.core

import com.google.ai.edge.litert.Accelerator
import com.google.ai.edge.litert.CompiledModel
import com.google.ai.edge.litert.TensorBuffer

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
        /** XNNPACK packs weights for its kernels; in this cache, in memory, the signatures share them. */
        private const val SHARED_WEIGHTS = ":memory"

        fun open(artifact: Artifact, threads: Int): LiteRtSession = withLibrary("LiteRT") {
            val options = CompiledModel.Options(Accelerator.CPU)
            options.setCpuOptions(CompiledModel.CpuOptions(threads, null, SHARED_WEIGHTS))
            val model = try {
                CompiledModel.create(artifact.modelPath, options)
            } catch (@Suppress("TooGenericExceptionCaught") error: Exception) { // LiteRT's own has no public base
                throw ModelError(
                    "LiteRT cannot load ${shown(artifact.modelPath)}: ${firstLine(error)}; " +
                        "use a newer LiteRT, or export the checkpoint again",
                )
            }
            val outputs = artifact.manifest.outputs.map { it.name }
            LiteRtSession(CompiledLiteRtModel(model, outputs), artifact.manifest)
        }

        /** For tests, which have no LiteRT. */
        fun of(model: LiteRtModel, manifest: Manifest) = LiteRtSession(model, manifest)
    }
}

/** A model that runs one padded row. */
internal interface LiteRtModel : AutoCloseable {
    /** The outputs by name, for inputs of the length of a signature, in the order of [INPUT_NAMES]. */
    fun run(inputs: List<IntArray>): Map<String, FloatArray>
}

private class CompiledLiteRtModel(
    private val model: CompiledModel,
    private val outputNames: List<String>,
) : LiteRtModel {
    private val buffers = HashMap<String, Pair<Map<String, TensorBuffer>, Map<String, TensorBuffer>>>()

    override fun run(inputs: List<IntArray>): Map<String, FloatArray> = try {
        val signature = "length_${inputs[0].size}"
        val (given, computed) = buffers.getOrPut(signature) {
            Pair(
                INPUT_NAMES.associateWith { model.createInputBuffer(it, signature) },
                outputNames.associateWith { model.createOutputBuffer(it, signature) },
            )
        }
        INPUT_NAMES.zip(inputs) { name, numbers -> given.getValue(name).writeInt(numbers) }
        model.run(given, computed, signature)
        computed.mapValues { (_, buffer) -> buffer.readFloat() }
    } catch (@Suppress("TooGenericExceptionCaught") error: Exception) { // LiteRT's own has no public base
        throw ModelError("the model cannot run this input: ${firstLine(error)}")
    }

    override fun close() {
        buffers.values.forEach { (given, computed) -> (given.values + computed.values).forEach { it.close() } }
        buffers.clear()
        model.close()
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
