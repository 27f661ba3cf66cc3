package squeezebertmobile.core

import ai.onnxruntime.OnnxJavaType
import ai.onnxruntime.OnnxTensor
import ai.onnxruntime.OrtException
import ai.onnxruntime.OrtSession
import com.google.ai.edge.litert.CompiledModel
import com.google.ai.edge.litert.TensorBuffer
import org.pytorch.executorch.EValue
import org.pytorch.executorch.Module
import org.pytorch.executorch.Tensor
import java.io.File
import java.nio.ByteBuffer
import java.nio.ByteOrder
import com.google.ai.edge.litert.Accelerator as LiteRtAccelerator

/**
 * An input of another maker's model.
 *
 * @property type NumPy's name of the type of an element, such as `int64`.
 * @property data the elements, little-endian.
 */
class PlainTensor(val name: String, val type: String, val shape: LongArray, val data: ByteArray)

/**
 * All inputs of a run, in the model's order.
 *
 * @property signature for LiteRT, the signature to run.
 * @property outputs for LiteRT, the names of its outputs.
 */
class PlainInputs(val tensors: List<PlainTensor>, val signature: String? = null, val outputs: List<String> = emptyList())

/** Another maker's model, which is only measured. Not thread-safe. */
interface PlainModel : AutoCloseable {
    /**
     * Creates the input tensors in advance.
     *
     * @throws InputError if the model's runtime cannot take a tensor.
     */
    fun prepare(inputs: PlainInputs): PreparedRun

    /** Frees the model. */
    override fun close()
}

/**
 * Loads another maker's model file.
 *
 * @throws ModelError if the runtime cannot load it.
 * @throws LibraryError if the runtime's library is missing.
 */
fun openPlain(path: File, format: String, threads: Int): PlainModel = when (format) {
    "onnx" -> loading("ONNX Runtime", path) { PlainOnnx(path, threads) }
    "executorch" -> loading("ExecuTorch", path) { PlainExecuTorch(Module.load(path.path, LOAD_MODE_MMAP, threads)) }
    else -> loading("LiteRT", path) {
        PlainLiteRt(CompiledModel.create(path.path, options(threads, LiteRtAccelerator.CPU)))
    }
}

private const val LOAD_MODE_MMAP = 1 // Module.LOAD_MODE_MMAP

private fun loading(name: String, path: File, open: () -> PlainModel): PlainModel = withLibrary(name) {
    try {
        open()
    } catch (@Suppress("TooGenericExceptionCaught") error: Exception) { // each runtime has its own
        throw ModelError("$name cannot load ${shown(path.path)}: ${firstLine(error)}")
    }
}

/** Runs a model; whatever its runtime throws becomes a [ModelError]. */
private class PlainRun(private val free: () -> Unit = {}, private val work: () -> Unit) : PreparedRun {
    override fun run() = try {
        work()
    } catch (@Suppress("TooGenericExceptionCaught") error: Exception) { // each runtime has its own
        throw ModelError("the model cannot run this input: ${firstLine(error)}")
    }

    override fun close() = free()
}

private fun unusual(tensor: PlainTensor, runtime: String) =
    InputError("$runtime's API for Java takes no ${tensor.type}, the type of the input ${shown(tensor.name)}")

private fun PlainTensor.buffer(): ByteBuffer = ByteBuffer.wrap(data).order(ByteOrder.LITTLE_ENDIAN)

private fun PlainTensor.ints() = buffer().asIntBuffer().let { numbers -> IntArray(numbers.remaining()) { numbers[it] } }

private fun PlainTensor.longs() = buffer().asLongBuffer().let { numbers -> LongArray(numbers.remaining()) { numbers[it] } }

private fun PlainTensor.floats() =
    buffer().asFloatBuffer().let { numbers -> FloatArray(numbers.remaining()) { numbers[it] } }

// ONNX Runtime ---------------------------------------------------------------------------------

private val ONNX_TYPES = mapOf(
    "float32" to OnnxJavaType.FLOAT, "float64" to OnnxJavaType.DOUBLE, "float16" to OnnxJavaType.FLOAT16,
    "int8" to OnnxJavaType.INT8, "uint8" to OnnxJavaType.UINT8, "int16" to OnnxJavaType.INT16,
    "int32" to OnnxJavaType.INT32, "int64" to OnnxJavaType.INT64, "bool" to OnnxJavaType.BOOL,
)

private class PlainOnnx(path: File, threads: Int) : PlainModel {
    private val environment = environment()
    private val session = OrtSession.SessionOptions().use { options ->
        options.setIntraOpNumThreads(threads)
        environment.createSession(path.path, options)
    }

    override fun prepare(inputs: PlainInputs): PreparedRun {
        val tensors = inputs.tensors.associate { it.name to tensor(it) }
        var result: OrtSession.Result? = null
        return PlainRun(free = { result?.close(); tensors.values.forEach { it.close() } }) {
            result?.close()
            result = null
            result = session.run(tensors)
        }
    }

    private fun tensor(tensor: PlainTensor): OnnxTensor {
        val type = ONNX_TYPES[tensor.type] ?: throw unusual(tensor, "ONNX Runtime")
        val direct = ByteBuffer.allocateDirect(tensor.data.size).order(ByteOrder.nativeOrder())
        direct.duplicate().put(tensor.data) // the duplicate's position moves; all of Android is little-endian
        return try {
            OnnxTensor.createTensor(environment, direct, tensor.shape, type)
        } catch (error: OrtException) {
            throw InputError("ONNX Runtime cannot take the input ${shown(tensor.name)}: ${firstLine(error)}")
        }
    }

    override fun close() = session.close()
}

// ExecuTorch and LiteRT, not yet run on a phone ------------------------------------------------

private class PlainExecuTorch(private val module: Module) : PlainModel {
    override fun prepare(inputs: PlainInputs): PreparedRun {
        val values = inputs.tensors.map { EValue.from(tensor(it)) }.toTypedArray()
        return PlainRun { module.forward(*values) }
    }

    private fun tensor(tensor: PlainTensor): Tensor = when (tensor.type) {
        "int64" -> Tensor.fromBlob(tensor.longs(), tensor.shape)
        "int32" -> Tensor.fromBlob(tensor.ints(), tensor.shape)
        "float32" -> Tensor.fromBlob(tensor.floats(), tensor.shape)
        else -> throw unusual(tensor, "ExecuTorch")
    }

    override fun close() = module.destroy()
}

private class PlainLiteRt(private val model: CompiledModel) : PlainModel {
    override fun prepare(inputs: PlainInputs): PreparedRun {
        val given = inputs.tensors.associate { it.name to model.createInputBuffer(it.name, inputs.signature) }
        val computed = inputs.outputs.associateWith { model.createOutputBuffer(it, inputs.signature) }
        val run = PlainRun(free = { (given.values + computed.values).forEach { it.close() } }) {
            inputs.tensors.forEach { write(it, given.getValue(it.name)) }
            model.run(given, computed, inputs.signature)
        }
        return run
    }

    private fun write(tensor: PlainTensor, buffer: TensorBuffer) = when (tensor.type) {
        "int32" -> buffer.writeInt(tensor.ints())
        "float32" -> buffer.writeFloat(tensor.floats())
        else -> throw unusual(tensor, "LiteRT")
    }

    override fun close() = model.close()
}
