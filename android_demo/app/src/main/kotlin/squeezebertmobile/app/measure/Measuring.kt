package squeezebertmobile.app.measure

import squeezebertmobile.app.data.Entry
import squeezebertmobile.core.Json
import squeezebertmobile.core.asRecord
import squeezebertmobile.core.int
import squeezebertmobile.core.row
import squeezebertmobile.core.tokenizerOf
import squeezebertmobile.runner.Job
import squeezebertmobile.runner.Lines
import squeezebertmobile.runner.Runner
import squeezebertmobile.runner.hello
import java.io.ByteArrayOutputStream
import java.io.PrintStream

/** What was measured of one artifact, in nanoseconds, after it had answered its golden texts rightly. */
class Measured(val entry: Entry, val loadNs: Long, val samples: LongArray, val goldenTexts: Int)

/**
 * What a measurement has come to.
 *
 * @param all the artifact that was asked for first, then the one beside it.
 * @param json all events in the words of docs/runner.md, for a computer to read.
 */
class Measurement(val all: List<Measured>, val sequenceLength: Int, val threads: Int, val json: String)

/** How far it is: what is being done, and which share of everything is done. */
class Progress(val step: Step, val share: Double)

/** What takes time. */
enum class Step { LOADING, WARMING_UP, MEASURING }

/**
 * Measures artifacts against each other, with the same runner as over adb: in turns, so that a phone
 * that gets warm and slow is so for all of them.
 *
 * @param thermal tells the phone's thermal status now, 0 to 6, or null where Android does not say.
 */
class Measuring(
    private val entries: List<Entry>,
    private val threads: Int,
    private val thermal: () -> Int?,
    private val progress: (Progress) -> Unit,
) {
    private class Contender(val entry: Entry, val text: ByteArrayOutputStream, val runner: Runner) {
        val samples = ArrayList<LongArray>()
    }

    private val length = (listOf(LENGTH) + entries.map { it.manifest.maxLength }).min()

    /** @throws Exception what one of the runners throws; nothing stays open. */
    fun run(isWanted: () -> Boolean): Measurement? {
        val open = ArrayList<Contender>()
        try {
            for (entry in entries) {
                progress(Progress(Step.LOADING, 0.0))
                open.add(contender(entry).also { it.runner.open() })
            }
            for (each in open) {
                progress(Progress(Step.WARMING_UP, 0.0))
                each.runner.obey(mapOf("do" to "warm_up", "id" to null, "input" to INPUT) + WARM_UP)
            }
            for (block in 0 until BLOCKS) {
                // A B, then B A: who comes second finds a warmer phone, and each does so half of the time.
                for (each in if (block % 2 == 0) open else open.reversed()) {
                    if (!isWanted()) return null
                    val answer = each.runner.obey(mapOf("do" to "block", "id" to null, "input" to INPUT) + BLOCK)
                    each.samples.add(answer["samples_ns"] as LongArray)
                }
                progress(Progress(Step.MEASURING, (block + 1.0) / BLOCKS))
            }
            return Measurement(open.map(::measured), length, threads, Json.write(report(open)))
        } finally {
            open.forEach { it.runner.close() }
        }
    }

    private fun contender(entry: Entry): Contender {
        val text = ByteArrayOutputStream()
        val lines = Lines(PrintStream(text, true))
        lines.tell("hello", hello())
        return Contender(entry, text, Runner(job(entry), lines))
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
            inputs = mapOf(INPUT to rows),
            commands = emptyList(),
        )
    }

    private fun measured(contender: Contender): Measured {
        fun event(name: String) = events(contender).first { it["event"] == name }
        val samples = contender.samples.flatMap { it.asIterable() }.toLongArray()
        val golden = event("golden")["outputs"].asRecord().values.first().asRecord()
        return Measured(contender.entry, event("load")["load_ns"] as Long, samples, golden.int("texts"))
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

private const val INPUT = "text"
private const val LENGTH = 128 // tokens, as in the published figures
private const val CHOICES = 2
private const val BLOCKS = 6
private const val FILLER = "it was a bright cold day in april . "
private val WARM_UP = mapOf("most_runs" to 50L, "most_seconds" to 5.0)
private val BLOCK = mapOf("lead_in" to 2L, "samples" to 10L, "seconds" to 0.5)
