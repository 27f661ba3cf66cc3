@file:JvmName("ThroughFiles")

package squeezebertmobile.runner

import java.io.File
import java.io.PrintStream
import java.io.RandomAccessFile

/**
 * Does a job whose commands come, and whose lines go, through files: an app has no standard input.
 *
 * @param job the job file.
 * @param commands a file to which somebody else appends commands, a line each.
 * @param lines is written anew, a line at once.
 */
fun workThroughFiles(job: File, commands: File, lines: File) {
    lines.absoluteFile.parentFile?.mkdirs()
    PrintStream(lines.outputStream(), true).use { work(job, followed(commands), Lines(it)) }
}

/** What the app does, on a desktop: JOB COMMANDS LINES. */
fun main(args: Array<String>) {
    val (job, commands, lines) = args.map { File(it) }
    workThroughFiles(job, commands, lines)
}

private const val POLL_MS = 50L // between two looks; nothing is timed meanwhile
private const val PATIENCE_MS = 600_000L // then whoever gave the commands is gone

/** The complete lines of a file that grows; ends when it has not grown for [patienceMs]. */
internal fun followed(
    file: File,
    patienceMs: Long = PATIENCE_MS,
    sleep: (Long) -> Unit = Thread::sleep,
): Sequence<String> = sequence {
    var from = 0L
    var waited = 0L
    while (waited < patienceMs) {
        val found = grown(file, from)
        if (found.isEmpty()) {
            sleep(POLL_MS)
            waited += POLL_MS
        } else {
            from += found.size
            waited = 0
            yieldAll(found.toString(Charsets.UTF_8).trimEnd('\n').lineSequence())
        }
    }
}

/** What stands from [from] on, as far as the last line that is complete. */
private fun grown(file: File, from: Long): ByteArray {
    if (file.length() <= from) return ByteArray(0)
    val bytes = RandomAccessFile(file, "r").use {
        it.seek(from)
        ByteArray((it.length() - from).toInt()).also(it::readFully)
    }
    return bytes.copyOf(bytes.lastIndexOf('\n'.code.toByte()) + 1)
}
