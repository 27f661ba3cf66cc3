@file:JvmName("Main")

package squeezebertmobile.runner

import java.io.BufferedReader
import java.io.File
import java.io.PrintStream
import kotlin.system.exitProcess

/**
 * Measures one artifact on this machine, as docs/runner.md says.
 *
 * @param args the path of the job file.
 */
fun main(args: Array<String>) {
    val lines = Lines(System.out)
    System.setOut(System.err) // what a library prints is none of our lines
    if (args.size != 1) {
        System.err.println("usage: squeezebertmobile.runner.Main JOB.json")
        exitProcess(USAGE)
    }
    exitProcess(work(File(args[0]), System.`in`.bufferedReader(Charsets.UTF_8), lines))
}

private const val DONE = 0
private const val FAILED = 1
private const val USAGE = 2

private fun work(job: File, commands: BufferedReader, lines: Lines): Int = try {
    lines.tell("hello", hello())
    Runner(readJob(job), lines).use { it.run(commands) }
    DONE
} catch (@Suppress("TooGenericExceptionCaught") error: Throwable) { // whatever it is, it is told
    lines.tell("error", mapOf("kind" to kindOf(error), "message" to messageOf(error)))
    error.printStackTrace(PrintStream(System.err))
    FAILED
}
