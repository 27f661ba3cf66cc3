package squeezebertmobile.runner

import squeezebertmobile.core.Accelerator
import squeezebertmobile.core.Json
import squeezebertmobile.core.JsonError
import squeezebertmobile.core.MAX_THREADS
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

/** The job of one process; docs/runner.md describes the fields. */
class Job(
    val artifact: File,
    val format: String,
    val threads: Int,
    val libraries: File?,
    val checksums: Boolean,
    val golden: Boolean,
    val inputs: Map<String, List<LongArray>>,
    val commands: List<Map<String, Any?>>,
    /** The prefix of the profiles' paths: they are beside the job. */
    val profile: File,
    val texts: Map<String, Text> = emptyMap(),
    /** Not null: [artifact] is the model file of another maker. */
    val plain: Plain? = null,
    val accelerator: Accelerator = Accelerator.CPU,
)

private const val MAX_BYTES = 4L shl 20
internal val FORMATS = arrayOf("onnx", "executorch", "litert")
internal val ACCELERATORS = Accelerator.entries.associateBy { it.name.lowercase() }

private val JOB = record(
    mapOf(
        "protocol" to whole(1, PROTOCOL),
        "artifact" to text(),
        "format" to oneOf(*FORMATS),
        "threads" to whole(1, MAX_THREADS.toLong()),
        "accelerator" to oneOf(*ACCELERATORS.keys.toTypedArray()),
        "libraries" to nullable(text()),
        "checksums" to flag,
        "golden" to flag,
        "inputs" to values(items(items(whole(0, Int.MAX_VALUE.toLong())))),
        "texts" to values(TEXT),
        "plain" to PLAIN,
        "commands" to items(Shape { value, where -> checkCommand(value, where) }),
    ),
    optional = setOf("accelerator", "texts", "plain"),
)

/**
 * Reads the job file at [path].
 *
 * @throws ProtocolError if it has another protocol version.
 * @throws JobError if it cannot be read or a field is invalid.
 */
internal fun readJob(path: File): Job {
    val data = parsed("the job ${shown(path.path)}") { readUtf8(path, MAX_BYTES) }
    if (data["protocol"] !in 1L..PROTOCOL) {
        throw ProtocolError(
            "this runner speaks protocols 1 to $PROTOCOL, but the job has protocol ${shown(data["protocol"])}; " +
                "push the runner that matches the version on the computer",
        )
    }
    checkShape("the job", data, JOB)
    val texts = data["texts"]?.asRecord().orEmpty()
    data["inputs"].asRecord().keys.firstOrNull { it in texts }?.let {
        throw JobError("the job has an input and a text named ${shown(it)}; give each a name of its own")
    }
    return Job(
        artifact = File(data["artifact"] as String),
        format = data["format"] as String,
        threads = data.int("threads"),
        libraries = (data["libraries"] as String?)?.let { File(it) },
        checksums = data["checksums"] as Boolean,
        golden = data["golden"] as Boolean,
        inputs = data["inputs"].asRecord().mapValues { (_, rows) -> (rows as List<*>).map { it.asLongs() } },
        commands = (data["commands"] as List<*>).map { it.asRecord() },
        profile = File(path.absoluteFile.parentFile, "${path.nameWithoutExtension}-profile"),
        texts = texts.mapValues { (_, text) -> textOf(text.asRecord()) },
        plain = data["plain"]?.let { plainOf(it.asRecord()) },
        accelerator = ACCELERATORS.getValue(data["accelerator"] as String? ?: "cpu"),
    )
}

/**
 * Parses a JSON object.
 *
 * @throws JobError if [text] cannot be read or is not a JSON object.
 */
internal fun parsed(what: String, text: () -> String): Map<String, Any?> {
    val data = try {
        Json.parse(text())
    } catch (error: IOException) {
        throw JobError("$what cannot be read: ${error.message}")
    } catch (error: JsonError) {
        throw JobError("$what is not valid JSON: ${error.message}")
    }
    if (data !is Map<*, *>) throw JobError("$what must be a JSON object")
    return data.asRecord()
}

/** @throws JobError if [data] does not have the required shape. */
internal fun checkShape(what: String, data: Any?, shape: Shape) {
    try {
        shape.check(data, "")
    } catch (error: ShapeError) {
        throw JobError("$what is invalid at ${shown(error.where)}: ${error.problem}")
    }
}
