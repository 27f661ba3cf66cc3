package squeezebertmobile.runner

import squeezebertmobile.core.Artifact
import squeezebertmobile.core.Feed
import squeezebertmobile.core.LibraryError
import squeezebertmobile.core.PreparedRun
import squeezebertmobile.core.Session
import squeezebertmobile.core.Shape
import squeezebertmobile.core.WarmUpLimits
import squeezebertmobile.core.block
import squeezebertmobile.core.checkGolden
import squeezebertmobile.core.checkGoldenIds
import squeezebertmobile.core.firstLine
import squeezebertmobile.core.int
import squeezebertmobile.core.openSession
import squeezebertmobile.core.shown
import squeezebertmobile.core.tokenizerOf
import squeezebertmobile.core.warmUp
import java.io.File

/**
 * One artifact, loaded, checked, and measured command by command.
 *
 * One thread at a time may use it.
 */
class Runner(private val job: Job, private val lines: Lines) : AutoCloseable {
    private val context = Context()
    private var session: Session? = null
    private val prepared = HashMap<String, PreparedRun>()

    /** Does everything: the job's commands first, then those that come in line by line. */
    fun run(commands: Sequence<String>) {
        open()
        val all = job.commands.asSequence() + commands.filter { it.isNotBlank() }.map { commandOf(it) }
        val last = all.onEach { obey(it) }.firstOrNull { it["do"] == END }
        val why = if (last == null) "the input was closed" else "asked"
        lines.tell(END, mapOf("id" to last?.get("id"), "why" to why, "context" to context.read()))
    }

    /**
     * Reads, loads and checks the artifact; commands may follow.
     *
     * @return what the golden texts showed, by output; empty where the job wants them not asked.
     * @throws GoldenError this machine computes something else.
     */
    fun open(): Map<String, Any?> {
        loadLibraries(job.libraries)
        val artifact = read()
        val loaded = load(artifact)
        prepare(artifact, loaded)
        val outputs = if (job.golden) check(artifact, loaded) else emptyMap()
        lines.tell("ready")
        return outputs
    }

    override fun close() {
        prepared.values.forEach { it.close() }
        session?.close()
    }

    // Before anything is timed -----------------------------------------------------------------

    private fun read(): Artifact {
        val begin = System.nanoTime()
        val artifact = Artifact.open(job.artifact, job.checksums) { done, all ->
            lines.progress("checksums", done, all)
        }
        val manifest = artifact.manifest
        lines.tell(
            "artifact",
            mapOf(
                "task" to manifest.task,
                "format" to manifest.format,
                "precision" to manifest.precision,
                "weights" to manifest.weights,
                "source" to manifest.sourceName,
                "model_sha256" to manifest.files.getValue(manifest.modelFile).sha256,
                "read_ns" to System.nanoTime() - begin,
            ),
        )
        if (manifest.format != job.format) {
            throw JobError("the job wants ${job.format}, and the artifact's format is ${manifest.format}")
        }
        return artifact
    }

    private fun load(artifact: Artifact): Session {
        lines.progress("load", 0, 1)
        val before = context.read()
        val begin = System.nanoTime()
        val loaded = openSession(artifact, job.threads).also { session = it }
        val loadNs = System.nanoTime() - begin
        lines.tell("load", mapOf("load_ns" to loadNs, "before" to before, "after" to context.read()))
        return loaded
    }

    private fun prepare(artifact: Artifact, loaded: Session) {
        for ((name, rows) in job.inputs) {
            prepared[name] = loaded.prepare(Feed.of(artifact.manifest, rows))
        }
    }

    private fun check(artifact: Artifact, loaded: Session): Map<String, Any?> {
        val golden = artifact.golden()
        checkGoldenIds(tokenizerOf(artifact), golden)
        val checks = checkGolden(loaded, artifact.manifest, golden) { done, all ->
            lines.progress("golden", done.toLong(), all.toLong())
        }
        val outputs = checks.associate {
            it.output to mapOf(
                "max_abs_diff" to it.maxAbsDiff,
                "tolerance" to it.tolerance,
                "same_answers" to it.sameAnswers,
                "texts" to it.texts,
                "holds" to it.holds,
            )
        }
        lines.tell("golden", mapOf("outputs" to outputs))
        val wrong = checks.firstOrNull { !it.holds } ?: return outputs
        throw GoldenError(
            "this machine does not compute what the artifact computed where it was made: ${wrong.output} differs " +
                "by ${wrong.maxAbsDiff}, and ${wrong.tolerance} is allowed",
        )
    }

    // Commands ---------------------------------------------------------------------------------

    private fun commandOf(line: String): Map<String, Any?> {
        val command = parsed("the command ${shown(line)}") { line }
        checkShape("the command ${shown(line)}", command, Shape(::checkCommand))
        return command
    }

    /** Does what a command says, and tells it; its answer. */
    fun obey(command: Map<String, Any?>): Map<String, Any?> {
        val name = command["do"] as String
        val answer = when (name) {
            "warm_up" -> warmUp(command)
            "block" -> block(command)
            "probe" -> probe()
            "context" -> mapOf("context" to context.read())
            else -> return emptyMap() // end is told at the end
        }
        lines.tell(name, mapOf("id" to command["id"]) + answer)
        return answer
    }

    private fun warmUp(command: Map<String, Any?>): Map<String, Any?> {
        val limits = WarmUpLimits(command.int("most_runs"), nanoseconds(command["most_seconds"]))
        val found = warmUp(limits, System::nanoTime, inputOf(command)::run)
        return mapOf(
            "input" to command["input"],
            "samples_ns" to found.samplesNs,
            "stable" to found.stable,
            "context" to context.read(),
        )
    }

    private fun block(command: Map<String, Any?>): Map<String, Any?> {
        val input = inputOf(command)
        val before = context.read()
        val samples = block(
            command.int("lead_in"),
            command.int("samples"),
            nanoseconds(command["seconds"]),
            System::nanoTime,
            input::run,
        )
        return mapOf(
            "input" to command["input"],
            "samples_ns" to samples,
            "before" to before,
            "after" to context.read(),
        )
    }

    private fun inputOf(command: Map<String, Any?>): PreparedRun = prepared[command["input"]] ?: throw JobError(
        "the job has no input ${shown(command["input"])}; it has: ${prepared.keys.sorted().joinToString()}",
    )
}

private fun nanoseconds(seconds: Any?): Long = ((seconds as Number).toDouble() * SECOND_NS).toLong()

/**
 * Where ONNX Runtime finds its libraries.
 *
 * On a phone the folder must be on java.library.path as well; what the library there needs is not
 * looked for beside it, so it is loaded first.
 */
private fun loadLibraries(folder: File?) {
    if (folder == null) return
    if (!folder.isDirectory) throw LibraryError("no such folder of libraries: ${shown(folder.path)}")
    System.setProperty("onnxruntime.native.path", folder.path)
    val first = File(folder, "libonnxruntime.so")
    if (!first.isFile) return
    try {
        System.load(first.absolutePath)
    } catch (error: LinkageError) {
        throw LibraryError("${shown(first.path)} cannot be loaded: ${firstLine(error)}")
    }
}
