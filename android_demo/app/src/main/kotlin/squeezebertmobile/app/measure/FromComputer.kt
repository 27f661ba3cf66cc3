package squeezebertmobile.app.measure

import android.content.Intent
import squeezebertmobile.runner.workThroughFiles
import java.io.File

/**
 * A job that `bench --target app` has pushed.
 *
 * @param job the job, in a folder that apps may read.
 * @param commands the file to which the computer appends commands.
 * @param lines the file in this app's own storage that the computer reads by run-as.
 */
internal class ComputerJob(private val job: File, private val commands: File, private val lines: File) {
    /** Does it; what is wrong is told in its lines. */
    fun work() = workThroughFiles(job, commands, lines)
}

/** The job of an intent from adb, or null; only adb can send one: see the manifest. */
internal fun jobOf(intent: Intent, files: File): ComputerJob? {
    val job = intent.getStringExtra("job") ?: return null
    val commands = intent.getStringExtra("commands") ?: return null
    val name = intent.getStringExtra("lines")?.takeIf { NAME.matches(it) } ?: return null
    return ComputerJob(File(job), File(commands), File(files, "measure/$name.jsonl"))
}

private val NAME = Regex("[A-Za-z0-9][A-Za-z0-9._-]{0,63}") // a file name, and no path
