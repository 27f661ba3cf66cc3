@file:JvmName("Main")

package squeezebertmobile.runner

import java.io.File
import java.io.PrintStream
import kotlin.system.exitProcess

/**
 * Measures one artifact on this machine, as described in docs/runner.md.
 *
 * @param args the path of the job file.
 */
fun main(args: Array<String>) {
    val events = EventWriter(System.out)
    System.setOut(System.err) // standard output is for events; libraries may print
    if (args.size != 1) {
        System.err.println("usage: squeezebertmobile.runner.Main JOB.json")
        exitProcess(USAGE)
    }
    val commands = linesOf(System.`in`.buffered())
    exitProcess(if (runJob(File(args[0]), commands, events)) DONE else FAILED)
}

private const val DONE = 0
private const val FAILED = 1
internal const val USAGE = 2

/** Runs a job to its end and writes all its events, errors included. Returns whether it succeeded. */
internal fun runJob(job: File, commands: Sequence<String>, events: EventWriter): Boolean = try {
    events.write("hello", hello())
    Runner(readJob(job), events).use { it.run(commands) }
    true
} catch (@Suppress("TooGenericExceptionCaught") error: Throwable) { // every failure becomes an error event
    events.write("error", mapOf("kind" to kindOf(error), "message" to messageOf(error)))
    error.printStackTrace(PrintStream(System.err))
    false
}
