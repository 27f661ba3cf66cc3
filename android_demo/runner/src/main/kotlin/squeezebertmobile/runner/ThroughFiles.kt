@file:JvmName("ThroughFiles")

package squeezebertmobile.runner

import squeezebertmobile.core.firstLine
import java.io.File
import java.io.IOException
import java.io.PrintStream
import kotlin.system.exitProcess

/**
 * Runs a job that exchanges commands and events through files, as an app has no standard input.
 *
 * @param job the job file.
 * @param commands a file to which the computer appends commands, one per line.
 * @param lines the file for the events, one per line; an existing file is overwritten.
 */
fun runThroughFiles(job: File, commands: File, lines: File) {
    lines.absoluteFile.parentFile?.mkdirs()
    val out = try {
        PrintStream(lines.outputStream(), true)
    } catch (error: IOException) {
        System.err.println("the events cannot be written: ${firstLine(error)}") // there is nowhere else to say it
        return
    }
    out.use { runJob(job, followed(commands), EventWriter(it)) }
}

/** Runs on a desktop what the app runs on a phone. Arguments: JOB COMMANDS LINES. */
fun main(args: Array<String>) {
    if (args.size != FILES) {
        System.err.println("usage: squeezebertmobile.runner.ThroughFiles JOB COMMANDS LINES")
        exitProcess(USAGE)
    }
    val (job, commands, lines) = args.map { File(it) }
    runThroughFiles(job, commands, lines)
}

private const val FILES = 3
