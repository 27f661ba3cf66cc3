package squeezebertmobile.core

import ai.onnxruntime.OnnxTensor
import ai.onnxruntime.OrtEnvironment
import ai.onnxruntime.OrtException
import ai.onnxruntime.OrtLoggingLevel
import ai.onnxruntime.OrtSession
import java.nio.ByteBuffer
import java.nio.ByteOrder

/** The version of ONNX Runtime whose Java classes these sources are built with: see pom.xml. */
const val ONNX_RUNTIME_VERSION = "1.29.0"

/**
 * An ONNX model in ONNX Runtime, with its default session options but for the threads.
 *
 * `ai.onnxruntime` is the same API in the desktop jar and in the Android AAR.
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

/** The Java classes call the native library by its names, which change from version to version. */
internal fun checkVersion(native: String) {
    if (native == ONNX_RUNTIME_VERSION) return
    throw LibraryError(
        "the native library is ONNX Runtime $native, but its Java classes here are of " +
            "$ONNX_RUNTIME_VERSION; give the library of that version",
    )
}

/** A buffer outside of the heap, which ONNX Runtime uses without a copy. */
private fun direct(numbers: LongArray) =
    ByteBuffer.allocateDirect(Long.SIZE_BYTES * numbers.size).order(ByteOrder.nativeOrder()).asLongBuffer()
        .also { it.duplicate().put(numbers) } // whose position moves, while this one's stays at the beginning

private fun checkNames(artifact: Artifact, kind: String, found: Set<String>, specs: List<TensorSpec>) {
    val ours = specs.map { it.name }.toSet()
    if (found == ours) return
    throw ArtifactError(
        "${shown(artifact.modelPath)} has the ${kind}s ${found.sorted()}, but its manifest says " +
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
        val found = checkNotNull(result)
        return manifest.outputs.associate { spec ->
            val tensor = found.get(spec.name).get() as OnnxTensor
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
