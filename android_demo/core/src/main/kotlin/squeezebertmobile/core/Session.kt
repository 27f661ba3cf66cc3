package squeezebertmobile.core

import java.io.File

/** What LiteRT can run a model on; the other formats run on the CPU. */
enum class Accelerator { CPU, GPU, NPU }

/**
 * Where a model runs for which an accelerator was asked.
 *
 * @property accelerator the accelerator that was asked for.
 * @property available the accelerators that LiteRT found, in lower case.
 * @property reason why LiteRT did not compile the whole model for it, so that the CPU runs the rest or all
 *     of it; null if it did.
 */
class Placement(val accelerator: Accelerator, val available: List<String>, val reason: String?)

/** A loaded model. Not thread-safe: use it from one thread at a time. */
interface Session : AutoCloseable {
    /** Where the model runs; null if no accelerator was asked for. */
    val placement: Placement? get() = null

    /**
     * Runs the model and returns its outputs by name.
     *
     * @throws InputError if the feed does not match the model's inputs.
     * @throws ModelError if the runtime cannot run the model.
     */
    fun run(feed: Feed): Map<String, FloatTensor>

    /** Creates the input tensors in advance, so that a timed call contains the inference alone. */
    fun prepare(feed: Feed): PreparedRun

    /** Frees the model. */
    override fun close()
}

/** One inference that can be repeated. */
interface PreparedRun : AutoCloseable {
    /**
     * Runs the inference without reading its outputs, whose memory is freed by the next call.
     *
     * @throws ModelError if the runtime cannot run the model.
     */
    fun run()

    /** Frees the inputs. */
    override fun close()
}

/** The maximum number of threads of a session. */
const val MAX_THREADS = 64

/**
 * Loads the model of an artifact.
 *
 * @param threads number of threads for one inference.
 * @param accelerator for a LiteRT artifact, what is to run the model; what it cannot run, the CPU does.
 * @param libraries the folder of a neural processor's libraries, if there is one.
 * @throws InputError if the number of threads is out of range, or the format has no accelerators.
 * @throws ArtifactError if the format cannot run on a phone (TorchScript), or the inputs and outputs of
 *     the model file differ from the manifest's.
 * @throws ModelError if the runtime cannot load the model.
 * @throws LibraryError if the runtime's library is missing.
 */
fun openSession(
    artifact: Artifact,
    threads: Int,
    accelerator: Accelerator = Accelerator.CPU,
    libraries: File? = null,
): Session {
    if (threads !in 1..MAX_THREADS) throw InputError("threads=$threads must be from 1 to $MAX_THREADS")
    val format = artifact.manifest.format
    if (accelerator != Accelerator.CPU && format != "litert") {
        throw InputError(
            "an $format artifact runs on the CPU only; for the ${accelerator.name} export the checkpoint with " +
                "--format litert",
        )
    }
    return when (format) {
        "onnx" -> OnnxSession.open(artifact, threads)
        "executorch" -> ExecuTorchSession.open(artifact, threads)
        "litert" -> LiteRtSession.open(artifact, threads, accelerator, libraries)
        else -> throw ArtifactError(
            "a phone cannot run $format: PyTorch Mobile is no longer maintained; " +
                "export the checkpoint with --format onnx or --format executorch",
        )
    }
}

/** Calls [open]; a missing or incompatible library becomes a [LibraryError] that names it. */
internal fun <T> withLibrary(name: String, open: () -> T): T = try {
    open()
} catch (error: LinkageError) { // UnsatisfiedLinkError, NoClassDefFoundError and similar
    val reason = generateSequence<Throwable>(error) { it.cause }.last()
    throw LibraryError("$name's Java classes or native library cannot be loaded: ${firstLine(reason)}")
}
