package squeezebertmobile.runner

import squeezebertmobile.core.Json
import java.io.PrintStream

/** What is told to the computer: a JSON object a line, in ASCII, sent at once. */
class Lines(private val out: PrintStream, private val clock: () -> Long = System::nanoTime) {
    private var lastStage: String? = null
    private var lastProgress = 0L

    /** Tells that something happened. */
    fun tell(event: String, fields: Map<String, Any?> = emptyMap()) {
        out.print(Json.write(mapOf("event" to event) + fields) + "\n")
        out.flush()
    }

    /** Tells how far a stage has come: when it begins and ends, and at most once a second on the way. */
    fun progress(stage: String, done: Long, of: Long) {
        val now = clock()
        if (done < of && stage == lastStage && now - lastProgress < SECOND_NS) return
        lastStage = stage
        lastProgress = now
        tell("progress", mapOf("stage" to stage, "done" to done, "of" to of))
    }
}

internal const val SECOND_NS = 1_000_000_000L
