package squeezebertmobile.core

/** A loaded model. One thread at a time may use it. */
interface Session : AutoCloseable {
    /**
     * The model's outputs.
     *
     * @throws InputError the feed is not what the model takes.
     * @throws ModelError the runtime cannot run it.
     */
    fun run(feed: Feed): Map<String, FloatTensor>

    /** Inputs made ready, so that a call that is timed is the inference and nothing else. */
    fun prepare(feed: Feed): PreparedRun

    /** Frees the model. */
    override fun close()
}

/** One inference that can be repeated. */
interface PreparedRun : AutoCloseable {
    /**
     * Computes, and reads no output; what the runtime allocated is freed by the next call.
     *
     * @throws ModelError the runtime cannot run it.
     */
    fun run()

    /** Frees the inputs. */
    override fun close()
}

/** The most threads that a session can be asked for. */
const val MOST_THREADS = 64

/**
 * Loads the model of an artifact.
 *
 * @param threads how many threads one inference may use.
 * @throws InputError there can be no such number of threads.
 * @throws ArtifactError a TorchScript artifact, which no phone runs; or the model file has other
 *     inputs and outputs than the manifest.
 * @throws ModelError the runtime cannot load the model.
 * @throws LibraryError the runtime itself is not there.
 */
fun openSession(artifact: Artifact, threads: Int): Session {
    if (threads !in 1..MOST_THREADS) throw InputError("threads=$threads must be from 1 to $MOST_THREADS")
    return when (val format = artifact.manifest.format) {
        "onnx" -> OnnxSession.open(artifact, threads)
        "executorch" -> ExecuTorchSession.open(artifact, threads)
        else -> throw ArtifactError(
            "a phone cannot run $format: PyTorch Mobile is no longer maintained; " +
                "export the checkpoint with --format onnx or --format executorch",
        )
    }
}

/** What [open] gives; a library that is missing, or of another version, is named. */
internal fun <T> withLibrary(name: String, open: () -> T): T = try {
    open()
} catch (error: LinkageError) { // UnsatisfiedLinkError, NoClassDefFoundError and their kin
    val reason = generateSequence<Throwable>(error) { it.cause }.last()
    throw LibraryError("$name's Java classes or native library cannot be loaded: ${firstLine(reason)}")
}
