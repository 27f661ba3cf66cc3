@file:JvmName("Main")

package squeezebertmobile.runner

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
    val commands = System.`in`.bufferedReader(Charsets.UTF_8)
    exitProcess(if (work(File(args[0]), commands.lineSequence(), lines)) DONE else FAILED)
}

private const val DONE = 0
private const val FAILED = 1
private const val USAGE = 2

/** Does a job to its end, and tells everything, an error too; whether it went well. */
internal fun work(job: File, commands: Sequence<String>, lines: Lines): Boolean = try {
    lines.tell("hello", hello())
    Runner(readJob(job), lines).use { it.run(commands) }
    true
} catch (@Suppress("TooGenericExceptionCaught") error: Throwable) { // whatever it is, it is told
    lines.tell("error", mapOf("kind" to kindOf(error), "message" to messageOf(error)))
    error.printStackTrace(PrintStream(System.err))
    false
}
