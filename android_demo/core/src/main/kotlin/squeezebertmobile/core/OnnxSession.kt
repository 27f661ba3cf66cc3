package squeezebertmobile.core

import ai.onnxruntime.NodeInfo
import ai.onnxruntime.OnnxJavaType
import ai.onnxruntime.OnnxTensor
import ai.onnxruntime.OrtEnvironment
import ai.onnxruntime.OrtException
import ai.onnxruntime.OrtLoggingLevel
import ai.onnxruntime.OrtSession
import ai.onnxruntime.TensorInfo
import java.io.File
import java.nio.ByteBuffer
import java.nio.ByteOrder

/** Version of ONNX Runtime whose Java classes these sources are compiled against (pom.xml). */
const val ONNX_RUNTIME_VERSION = "1.29.0"

/** The oldest ONNX Runtime with which the tests of this library pass (`make test-onnxruntime`); older ones cannot load int4. */
const val OLDEST_ONNX_RUNTIME = "1.23.0"

/**
 * Version of ONNX Runtime's native library on this device.
 *
 * @throws LibraryError if it is missing.
 */
fun onnxRuntimeVersion(): String = withLibrary("ONNX Runtime") { environment().version }

/** ONNX Runtime has one environment for the whole process. */
internal fun environment(): OrtEnvironment {
    switchTelemetryOff(ANDROID_OS)
    return OrtEnvironment.getEnvironment(OrtLoggingLevel.ORT_LOGGING_LEVEL_FATAL)
}

private val ANDROID_OS: Class<*>? = try {
    Class.forName("android.system.Os")
} catch (_: ClassNotFoundException) { // a desktop
    null
}

/**
 * Sets the environment variable that ONNX Runtime reads as it is loaded. Since 1.29 its official builds
 * otherwise report their use, under an id of the device.
 *
 * @param os `android.system.Os`. Without it nothing is done: Java cannot set environment variables.
 */
internal fun switchTelemetryOff(os: Class<*>?) {
    try {
        os?.getMethod("setenv", String::class.java, String::class.java, Boolean::class.javaPrimitiveType)
            ?.invoke(null, "ORT_DISABLE_TELEMETRY", "1", false) // false: a value that the app has set stays
    } catch (_: ReflectiveOperationException) { // models run all the same
    }
}

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
    override fun run(feed: Feed): Map<String, FloatTensor> =
        prepare(feed).use { it.outputs() }.also { checkOutputs(manifest, feed, it) }

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

    /** The profile of a session that was opened with the prefix of one. */
    fun endProfiling(): File = try {
        File(session.endProfiling())
    } catch (error: OrtException) {
        throw ModelError("ONNX Runtime cannot write the profile: ${firstLine(error)}")
    }

    override fun close() = session.close()

    companion object {
        fun open(artifact: Artifact, threads: Int, profile: File? = null): OnnxSession = withLibrary("ONNX Runtime") {
            val environment = environment()
            checkVersion(environment.version)
            val opened = try {
                OrtSession.SessionOptions().use { options ->
                    options.setIntraOpNumThreads(threads)
                    profile?.let { options.enableProfiling(it.path) }
                    val session = environment.createSession(artifact.modelPath, options)
                    OnnxSession(environment, session, artifact.manifest)
                }
            } catch (error: OrtException) {
                throw ModelError(
                    "ONNX Runtime ${environment.version} cannot load ${shown(artifact.modelPath)}: " +
                        "${firstLine(error)}; use a newer ONNX Runtime, or export the checkpoint again",
                )
            }
            try {
                checkTensors(artifact, "input", opened.session.inputInfo, artifact.manifest.inputs, OnnxJavaType.INT64)
                checkTensors(artifact, "output", opened.session.outputInfo, artifact.manifest.outputs, OnnxJavaType.FLOAT)
                opened
            } catch (error: ArtifactError) {
                opened.close()
                throw error
            }
        }
    }
}

/** @throws LibraryError if this version cannot run the artifacts, or is of another API. */
internal fun checkVersion(version: String) {
    val (major, minor) = (version.split('.') + "").map { it.toIntOrNull() ?: 0 }
    val (oldestMajor, oldestMinor) = OLDEST_ONNX_RUNTIME.split('.').map { it.toInt() }
    if (major == oldestMajor && minor >= oldestMinor) return
    throw LibraryError(
        "ONNX Runtime $version is not supported: this library is tested with $OLDEST_ONNX_RUNTIME to " +
            "$ONNX_RUNTIME_VERSION, and newer versions of $oldestMajor.x are accepted; depend on one of these",
    )
}

/** Copies the numbers to a buffer outside the Java heap, which ONNX Runtime uses without another copy. */
private fun direct(numbers: LongArray) =
    ByteBuffer.allocateDirect(Long.SIZE_BYTES * numbers.size).order(ByteOrder.nativeOrder()).asLongBuffer()
        .also { it.duplicate().put(numbers) } // the duplicate's position moves, the original's stays at 0

private fun checkTensors(
    artifact: Artifact,
    kind: String,
    theirs: Map<String, NodeInfo>,
    specs: List<TensorSpec>,
    type: OnnxJavaType,
) {
    val ours = specs.map { it.name }.toSet()
    if (theirs.keys != ours) {
        throw ArtifactError(
            "${shown(artifact.modelPath)} has the ${kind}s ${theirs.keys.sorted()}, but its manifest says " +
                "${ours.sorted()}; export the checkpoint again",
        )
    }
    val wrong = theirs.values.firstOrNull { (it.info as? TensorInfo)?.type != type } ?: return
    throw ArtifactError(
        "${shown(artifact.modelPath)} has the $kind ${shown(wrong.name)}, which is no tensor of type $type; " +
            "export the checkpoint again",
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
