package squeezebertmobile.core

import com.google.ai.edge.litert.CompiledModel
import com.google.ai.edge.litert.Environment
import com.google.ai.edge.litert.TensorBuffer
import java.io.File
import com.google.ai.edge.litert.Accelerator as LiteRtAccelerator

/** A model that runs one padded row. */
internal interface LiteRtModel : AutoCloseable {
    /** Where the model runs; null if no accelerator was asked for. */
    val placement: Placement? get() = null

    /** The outputs by name, for inputs of the length of a signature, in the order of [INPUT_NAMES]. */
    fun run(inputs: List<IntArray>): Map<String, FloatArray>
}

/** XNNPACK packs weights for its kernels; in this cache, in memory, the signatures share them. */
private const val SHARED_WEIGHTS = ":memory"

/**
 * Loads a model file.
 *
 * LiteRT refuses to compile a model for an accelerator alone that cannot run all of it. Such a model is
 * compiled for the CPU as well, and [Placement] says so.
 *
 * @param libraries the folder of the libraries of a neural processor, if there is one.
 */
internal fun compile(
    path: String,
    outputNames: List<String>,
    threads: Int,
    accelerator: Accelerator,
    libraries: File?,
): LiteRtModel {
    if (accelerator == Accelerator.CPU) {
        return CompiledLiteRtModel(CompiledModel.create(path, options(threads, LiteRtAccelerator.CPU)), outputNames)
    }
    val wanted = LiteRtAccelerator.valueOf(accelerator.name)
    val folders = if (libraries == null) emptyMap() else Environment.Option.values().associateWith { libraries.path }
    val environment = Environment.create(folders)
    try {
        val available = environment.availableAccelerators.map { it.name.lowercase() }.sorted()
        val (model, reason) = try {
            CompiledModel.create(path, CompiledModel.Options(wanted), environment) to null
        } catch (@Suppress("TooGenericExceptionCaught") error: Exception) { // LiteRT's own has no public base
            CompiledModel.create(path, options(threads, wanted, LiteRtAccelerator.CPU), environment) to firstLine(error)
        }
        return CompiledLiteRtModel(model, outputNames, environment, Placement(accelerator, available, reason))
    } catch (@Suppress("TooGenericExceptionCaught") error: Exception) {
        environment.close()
        throw error
    }
}

internal fun options(threads: Int, vararg accelerators: LiteRtAccelerator) =
    CompiledModel.Options(*accelerators).also { it.setCpuOptions(CompiledModel.CpuOptions(threads, null, SHARED_WEIGHTS)) }

private class CompiledLiteRtModel(
    private val model: CompiledModel,
    private val outputNames: List<String>,
    private val environment: Environment? = null,
    override val placement: Placement? = null,
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
        environment?.close()
    }
}
