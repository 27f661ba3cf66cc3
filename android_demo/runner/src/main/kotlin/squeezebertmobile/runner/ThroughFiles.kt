@file:JvmName("ThroughFiles")

package squeezebertmobile.runner

import java.io.File
import java.io.PrintStream
import java.io.RandomAccessFile

/**
 * Runs a job that exchanges commands and events through files, as an app has no standard input.
 *
 * @param job the job file.
 * @param commands a file to which the computer appends commands, one per line.
 * @param lines the file for the events, one per line; an existing file is overwritten.
 */
fun runThroughFiles(job: File, commands: File, lines: File) {
    lines.absoluteFile.parentFile?.mkdirs()
    PrintStream(lines.outputStream(), true).use { runJob(job, followed(commands), EventWriter(it)) }
}

/** Runs on a desktop what the app runs on a phone. Arguments: JOB COMMANDS LINES. */
fun main(args: Array<String>) {
    val (job, commands, lines) = args.map { File(it) }
    runThroughFiles(job, commands, lines)
}

private const val POLL_MS = 50L // poll interval; nothing is timed while waiting
private const val TIMEOUT_MS = 600_000L // without a command for this long, the computer is assumed to be gone

/** The complete lines of a growing file; ends when it has not grown for [timeoutMs]. */
internal fun followed(
    file: File,
    timeoutMs: Long = TIMEOUT_MS,
    sleep: (Long) -> Unit = Thread::sleep,
): Sequence<String> = sequence {
    var from = 0L
    var waited = 0L
    while (waited < timeoutMs) {
        val added = completeLines(file, from)
        if (added.isEmpty()) {
            sleep(POLL_MS)
            waited += POLL_MS
        } else {
            from += added.size
            waited = 0
            yieldAll(added.toString(Charsets.UTF_8).trimEnd('\n').lineSequence())
        }
    }
}

/** The bytes from [from] to the end of the last complete line. */
private fun completeLines(file: File, from: Long): ByteArray {
    if (file.length() <= from) return ByteArray(0)
    val bytes = RandomAccessFile(file, "r").use {
        it.seek(from)
        ByteArray((it.length() - from).toInt()).also(it::readFully)
    }
    return bytes.copyOf(bytes.lastIndexOf('\n'.code.toByte()) + 1)
}
