package squeezebertmobile.runner

import squeezebertmobile.core.Json
import java.io.PrintStream

/** Sends events to the computer: one JSON object per line, in ASCII, flushed immediately. */
class EventWriter(private val out: PrintStream, private val clock: () -> Long = System::nanoTime) {
    private var lastStage: String? = null
    private var lastProgress = 0L

    /** Writes an event. */
    fun write(event: String, fields: Map<String, Any?> = emptyMap()) {
        out.print(Json.write(mapOf("event" to event) + fields) + "\n")
        out.flush()
    }

    /** Writes the progress of a stage: at its start and end, and at most once per second in between. */
    fun progress(stage: String, done: Long, of: Long) {
        val now = clock()
        if (done < of && stage == lastStage && now - lastProgress < SECOND_NS) return
        lastStage = stage
        lastProgress = now
        write("progress", mapOf("stage" to stage, "done" to done, "of" to of))
    }
}

internal const val SECOND_NS = 1_000_000_000L
