package squeezebertmobile.app

import squeezebertmobile.core.Json
import squeezebertmobile.core.asRecord
import java.io.ByteArrayOutputStream
import java.io.File
import java.nio.ByteBuffer
import java.nio.ByteOrder
import java.security.MessageDigest
import java.util.zip.CRC32
import java.util.zip.Deflater

/** The files of an artifact by name. */
internal typealias Contents = Map<String, ByteArray>

/** A tiny artifact with random weights, in all its files. */
internal val TINY: Contents by lazy { contents(File(REPOSITORY, "tests/golden/expected/artifacts/text-classification")) }

internal fun contents(folder: File): Contents =
    checkNotNull(folder.listFiles()).sorted().associate { it.name to it.readBytes() }

internal fun Contents.json(name: String): Map<String, Any?> =
    Json.parse(getValue(name).toString(Charsets.UTF_8)).asRecord()

/** The artifact with another content of a file, whose checksum in the manifest is correct again. */
internal fun Contents.with(name: String, content: ByteArray): Contents {
    if (name == "manifest.json") return this + (name to content)
    val facts = mapOf("sha256" to sha256(content), "bytes" to content.size.toLong())
    return (this + (name to content)).manifest { it["files"] = it["files"].asRecord() + (name to facts) }
}

internal fun Contents.with(name: String, content: String): Contents = with(name, content.toByteArray())

/** The artifact with a changed manifest. */
internal fun Contents.manifest(change: (MutableMap<String, Any?>) -> Unit): Contents =
    this + ("manifest.json" to Json.write(json("manifest.json").toMutableMap().also(change)).toByteArray())

/** The artifact with a changed JSON file, whose checksum in the manifest is correct. */
internal fun Contents.changed(name: String, change: (MutableMap<String, Any?>) -> Unit): Contents =
    with(name, Json.write(json(name).toMutableMap().also(change)))

internal fun sha256(bytes: ByteArray): String =
    MessageDigest.getInstance("SHA-256").digest(bytes).joinToString("") { "%02x".format(it) }

/** A file in a zip, with any fields in its header: the library that writes zips refuses wrong ones. */
internal class Packed(
    val name: ByteArray,
    val content: ByteArray,
    val method: Int = 8,
    val flags: Int = 0,
    val extra: ByteArray = ByteArray(0),
    val packedSize: Long? = null,
    val size: Long? = null,
) {
    constructor(name: String, content: ByteArray) : this(name.toByteArray(), content)

    val data: ByteArray = if (method == 8) deflated(content) else content

    fun header(): ByteArray = littleEndian(30) {
        putInt(0x04034b50).putShort(20).putShort(flags.toShort()).putShort(method.toShort()).putInt(0x210000)
        putInt(CRC32().also { it.update(content) }.value.toInt())
        putInt((packedSize ?: data.size.toLong()).toInt()).putInt((size ?: content.size.toLong()).toInt())
        putShort(name.size.toShort()).putShort(extra.size.toShort())
    } + name + extra

    fun directory(offset: Int): ByteArray = littleEndian(46) {
        putInt(0x02014b50).putShort(20).put(header(), 4, 26).position(28)
        putShort(name.size.toShort()).putShort(extra.size.toShort()).putShort(0).putShort(0).putShort(0)
        putInt(ATTRIBUTES).putInt(offset)
    } + name + extra

    private companion object {
        const val ATTRIBUTES = 0xA1FF shl 16 // a symbolic link, as Unix writes it
    }
}

internal fun littleEndian(size: Int, write: ByteBuffer.() -> Unit): ByteArray =
    ByteArray(size).also { ByteBuffer.wrap(it).order(ByteOrder.LITTLE_ENDIAN).write() }

private fun deflated(content: ByteArray): ByteArray {
    val deflater = Deflater(Deflater.DEFAULT_COMPRESSION, true)
    deflater.setInput(content)
    deflater.finish()
    val out = ByteArrayOutputStream()
    val buffer = ByteArray(1 shl 16)
    while (!deflater.finished()) out.write(buffer, 0, deflater.deflate(buffer))
    deflater.end()
    return out.toByteArray()
}

/** A zip of these files, with its central directory at the end. */
internal fun zip(files: List<Packed>): ByteArray {
    val out = ByteArrayOutputStream()
    val directory = ByteArrayOutputStream()
    for (file in files) {
        directory.write(file.directory(out.size()))
        out.write(file.header())
        out.write(file.data)
    }
    val start = out.size()
    out.write(directory.toByteArray())
    out.write(littleEndian(22) {
        putInt(0x06054b50).putInt(0).putShort(files.size.toShort()).putShort(files.size.toShort())
        putInt(directory.size()).putInt(start).putShort(0)
    })
    return out.toByteArray()
}

internal fun zip(files: Contents): ByteArray = zip(files.map { (name, content) -> Packed(name, content) })
