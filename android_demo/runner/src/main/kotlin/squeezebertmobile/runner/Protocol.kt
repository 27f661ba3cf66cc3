package squeezebertmobile.runner

import squeezebertmobile.core.ArtifactError
import squeezebertmobile.core.InputError
import squeezebertmobile.core.LibraryError
import squeezebertmobile.core.ModelError
import squeezebertmobile.core.ONNX_RUNTIME_VERSION
import squeezebertmobile.core.SqueezeBertMobileError
import squeezebertmobile.core.firstLine
import java.io.File

/** The newest protocol version of docs/runner.md that this runner speaks; it speaks all from 1 on. */
const val PROTOCOL = 2L

/** The job or one of its commands is invalid. */
class JobError(message: String) : Exception(message)

/** The computer uses a protocol version that this runner does not speak. */
class ProtocolError(message: String) : Exception(message)

/** This machine's outputs differ from the golden outputs. */
class GoldenError(message: String) : Exception(message)

/** The error kinds listed in docs/runner.md; any other error is "internal". */
private val KINDS: Map<Class<out Throwable>, String> = mapOf(
    ProtocolError::class.java to "protocol",
    JobError::class.java to "job",
    ArtifactError::class.java to "artifact",
    InputError::class.java to "job",
    LibraryError::class.java to "library",
    ModelError::class.java to "model",
    GoldenError::class.java to "golden",
    OutOfMemoryError::class.java to "memory",
)

/** The error kind, as listed in docs/runner.md. */
fun kindOf(error: Throwable): String = KINDS[error.javaClass] ?: "internal"

/** The error message, in one line. */
fun messageOf(error: Throwable): String = when (kindOf(error)) {
    "memory" -> "the Java heap of ${Runtime.getRuntime().maxMemory() shr 20} MB is full"
    "internal" -> "${error.javaClass.name}: ${firstLine(error)}"
    else -> if (error is SqueezeBertMobileError) error.message.orEmpty() else firstLine(error)
}

/** The fields of the first event: protocol, runtime and machine. */
fun hello(): Map<String, Any?> = mapOf(
    "protocol" to PROTOCOL,
    "onnxruntime" to ONNX_RUNTIME_VERSION,
    "os" to System.getProperty("os.name"),
    "arch" to System.getProperty("os.arch"),
    "vm" to "${System.getProperty("java.vm.name")} ${System.getProperty("java.vm.version")}",
    "pid" to File("/proc/self").canonicalFile.name.toLongOrNull(),
)
