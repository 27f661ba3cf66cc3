package squeezebertmobile.runner

import squeezebertmobile.core.PlainInputs
import squeezebertmobile.core.PlainTensor
import squeezebertmobile.core.asLongs
import squeezebertmobile.core.asRecord
import squeezebertmobile.core.items
import squeezebertmobile.core.nullable
import squeezebertmobile.core.record
import squeezebertmobile.core.shown
import squeezebertmobile.core.text
import squeezebertmobile.core.values
import squeezebertmobile.core.whole
import java.io.File
import java.io.IOException
import java.security.MessageDigest
import java.util.Base64

/**
 * Another maker's model file, which has no manifest and no golden outputs.
 *
 * @param sha256 the checksum that the file must have.
 * @param inputs what it runs on, by name.
 */
class Plain(val sha256: String, val inputs: Map<String, PlainInputs>)

private val INPUTS = record(
    mapOf(
        "tensors" to items(
            record(
                mapOf(
                    "name" to text(),
                    "type" to text(),
                    "shape" to items(whole(0, Int.MAX_VALUE.toLong())),
                    "data" to text(),
                ),
            ),
        ),
        "signature" to nullable(text()),
        "outputs" to items(text()),
    ),
)
internal val PLAIN = record(mapOf("sha256" to text(Regex("[0-9a-f]{64}")), "inputs" to values(INPUTS)))

/** @throws JobError if the data of a tensor is not base64. */
internal fun plainOf(data: Map<String, Any?>) = Plain(
    data["sha256"] as String,
    data["inputs"].asRecord().mapValues { (_, inputs) -> inputsOf(inputs.asRecord()) },
)

private fun inputsOf(data: Map<String, Any?>) = PlainInputs(
    (data["tensors"] as List<*>).map { tensorOf(it.asRecord()) },
    data["signature"] as String?,
    (data["outputs"] as List<*>).map { it as String },
)

private fun tensorOf(data: Map<String, Any?>): PlainTensor {
    val name = data["name"] as String
    val bytes = try {
        Base64.getDecoder().decode(data["data"] as String)
    } catch (_: IllegalArgumentException) {
        throw JobError("the data of the tensor ${shown(name)} is not base64")
    }
    return PlainTensor(name, data["type"] as String, data["shape"].asLongs(), bytes)
}

/** The SHA-256 of a file; throws a [JobError] if it cannot be read. */
internal fun sha256Of(file: File): String {
    if (!file.isFile) throw JobError("the model file ${shown(file.path)} cannot be read: it is not a regular file")
    val digest = MessageDigest.getInstance("SHA-256")
    try {
        file.inputStream().use { stream ->
            val buffer = ByteArray(1 shl 20)
            while (true) {
                val count = stream.read(buffer)
                if (count < 0) break
                digest.update(buffer, 0, count)
            }
        }
    } catch (error: IOException) {
        throw JobError("the model file ${shown(file.path)} cannot be read: ${error.message}")
    }
    return digest.digest().joinToString("") { "%02x".format(it) }
}
