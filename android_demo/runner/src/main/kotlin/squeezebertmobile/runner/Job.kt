package squeezebertmobile.runner

import squeezebertmobile.core.Json
import squeezebertmobile.core.JsonError
import squeezebertmobile.core.MOST_THREADS
import squeezebertmobile.core.Shape
import squeezebertmobile.core.ShapeError
import squeezebertmobile.core.asLongs
import squeezebertmobile.core.asRecord
import squeezebertmobile.core.flag
import squeezebertmobile.core.int
import squeezebertmobile.core.items
import squeezebertmobile.core.nullable
import squeezebertmobile.core.oneOf
import squeezebertmobile.core.readUtf8
import squeezebertmobile.core.record
import squeezebertmobile.core.shown
import squeezebertmobile.core.text
import squeezebertmobile.core.values
import squeezebertmobile.core.whole
import java.io.File
import java.io.IOException

/** What one process is to do: docs/runner.md says what each field is for. */
class Job(
    val artifact: File,
    val format: String,
    val threads: Int,
    val libraries: File?,
    val checksums: Boolean,
    val golden: Boolean,
    val inputs: Map<String, List<LongArray>>,
    val commands: List<Map<String, Any?>>,
)

private const val MOST_BYTES = 4L shl 20

private val JOB = record(
    mapOf(
        "protocol" to oneOf(PROTOCOL),
        "artifact" to text(),
        "format" to oneOf("onnx", "executorch"),
        "threads" to whole(1, MOST_THREADS.toLong()),
        "libraries" to nullable(text()),
        "checksums" to flag,
        "golden" to flag,
        "inputs" to values(items(items(whole(0, Int.MAX_VALUE.toLong())))),
        "commands" to items(Shape { value, where -> checkCommand(value, where) }),
    ),
)

/**
 * The job in [path].
 *
 * @throws ProtocolError it is of another version.
 * @throws JobError it cannot be read, or a field of it is wrong.
 */
internal fun readJob(path: File): Job {
    val data = parsed("the job ${shown(path.path)}") {
        if (path.length() > MOST_BYTES) throw IOException("it has more than $MOST_BYTES bytes")
        readUtf8(path)
    }
    if (data["protocol"] != PROTOCOL) {
        throw ProtocolError(
            "this runner speaks protocol $PROTOCOL, and the job protocol ${shown(data["protocol"])}; " +
                "push the runner that belongs to the computer's version",
        )
    }
    checkShape("the job", data, JOB)
    return Job(
        artifact = File(data["artifact"] as String),
        format = data["format"] as String,
        threads = data.int("threads"),
        libraries = (data["libraries"] as String?)?.let { File(it) },
        checksums = data["checksums"] as Boolean,
        golden = data["golden"] as Boolean,
        inputs = data["inputs"].asRecord().mapValues { (_, rows) -> (rows as List<*>).map { it.asLongs() } },
        commands = (data["commands"] as List<*>).map { it.asRecord() },
    )
}

/** @throws JobError [text] is no JSON object. */
internal fun parsed(what: String, text: () -> String): Map<String, Any?> {
    val data = try {
        Json.parse(text())
    } catch (error: IOException) {
        throw JobError("$what cannot be read: ${error.message}")
    } catch (error: JsonError) {
        throw JobError("$what is not JSON: ${error.message}")
    }
    if (data !is Map<*, *>) throw JobError("$what must be a JSON object")
    return data.asRecord()
}

/** @throws JobError [data] has not the shape it must have. */
internal fun checkShape(what: String, data: Any?, shape: Shape) {
    try {
        shape.check(data, "")
    } catch (error: ShapeError) {
        throw JobError("$what is wrong at ${shown(error.where)}: ${error.what}")
    }
}
