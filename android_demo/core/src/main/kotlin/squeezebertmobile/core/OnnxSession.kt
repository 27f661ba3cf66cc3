package squeezebertmobile.core

import ai.onnxruntime.OnnxTensor
import ai.onnxruntime.OrtEnvironment
import ai.onnxruntime.OrtException
import ai.onnxruntime.OrtLoggingLevel
import ai.onnxruntime.OrtSession
import java.nio.ByteBuffer
import java.nio.ByteOrder

/** Version of ONNX Runtime whose Java classes these sources are compiled against (pom.xml). */
const val ONNX_RUNTIME_VERSION = "1.29.0"

/**
 * An ONNX model in ONNX Runtime, with default session options except for the number of threads.
 *
 * The `ai.onnxruntime` API is the same in the desktop jar and in the Android AAR.
 */
internal class OnnxSession private constructor(
    private val environment: OrtEnvironment,
    private val session: OrtSession,
    private val manifest: Manifest,
) : Session {
    override fun run(feed: Feed): Map<String, FloatTensor> = prepare(feed).use { it.outputs() }

    override fun prepare(feed: Feed): OnnxRun {
        val tensors = LinkedHashMap<String, OnnxTensor>()
        try {
            INPUT_NAMES.zip(feed.inputs) { name, numbers ->
                tensors[name] = OnnxTensor.createTensor(environment, direct(numbers), feed.shape)
            }
        } catch (error: OrtException) {
            tensors.values.forEach { it.close() }
            throw cannotRun(error)
        }
        return OnnxRun(session, tensors, manifest)
    }

    override fun close() = session.close()

    companion object {
        fun open(artifact: Artifact, threads: Int): OnnxSession = withLibrary("ONNX Runtime") {
            val environment = OrtEnvironment.getEnvironment(OrtLoggingLevel.ORT_LOGGING_LEVEL_FATAL)
            checkVersion(environment.version)
            val session = try {
                OrtSession.SessionOptions().use { options ->
                    options.setIntraOpNumThreads(threads)
                    environment.createSession(artifact.modelPath, options)
                }
            } catch (error: OrtException) {
                throw ModelError(
                    "ONNX Runtime ${environment.version} cannot load ${shown(artifact.modelPath)}: " +
                        "${firstLine(error)}; use a newer ONNX Runtime, or export the checkpoint again",
                )
            }
            checkNames(artifact, "input", session.inputNames, artifact.manifest.inputs)
            checkNames(artifact, "output", session.outputNames, artifact.manifest.outputs)
            OnnxSession(environment, session, artifact.manifest)
        }
    }
}

/** The Java classes call native functions whose names change between versions. */
internal fun checkVersion(native: String) {
    if (native == ONNX_RUNTIME_VERSION) return
    throw LibraryError(
        "the native library is ONNX Runtime $native, but the Java classes are of version " +
            "$ONNX_RUNTIME_VERSION; use the library of that version",
    )
}

/** Copies the numbers to a buffer outside the Java heap, which ONNX Runtime uses without another copy. */
private fun direct(numbers: LongArray) =
    ByteBuffer.allocateDirect(Long.SIZE_BYTES * numbers.size).order(ByteOrder.nativeOrder()).asLongBuffer()
        .also { it.duplicate().put(numbers) } // the duplicate's position moves, the original's stays at 0

private fun checkNames(artifact: Artifact, kind: String, theirs: Set<String>, specs: List<TensorSpec>) {
    val ours = specs.map { it.name }.toSet()
    if (theirs == ours) return
    throw ArtifactError(
        "${shown(artifact.modelPath)} has the ${kind}s ${theirs.sorted()}, but its manifest says " +
            "${ours.sorted()}; export the checkpoint again",
    )
}

private fun cannotRun(error: OrtException) = ModelError("the model cannot run this input: ${firstLine(error)}")

internal class OnnxRun(
    private val session: OrtSession,
    private val inputs: Map<String, OnnxTensor>,
    private val manifest: Manifest,
) : PreparedRun {
    private var result: OrtSession.Result? = null

    override fun run() {
        result?.close()
        result = null
        result = try {
            session.run(inputs)
        } catch (error: OrtException) {
            throw cannotRun(error)
        }
    }

    fun outputs(): Map<String, FloatTensor> {
        run()
        val outputs = checkNotNull(result)
        return manifest.outputs.associate { spec ->
            val tensor = outputs.get(spec.name).get() as OnnxTensor
            val values = tensor.floatBuffer
            val numbers = FloatArray(values.remaining()).also { values.get(it) }
            spec.name to FloatTensor(tensor.info.shape.map { it.toInt() }.toIntArray(), numbers)
        }
    }

    override fun close() {
        result?.close()
        inputs.values.forEach { it.close() }
    }
}
