package squeezebertmobile.app.measure

import android.content.Intent
import squeezebertmobile.runner.runThroughFiles
import java.io.File

/**
 * A job pushed by `bench --target app`.
 *
 * @param job the job file, in a folder that apps may read.
 * @param commands the file to which the computer appends commands.
 * @param lines the file for events, in the app's own storage, which the computer reads with run-as.
 */
internal class ComputerJob(private val job: File, private val commands: File, private val lines: File) {
    /** Runs the job; errors are written as events. */
    fun run() = runThroughFiles(job, commands, lines)
}

/** The job of an intent, or null. Only adb can send one: see AndroidManifest.xml. */
internal fun jobOf(intent: Intent, files: File): ComputerJob? {
    val job = intent.getStringExtra("job") ?: return null
    val commands = intent.getStringExtra("commands") ?: return null
    val name = intent.getStringExtra("lines")?.takeIf { NAME.matches(it) } ?: return null
    return ComputerJob(File(job), File(commands), File(files, "measure/$name.jsonl"))
}

private val NAME = Regex("[A-Za-z0-9][A-Za-z0-9._-]{0,63}") // a file name, not a path
