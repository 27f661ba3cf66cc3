package squeezebertmobile.core

import java.io.File

/**
 * Loads an ONNX model once more with ONNX Runtime's profiler, and runs it.
 *
 * @param threads number of threads for one inference.
 * @param runs how often to run it on [feed].
 * @param prefix of the path of the profile; ONNX Runtime adds the time and `.json`.
 * @return the profile: a JSON list of events in the format of Chrome's traces.
 * @throws ArtifactError if the artifact has another format, or does not fit its manifest.
 * @throws ModelError if ONNX Runtime cannot load or run the model.
 * @throws LibraryError if its library is missing.
 */
fun profileOnnx(artifact: Artifact, threads: Int, feed: Feed, runs: Int, prefix: File): File {
    val format = artifact.manifest.format
    if (format != "onnx") throw ArtifactError("only ONNX Runtime has a profiler here, and the format is $format")
    OnnxSession.open(artifact, threads, prefix).use { session ->
        session.prepare(feed).use { prepared -> repeat(runs) { prepared.run() } }
        return session.endProfiling()
    }
}
