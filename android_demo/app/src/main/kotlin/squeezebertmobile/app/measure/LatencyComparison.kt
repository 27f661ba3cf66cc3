package squeezebertmobile.app.measure

import squeezebertmobile.app.data.Entry
import squeezebertmobile.core.Json
import squeezebertmobile.core.Tokenizer
import squeezebertmobile.core.asRecord
import squeezebertmobile.core.int
import squeezebertmobile.core.row
import squeezebertmobile.core.tokenizerOf
import squeezebertmobile.runner.EventWriter
import squeezebertmobile.runner.Job
import squeezebertmobile.runner.Runner
import squeezebertmobile.runner.Text
import squeezebertmobile.runner.hello
import java.io.ByteArrayOutputStream
import java.io.File
import java.io.PrintStream

/**
 * Load time and latency samples of one artifact, in nanoseconds.
 *
 * @param samples runs of the model alone.
 * @param answers calls from text to answer.
 * @param goldenTexts number of golden texts checked.
 */
class Latencies(
    val entry: Entry,
    val loadNs: Long,
    val samples: LongArray,
    val answers: LongArray,
    val goldenTexts: Int,
)

/**
 * The result of a measurement.
 *
 * @param all the requested artifact first, then its baseline.
 * @param json all events, as described in docs/runner.md, for processing on a computer.
 */
class Measurement(val all: List<Latencies>, val sequenceLength: Int, val threads: Int, val json: String)

/** Progress: the current step, and the share of the measurement that is done. */
class Progress(val step: Step, val share: Double)

/** The steps of a measurement. */
enum class Step { LOADING, WARMING_UP, MEASURING }

/**
 * Compares the latency of artifacts, with the same runner as over adb. Their blocks alternate, so that
 * a phone that heats up and slows down affects all of them equally.
 *
 * @param thermal returns the phone's current thermal status, 0 to 6, or null if Android has none.
 */
class LatencyComparison(
    private val entries: List<Entry>,
    private val threads: Int,
    private val thermal: () -> Int?,
    private val progress: (Progress) -> Unit,
) {
    private class Contender(val entry: Entry, val text: ByteArrayOutputStream, val runner: Runner) {
        /** By input: the model alone, and from text to answer. */
        val samples = INPUTS.associateWith { ArrayList<LongArray>() }

        fun all(input: String): LongArray = samples.getValue(input).flatMap { it.asIterable() }.toLongArray()
    }

    private val length = (listOf(LENGTH) + entries.map { it.manifest.maxLength }).min()

    /**
     * Runs the measurement; returns null if [isWanted] became false.
     *
     * @throws Exception if a runner fails; all runners are closed in any case.
     */
    fun run(isWanted: () -> Boolean): Measurement? {
        val open = ArrayList<Contender>()
        try {
            for (entry in entries) {
                progress(Progress(Step.LOADING, 0.0))
                open.add(contender(entry).also { it.runner.open() })
            }
            for ((number, input) in INPUTS.withIndex()) {
                if (!measure(open, input, number, isWanted)) return null
            }
            return Measurement(open.map(::latencies), length, threads, Json.write(report(open)))
        } finally {
            open.forEach { it.runner.close() }
        }
    }

    /** Measures the blocks of an input, number [number] of them; returns false if [isWanted] became false. */
    private fun measure(open: List<Contender>, input: String, number: Int, isWanted: () -> Boolean): Boolean {
        for (contender in open) {
            progress(Progress(Step.WARMING_UP, 0.0))
            contender.runner.execute(mapOf("do" to "warm_up", "id" to null, "input" to input) + WARM_UP)
        }
        for (block in 0 until BLOCKS) {
            // ABBA order: the second one finds a warmer phone, so each is second half of the time.
            for (contender in if (block % 2 == 0) open else open.reversed()) {
                if (!isWanted()) return false
                val result = contender.runner.execute(mapOf("do" to "block", "id" to null, "input" to input) + BLOCK)
                contender.samples.getValue(input).add(result["samples_ns"] as LongArray)
            }
            progress(Progress(Step.MEASURING, (number + (block + 1.0) / BLOCKS) / INPUTS.size))
        }
        return true
    }

    private fun contender(entry: Entry): Contender {
        val text = ByteArrayOutputStream()
        val events = EventWriter(PrintStream(text, true))
        events.write("hello", hello())
        return Contender(entry, text, Runner(job(entry), events))
    }

    private fun job(entry: Entry): Job {
        val tokenizer = tokenizerOf(entry.artifact)
        val ids = tokenizer.row(FILLER.repeat(length), maxLength = length).ids()
        val row = LongArray(length) { ids[it].toLong() }
        val rows = List(if (entry.manifest.hasChoices) CHOICES else 1) { row }
        return Job(
            artifact = entry.artifact.folder,
            format = entry.manifest.format,
            threads = threads,
            libraries = null,
            checksums = true,
            golden = true,
            inputs = mapOf(IDS to rows),
            commands = emptyList(),
            profile = File(entry.artifact.folder, "profile"), // never asked for
            texts = mapOf(TEXT to textOf(entry.manifest.task, tokenizer, length)),
        )
    }

    private fun latencies(contender: Contender): Latencies {
        fun event(name: String) = events(contender).first { it["event"] == name }
        val golden = event("golden")["outputs"].asRecord().values.first().asRecord()
        val loadNs = event("load")["load_ns"] as Long
        return Latencies(contender.entry, loadNs, contender.all(IDS), contender.all(TEXT), golden.int("texts"))
    }

    private fun report(open: List<Contender>): Map<String, Any?> = mapOf(
        "target" to "app",
        "sequence_length" to length,
        "threads" to threads,
        "thermal_status" to thermal(),
        "contenders" to open.map { mapOf("name" to it.entry.name, "events" to events(it)) },
    )

    private fun events(contender: Contender): List<Map<String, Any?>> =
        contender.text.toString("US-ASCII").lines().filter { it.isNotEmpty() }.map { Json.parse(it).asRecord() }
}

/** A text of [length] tokens for a task, or the next shorter one. */
internal fun textOf(task: String, tokenizer: Tokenizer, length: Int): Text {
    val start = if (task == "fill-mask") "${tokenizer.maskToken} " else ""
    val second = mapOf("question-answering" to QUESTION, "multiple-choice" to CHOICE)[task]
    fun size(text: String) = tokenizer.row(text, second, Int.MAX_VALUE).size
    val words = FILLER.trim().split(' ').let { words -> List(length) { words[it % words.size] } }
    val texts = words.indices.map { start + words.take(it + 1).joinToString(" ") }
    val text = texts.takeWhile { size(it) <= length }.lastOrNull() ?: texts[0]
    return when (task) {
        "question-answering" -> Text(text, question = QUESTION)
        "multiple-choice" -> Text(text, choices = List(CHOICES) { CHOICE })
        else -> Text(text)
    }
}

private const val IDS = "ids"
private const val TEXT = "text"
private val INPUTS = listOf(IDS, TEXT)
private const val QUESTION = "What is it about?"
private const val CHOICE = "a"
internal const val LENGTH = 128 // tokens, as in the published figures
internal const val CHOICES = 2
private const val BLOCKS = 6
private const val FILLER = "it was a bright cold day in april . "
private val WARM_UP = mapOf("most_runs" to 50L, "most_seconds" to 5.0)
private val BLOCK = mapOf("lead_in" to 2L, "samples" to 10L, "seconds" to 0.5)
