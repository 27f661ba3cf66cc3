package squeezebertmobile.runner

import java.io.File
import java.io.IOException
import java.io.InputStream
import java.io.RandomAccessFile

/** The maximum length of a command in bytes; the longest valid one has about two hundred. */
internal const val MAX_LINE_BYTES = 1 shl 16

private const val POLL_MS = 50L // poll interval; nothing is timed while waiting
private const val TIMEOUT_MS = 600_000L // without a command for this long, the computer is assumed to be gone

/**
 * The lines of a stream, as they arrive.
 *
 * @throws JobError if a line has more than [MAX_LINE_BYTES] bytes.
 */
internal fun linesOf(stream: InputStream): Sequence<String> = sequence {
    val line = ByteArray(MAX_LINE_BYTES)
    var size = 0
    while (true) {
        val byte = stream.read()
        if (byte >= 0 && byte != NEWLINE.toInt()) {
            if (size == line.size) throw tooLong()
            line[size++] = byte.toByte()
            continue
        }
        if (byte >= 0 || size > 0) yield(String(line, 0, size, Charsets.UTF_8))
        if (byte < 0) return@sequence
        size = 0
    }
}

/**
 * The complete lines of a growing file; ends when it has not grown for [timeoutMs].
 *
 * @throws JobError if the file cannot be read, or a line has more than [MAX_LINE_BYTES] bytes.
 */
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

/** The next bytes from [from] to the end of a complete line. */
private fun completeLines(file: File, from: Long): ByteArray {
    val size = minOf(file.length() - from, MAX_LINE_BYTES + 1L).toInt()
    if (size <= 0) return ByteArray(0)
    val bytes = try {
        RandomAccessFile(file, "r").use {
            it.seek(from)
            ByteArray(size).also(it::readFully)
        }
    } catch (error: IOException) {
        throw JobError("the commands cannot be read: ${error.message}")
    }
    val complete = bytes.lastIndexOf(NEWLINE) + 1
    if (complete == 0 && size > MAX_LINE_BYTES) throw tooLong()
    return bytes.copyOf(complete)
}

private const val NEWLINE = '\n'.code.toByte()

private fun tooLong() = JobError("a command has more than $MAX_LINE_BYTES bytes; send each as one line of JSON")
