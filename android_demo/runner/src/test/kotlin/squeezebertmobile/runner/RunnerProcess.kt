package squeezebertmobile.runner

import squeezebertmobile.core.Json
import squeezebertmobile.core.asRecord
import java.io.File
import java.util.concurrent.TimeUnit

/** The demo's artifact, from the app's assets. */
internal val DEMO =
    File(checkNotNull(System.getProperty("repository")), "android_demo/app/src/main/assets/artifacts/demo-intents")

/** For a program that ends soon: compiling its code well takes longer than running it. */
private val SHORT = listOf("-Xshare:auto", "-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC")

/** The events, exit status and standard error of a runner. */
internal class RunnerOutput(val lines: List<Map<String, Any?>>, val exit: Int, val stderr: String) {
    val events: List<Any?> get() = lines.map { it["event"] }

    fun only(event: String): Map<String, Any?> = lines.single { it["event"] == event }

    /** The error's kind and message. */
    val error: Pair<Any?, Any?> get() = lines.last().let { it["kind"] to it["message"] }
}

/** Starts the runner in its own JVM. */
internal class RunnerProcess(
    private val folder: File,
    private val classPath: String = System.getProperty("java.class.path"),
    private val options: List<String> = emptyList(),
) {
    /** A valid job with [changes]. */
    fun job(vararg changes: Pair<String, Any?>): Map<String, Any?> = mapOf(
        "protocol" to 1,
        "artifact" to DEMO.path,
        "format" to "onnx",
        "threads" to 1,
        "libraries" to null,
        "checksums" to true,
        "golden" to true,
        "inputs" to mapOf("16" to listOf((5L..20L).toList())),
        "commands" to listOf(mapOf("do" to "end", "id" to "last")),
    ) + changes

    fun start(job: Map<String, Any?>): Process {
        val path = File(folder, "job.json").also { it.writeText(Json.write(job)) }
        return start(path.path)
    }

    fun start(vararg arguments: String): Process {
        val java = File(System.getProperty("java.home"), "bin/java").path
        val command = listOf(java) + SHORT + listOf("-cp", classPath) + options + "squeezebertmobile.runner.Main" + arguments
        return ProcessBuilder(command).redirectError(File(folder, "stderr.txt")).start()
    }

    /** Runs a job to its end; [input] is what the computer sends. */
    fun run(job: Map<String, Any?>, input: String = ""): RunnerOutput = finish(start(job), input)

    fun finish(process: Process, input: String = ""): RunnerOutput {
        process.outputStream.bufferedWriter().use { it.write(input) }
        val lines = process.inputStream.bufferedReader(Charsets.US_ASCII).readLines()
        check(process.waitFor(60, TimeUnit.SECONDS)) { "the runner does not end" }
        val events = lines.map { Json.parse(it).asRecord() }
        return RunnerOutput(events, process.exitValue(), File(folder, "stderr.txt").readText())
    }
}
