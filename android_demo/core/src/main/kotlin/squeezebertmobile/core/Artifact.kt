package squeezebertmobile.core

import java.io.File
import java.io.IOException
import java.nio.ByteBuffer
import java.nio.charset.CharacterCodingException
import java.nio.file.Files
import java.nio.file.InvalidPathException
import java.security.MessageDigest

/**
 * An exported artifact folder; the checks are those of `squeezebert_mobile/artifact/reading.py`.
 *
 * @param folder the artifact's folder.
 * @param manifest its parsed manifest.json.
 */
class Artifact private constructor(val folder: File, val manifest: Manifest) {
    /** Path of the model file. */
    val modelPath: String get() = File(folder, manifest.modelFile).path

    /**
     * The artifact's golden outputs.
     *
     * @throws ArtifactError if golden.json is damaged.
     */
    fun golden(): Golden = parsed(File(folder, GOLDEN_FILE), ::goldenOf)

    /** A file of the artifact as a JSON object, or null if the manifest does not list it. */
    internal fun listedJson(name: String): Map<String, Any?>? =
        if (name in manifest.files) readObject(File(folder, name)) else null

    companion object {
        /**
         * Opens the artifact in [folder].
         *
         * @param checksums whether to read every file and compare its SHA-256. File names, links and
         *     sizes are always checked.
         * @param progress called with the bytes read so far and the total.
         * @throws ArtifactError if a file is missing, changed or outside the folder; the message says
         *     what to do.
         */
        fun open(
            folder: File,
            checksums: Boolean = true,
            progress: (done: Long, all: Long) -> Unit = { _, _ -> },
        ): Artifact {
            if (!folder.isDirectory) {
                throw ArtifactError("no such artifact folder: ${shown(folder.path)}")
            }
            val path = File(folder, MANIFEST_FILE)
            val manifest = versioned(path, ::manifestOf)
            checkTask(manifest)
            manifest.inputs.forEach { checkFixedShape(it) }
            val required = setOf(manifest.modelFile, GOLDEN_FILE, TOKENIZER_FILE)
            (required - manifest.files.keys).minOrNull()?.let {
                throw ArtifactError("${shown(path.path)} lists no $it")
            }
            val all = manifest.files.values.sumOf { it.bytes }
            var done = 0L
            for ((name, facts) in manifest.files) {
                checkLocation(folder, name, facts)
                if (checksums) {
                    checkSha256(File(folder, name), facts) { progress(done + it, all) }
                    done += facts.bytes
                }
            }
            return Artifact(folder, manifest)
        }
    }
}

private fun checkTask(manifest: Manifest) {
    val task = TASKS[manifest.task] ?: throw ArtifactError(
        "the artifact's manifest names an unknown task ${shown(manifest.task)}; " +
            "choose from: ${TASKS.keys.sorted().joinToString()}",
    )
    val outputs = manifest.outputs.associate { it.name to it.axes.size }
    val inputs = manifest.inputs.map { it.axes.size }.toSet()
    val expected = task.outputs.filterKeys { it in outputs || it !in OPTIONAL_OUTPUTS }.mapValues { it.value.size }
    val fits = outputs == expected &&
        inputs == setOf(task.inputAxes.size) &&
        manifest.inputs.map { it.name } == INPUT_NAMES
    if (!fits) {
        throw ArtifactError(
            "the artifact's manifest does not have the inputs and outputs of ${manifest.task}; " +
                "export the checkpoint again",
        )
    }
}

/**
 * The maximum number of tokens in a fixed input shape. The tasks allocate arrays of this shape, so that
 * without a limit a damaged manifest could take all memory.
 */
private const val MAX_TOKENS = 1L shl 20

private fun checkFixedShape(input: TensorSpec) {
    val lengths = input.axes.filterIsInstance<Long>()
    // One axis after the other, so that no product overflows.
    val tokens = lengths.fold(1L) { product, length ->
        if (product > 0 && length in 1..MAX_TOKENS / product) product * length else 0
    }
    if (tokens > 0) return
    throw ArtifactError(
        "the artifact's manifest gives '${input.name}' an impossible shape, ${input.axes}; export the checkpoint again",
    )
}

// Files ----------------------------------------------------------------------------------------

/** Whether [name] is the name of a file, and not a path: Android's file names have at most 255 bytes of UTF-8. */
fun isFileName(name: String): Boolean = isInFolder(name) && isUnicode(name) && name.toByteArray().size <= MAX_NAME_BYTES

/** Whether it has no path separator, drive letter or dot name, which could point outside the folder. */
private fun isInFolder(name: String): Boolean = name !in setOf("", ".", "..") && name.none { it in "/\\:\u0000" }

private fun isLink(path: File): Boolean = try {
    Files.isSymbolicLink(path.toPath())
} catch (_: InvalidPathException) { // a name that this system cannot encode
    false
}

private fun checkLocation(folder: File, name: String, facts: FileFacts) {
    val path = File(folder, name)
    if (!isInFolder(name) || isLink(path)) {
        throw ArtifactError(
            "artifact file ${shown(name)} points outside its folder ${shown(folder.path)}",
        )
    }
    if (!isFileName(name)) {
        throw ArtifactError("artifact file ${shown(name)} is not a valid file name; export the checkpoint again")
    }
    if (!path.isFile) {
        throw ArtifactError("artifact file ${shown(path.path)} is missing; copy or export it again")
    }
    if (path.length() != facts.bytes) throw changed(path)
}

private fun checkSha256(path: File, facts: FileFacts, progress: (Long) -> Unit) {
    val digest = MessageDigest.getInstance("SHA-256")
    val buffer = ByteArray(1 shl 20)
    var done = 0L
    try {
        path.inputStream().use { file ->
            while (true) {
                val count = file.read(buffer)
                if (count < 0) break
                digest.update(buffer, 0, count)
                done += count
                progress(done)
            }
        }
    } catch (error: IOException) {
        throw ArtifactError("artifact file ${shown(path.path)} cannot be read: ${firstLine(error)}")
    }
    val sha256 = digest.digest().joinToString("") { ((it.toInt() and 0xff) + 0x100).toString(16).drop(1) }
    if (sha256 != facts.sha256) throw changed(path)
}

private fun changed(path: File) = ArtifactError(
    "artifact file ${shown(path.path)} has changed since the export (its SHA-256 is not the " +
        "manifest's); copy or export it again",
)

// JSON -----------------------------------------------------------------------------------------

private fun <T> versioned(path: File, read: (Map<String, Any?>) -> T): T {
    if (!path.exists()) {
        throw ArtifactError("${shown(path.parent)} is not an artifact: it has no ${path.name}")
    }
    return parsed(path, read)
}

private fun <T> parsed(path: File, read: (Map<String, Any?>) -> T): T {
    val data = readObject(path)
    val version = data["schema_version"]
    if (version != SCHEMA_VERSION) {
        throw ArtifactError(
            "${shown(path.path)} has schema_version ${shown(version)}, this version reads " +
                "$SCHEMA_VERSION; export the checkpoint again with the same version",
        )
    }
    try {
        return read(data)
    } catch (error: ShapeError) {
        throw ArtifactError("${shown(path.path)} is damaged at ${shown(error.where)}: ${error.problem}")
    }
}

private fun readObject(path: File): Map<String, Any?> {
    val data = try {
        Json.parse(readUtf8(path))
    } catch (error: IOException) {
        throw ArtifactError("${shown(path.path)} cannot be read as JSON: ${firstLine(error)}")
    } catch (error: JsonError) {
        throw ArtifactError("${shown(path.path)} cannot be read as JSON: ${firstLine(error)}")
    }
    if (data !is Map<*, *>) throw ArtifactError("${shown(path.path)} must hold a JSON object")
    return data.asRecord()
}

/**
 * Reads a UTF-8 text file.
 *
 * @throws IOException if the file cannot be read, has more than [maxBytes] bytes, or is not valid UTF-8.
 */
fun readUtf8(path: File, maxBytes: Long = MAX_TEXT_BYTES): String {
    // A named pipe or a device may never end.
    if (path.exists() && !path.isFile) throw IOException("it is not a regular file")
    if (path.length() > maxBytes) throw IOException("it has more than $maxBytes bytes")
    return try {
        Charsets.UTF_8.newDecoder().decode(ByteBuffer.wrap(path.readBytes())).toString()
    } catch (_: CharacterCodingException) {
        throw IOException("it is not UTF-8 text")
    }
}

private const val MAX_TEXT_BYTES = 64L shl 20 // as in runtime/tokenizer/vocabulary.py
private const val MAX_NAME_BYTES = 255
