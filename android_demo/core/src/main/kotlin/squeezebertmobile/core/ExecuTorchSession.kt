package squeezebertmobile.core

import org.pytorch.executorch.EValue
import org.pytorch.executorch.Module
import org.pytorch.executorch.Tensor

/**
 * An ExecuTorch program, run with the Java API of org.pytorch:executorch-android.
 *
 * The program accepts one row, so the rows of a batch (and choices) run one after another. This class
 * is compiled against the stub in `executorch-stub` and has not yet run on a phone.
 */
internal class ExecuTorchSession private constructor(
    private val module: Module,
    private val manifest: Manifest,
) : Session {
    override fun run(feed: Feed): Map<String, FloatTensor> {
        val outputs = prepare(feed).use { it.outputs() }
        val batch = feed.shape.dropLast(1).map { it.toInt() }
        return manifest.outputs.withIndex().associate { (index, spec) ->
            val parts = outputs.map { it[index].toTensor() }
            val inner = parts[0].shape().drop(batch.size).map { it.toInt() }
            val numbers = parts.flatMap { it.dataAsFloatArray.asIterable() }.toFloatArray()
            spec.name to FloatTensor((batch + inner).toIntArray(), numbers)
        }.also { checkOutputs(manifest, feed, it) }
    }

    override fun prepare(feed: Feed): ExecuTorchRun {
        val length = feed.shape.last().toInt()
        val shape = LongArray(feed.shape.size) { 1 }.also { it[it.lastIndex] = length.toLong() }
        val rows = List(feed.inputIds.size / length) { row ->
            feed.inputs.map { numbers ->
                EValue.from(Tensor.fromBlob(numbers.copyOfRange(row * length, (row + 1) * length), shape))
            }.toTypedArray()
        }
        return ExecuTorchRun(module, rows)
    }

    override fun close() = module.destroy()

    companion object {
        private const val LOAD_MODE_MMAP = 1 // Module.LOAD_MODE_MMAP

        fun open(artifact: Artifact, threads: Int): ExecuTorchSession = withLibrary("ExecuTorch") {
            val module = try {
                Module.load(artifact.modelPath, LOAD_MODE_MMAP, threads)
            } catch (error: RuntimeException) { // thrown by its native code
                throw ModelError(
                    "ExecuTorch cannot load ${shown(artifact.modelPath)}: ${firstLine(error)}; " +
                        "use a newer ExecuTorch, or export the checkpoint again",
                )
            }
            ExecuTorchSession(module, artifact.manifest)
        }
    }
}

internal class ExecuTorchRun(
    private val module: Module,
    private val rows: List<Array<EValue>>,
) : PreparedRun {
    override fun run() {
        outputs()
    }

    fun outputs(): List<Array<EValue>> = try {
        rows.map { module.forward(*it) }
    } catch (error: RuntimeException) { // thrown by its native code
        throw ModelError("the model cannot run this input: ${firstLine(error)}")
    }

    override fun close() = Unit
}
