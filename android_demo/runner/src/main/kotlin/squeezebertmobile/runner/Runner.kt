package squeezebertmobile.runner

import squeezebertmobile.core.Artifact
import squeezebertmobile.core.Feed
import squeezebertmobile.core.LibraryError
import squeezebertmobile.core.Model
import squeezebertmobile.core.ONNX_RUNTIME_VERSION
import squeezebertmobile.core.PreparedRun
import squeezebertmobile.core.Session
import squeezebertmobile.core.Shape
import squeezebertmobile.core.WarmUpLimits
import squeezebertmobile.core.block
import squeezebertmobile.core.checkGolden
import squeezebertmobile.core.checkGoldenIds
import squeezebertmobile.core.firstLine
import squeezebertmobile.core.int
import squeezebertmobile.core.onnxRuntimeVersion
import squeezebertmobile.core.openPlain
import squeezebertmobile.core.openSession
import squeezebertmobile.core.profileOnnx
import squeezebertmobile.core.shown
import squeezebertmobile.core.tokenizerOf
import squeezebertmobile.core.warmUp
import java.io.File

/**
 * Loads, checks and measures one artifact, command by command.
 *
 * Not thread-safe: use it from one thread at a time.
 */
class Runner(private val job: Job, private val events: EventWriter) : AutoCloseable {
    private val context = Context()
    private var artifact: Artifact? = null
    private var opened: AutoCloseable? = null
    private val prepared = HashMap<String, PreparedRun>()
    private var model: Model? = null // with a tokenizer, if the job has texts

    /** Runs the whole job: first its own commands, then those received line by line. */
    fun run(commands: Sequence<String>) {
        open()
        val all = job.commands.asSequence() + commands.filter { it.isNotBlank() }.map { commandOf(it) }
        val last = all.onEach { execute(it) }.firstOrNull { it["do"] == END }
        val why = if (last == null) "the input was closed" else "asked"
        events.write(END, mapOf("id" to last?.get("id"), "why" to why, "context" to context.read()))
    }

    /**
     * Reads, loads and checks the artifact, which is then ready for commands.
     *
     * @return the comparison with the golden outputs, by output; empty if the job does not request it.
     * @throws GoldenError if this machine's outputs differ from the golden outputs.
     */
    fun open(): Map<String, Any?> {
        loadLibraries(job.libraries)
        val outputs = job.plain?.let { openPlain(it) } ?: openArtifact()
        events.write("ready")
        return outputs
    }

    private fun openArtifact(): Map<String, Any?> {
        val artifact = read().also { artifact = it }
        val loaded = load({ openSession(artifact, job.threads, job.accelerator, job.libraries) }, ::placementOf)
        prepare(artifact, loaded)
        return if (job.golden) check(artifact, loaded) else emptyMap()
    }

    /** Of another maker's model nothing but its file is checked. */
    private fun openPlain(plain: Plain): Map<String, Any?> {
        if (job.checksums && sha256Of(job.artifact) != plain.sha256) {
            throw JobError("the model file ${shown(job.artifact.path)} is not the one that the computer has sent")
        }
        events.write("artifact", mapOf("format" to job.format, "model_sha256" to plain.sha256))
        val loaded = load({ openPlain(job.artifact, job.format, job.threads) })
        for ((name, inputs) in plain.inputs) prepared[name] = loaded.prepare(inputs)
        return emptyMap()
    }

    override fun close() {
        prepared.values.forEach { it.close() }
        opened?.close()
    }

    // Before the measurements ------------------------------------------------------------------

    private fun read(): Artifact {
        val begin = System.nanoTime()
        val artifact = Artifact.open(job.artifact, job.checksums) { done, all ->
            events.progress("checksums", done, all)
        }
        val manifest = artifact.manifest
        events.write(
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
            throw JobError("the job requires ${job.format}, but the artifact's format is ${manifest.format}")
        }
        return artifact
    }

    private fun <T : AutoCloseable> load(open: () -> T, placement: (T) -> Map<String, Any?> = { emptyMap() }): T {
        events.progress("load", 0, 1)
        val before = context.read()
        val begin = System.nanoTime()
        if (job.format == "onnx") checkVersion(onnxRuntimeVersion())
        val loaded = open().also { opened = it }
        val loadNs = System.nanoTime() - begin
        val loadedEvent = mapOf("load_ns" to loadNs, "before" to before, "after" to context.read())
        events.write("load", loadedEvent + placement(loaded))
        return loaded
    }

    private fun prepare(artifact: Artifact, loaded: Session) {
        for ((name, rows) in job.inputs) {
            prepared[name] = loaded.prepare(Feed.of(artifact.manifest, rows))
        }
        if (job.texts.isNotEmpty()) model = Model(artifact.manifest, tokenizerOf(artifact), loaded)
    }

    private fun check(artifact: Artifact, loaded: Session): Map<String, Any?> {
        val golden = artifact.golden()
        checkGoldenIds(tokenizerOf(artifact), golden)
        val checks = checkGolden(loaded, artifact.manifest, golden) { done, all ->
            events.progress("golden", done.toLong(), all.toLong())
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
        events.write("golden", mapOf("outputs" to outputs))
        val wrong = checks.firstOrNull { !it.holds } ?: return outputs
        throw GoldenError(
            "this machine's outputs differ from the golden outputs: ${wrong.output} is off by " +
                "${wrong.maxAbsDiff}, more than the tolerance of ${wrong.tolerance}",
        )
    }

    // Commands ---------------------------------------------------------------------------------

    private fun commandOf(line: String): Map<String, Any?> {
        val command = parsed("the command ${shown(line)}") { line }
        checkShape("the command ${shown(line)}", command, Shape(::checkCommand))
        return command
    }

    /** Executes a command, writes its event, and returns the result. */
    fun execute(command: Map<String, Any?>): Map<String, Any?> {
        val name = command["do"] as String
        val result = when (name) {
            "warm_up" -> warmUp(command)
            "block" -> block(command)
            "first_answer" -> firstAnswer(command)
            "profile" -> profile(command)
            "probe" -> probe()
            "context" -> mapOf("context" to context.read())
            else -> return emptyMap() // run() writes the end event
        }
        events.write(name, mapOf("id" to command["id"]) + result)
        return result
    }

    private fun warmUp(command: Map<String, Any?>): Map<String, Any?> {
        val limits = WarmUpLimits(command.int("most_runs"), nanoseconds(command["most_seconds"]))
        val warmUp = warmUp(limits, System::nanoTime, runOf(command))
        return mapOf(
            "input" to command["input"],
            "samples_ns" to warmUp.samplesNs,
            "stable" to warmUp.stable,
            "context" to context.read(),
        )
    }

    private fun block(command: Map<String, Any?>): Map<String, Any?> {
        val run = runOf(command)
        val before = context.read()
        val samples = block(
            command.int("lead_in"),
            command.int("samples"),
            nanoseconds(command["seconds"]),
            System::nanoTime,
            run,
        )
        return mapOf(
            "input" to command["input"],
            "samples_ns" to samples,
            "before" to before,
            "after" to context.read(),
        )
    }

    /** Answers a text, and tells how long ago the process was started, without what readings have taken. */
    private fun firstAnswer(command: Map<String, Any?>): Map<String, Any?> {
        answerOf(command)()
        return mapOf("input" to command["input"], "since_start_ns" to processAgeNs()?.let { it - context.spentNs })
    }

    /** Runs under the profiler in a session of their own, which no timed run ever has. */
    private fun profile(command: Map<String, Any?>): Map<String, Any?> {
        val opened = artifact ?: throw JobError("only artifacts are profiled, not other makers' model files")
        val rows = job.inputs[command["input"]] ?: throw noInput(command)
        val runs = command.int("runs")
        val file = profileOnnx(opened, job.threads, Feed.of(opened.manifest, rows), runs, job.profile)
        return mapOf("input" to command["input"], "runs" to runs, "file" to file.path)
    }

    /** What a command measures: a run of the model on prepared ids, or a call from text to answer. */
    private fun runOf(command: Map<String, Any?>): () -> Unit =
        prepared[command["input"]]?.let { it::run } ?: answerOf(command)

    private fun answerOf(command: Map<String, Any?>): () -> Unit {
        val text = job.texts[command["input"]] ?: throw noInput(command)
        val opened = checkNotNull(model)
        return { answer(opened, text) }
    }

    private fun noInput(command: Map<String, Any?>): JobError {
        val names = prepared.keys + job.texts.keys
        return JobError("the job has no input ${shown(command["input"])}; it has: ${names.sorted().joinToString()}")
    }
}

private fun nanoseconds(seconds: Any?): Long = ((seconds as Number).toDouble() * SECOND_NS).toLong()

/** Of ONNX Runtime and LiteRT, what their JNI libraries depend on. */
private val DEPENDENCIES = listOf("libonnxruntime.so", "libLiteRt.so")

/**
 * Tells ONNX Runtime where to load its native libraries from.
 *
 * On a phone the folder must be on java.library.path too. The dependencies of a JNI library are not
 * searched for in its folder, so they are loaded first.
 */
private fun loadLibraries(folder: File?) {
    if (folder == null) return
    if (!folder.isDirectory) throw LibraryError("no such library folder: ${shown(folder.path)}")
    System.setProperty("onnxruntime.native.path", folder.path)
    DEPENDENCIES.map { File(folder, it) }.filter { it.isFile }.forEach { loadLibrary(it) }
}

private fun loadLibrary(first: File) {
    try {
        System.load(first.absolutePath)
    } catch (error: LinkageError) {
        throw LibraryError("${shown(first.path)} cannot be loaded: ${firstLine(error)}")
    }
}

/** ONNX Runtime's Java classes are part of the runner; the names of the native functions that they call change. */
internal fun checkVersion(native: String) {
    if (native == ONNX_RUNTIME_VERSION) return
    throw LibraryError(
        "the native library is ONNX Runtime $native, but the runner was built with the Java classes of " +
            "$ONNX_RUNTIME_VERSION; use the library of that version",
    )
}
