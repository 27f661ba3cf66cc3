package squeezebertmobile.app.data

import android.content.res.AssetManager
import squeezebertmobile.core.ArtifactError
import squeezebertmobile.core.isFileName
import squeezebertmobile.core.shown
import java.io.File
import java.io.FilterInputStream
import java.io.InputStream
import java.util.zip.ZipException
import java.util.zip.ZipInputStream

/** A source of an artifact's files. */
fun interface ArtifactFiles {
    /** Calls [read] with the name and content of each file in turn. */
    fun forEach(read: (name: String, content: InputStream) -> Unit)
}

/** The files of a folder in the app's assets. */
fun assetFiles(assets: AssetManager, folder: String) = ArtifactFiles { read ->
    for (name in assets.list(folder).orEmpty()) {
        assets.open("$folder/$name").use { read(name, it) }
    }
}

/**
 * The files of an artifact in a zip, at the top level or in one folder.
 *
 * Names in a zip are not trusted: only the last component of each path is used, and a path that leads
 * out of the zip's folder is refused, as Android 14 does.
 */
fun zipFiles(open: () -> InputStream) = ArtifactFiles { read ->
    val packed = CountedStream(open())
    ZipInputStream(packed).use { zip ->
        var count = 0
        for (name in generateSequence { nextName(zip) }) {
            if (++count > MAX_ENTRIES) throw ArtifactError("more than $MAX_ENTRIES files and folders; an artifact has about six")
            if (name.startsWith('/') || ".." in name.split('/')) {
                throw ArtifactError("the path ${shown(name)} leads out of the zip's folder; zip the artifact again")
            }
            val content = UnpackedStream(zip, packed)
            if (!name.endsWith('/')) {
                read(name.substringAfterLast('/'), content)
            } else if (content.read() >= 0) {
                throw ArtifactError("${shown(name)} is a folder with a content; zip the artifact again")
            }
        }
    }
}

/** The path of the next file or folder; null at the end. */
private fun nextName(zip: ZipInputStream): String? = try {
    zip.nextEntry?.name
} catch (_: IllegalArgumentException) {
    throw ZipException("a name in the zip is not UTF-8, or a header is invalid")
}

private class CountedStream(stream: InputStream) : FilterInputStream(stream) {
    var count = 0L
        private set

    override fun read(): Int = super.read().also { if (it >= 0) count++ }

    override fun read(buffer: ByteArray, offset: Int, length: Int): Int =
        super.read(buffer, offset, length).also { if (it > 0) count += it }
}

/** The content of a file in a zip. Files of zeros, which fill the storage from a small zip, are refused. */
private class UnpackedStream(private val zip: InputStream, private val packed: CountedStream) : InputStream() {
    private var count = 0L

    override fun read(): Int = ByteArray(1).let { if (read(it, 0, 1) < 0) -1 else it[0].toInt() and 0xff }

    override fun read(buffer: ByteArray, offset: Int, length: Int): Int {
        val read = zip.read(buffer, offset, length)
        if (read > 0) count += read
        if (count > MIN_BOMB_BYTES && count / MAX_RATIO > packed.count) {
            throw ArtifactError("it unpacks to more than $MAX_RATIO times its size; export the checkpoint again")
        }
        return read
    }
}

private const val MAX_ENTRIES = 256 // folders and files, before the limit of files
private const val MAX_RATIO = 100 // weights are packed to about 90 %, texts to a fifth; zeros to a thousandth
private const val MIN_BOMB_BYTES = 16L shl 20
private const val MAX_FILES = 32
private const val RESERVED_BYTES = 64L shl 20 // of the phone's storage are left free

/**
 * Writes the files to [folder], which is empty.
 *
 * @throws ArtifactError if a file name is invalid or there twice, or there are too many files or bytes.
 */
internal fun unpack(source: ArtifactFiles, folder: File) {
    var room = folder.usableSpace - RESERVED_BYTES
    val names = HashSet<String>()
    source.forEach { name, content ->
        if (!isFileName(name)) throw ArtifactError("invalid file name ${shown(name)}; export the artifact again")
        if (!names.add(name)) throw ArtifactError("two files are called ${shown(name)}; zip the artifact again")
        if (names.size > MAX_FILES) throw ArtifactError("more than $MAX_FILES files; an artifact has about six")
        room -= copy(content, File(folder, name), room)
    }
    if (names.isEmpty()) throw ArtifactError("no files found; pick a zip written by squeezebert-mobile push --zip")
}

private fun copy(content: InputStream, path: File, room: Long): Long {
    val buffer = ByteArray(1 shl 16)
    var done = 0L
    path.outputStream().use { file ->
        while (true) {
            val count = content.read(buffer)
            if (count < 0) return done
            done += count
            if (done > room) throw ArtifactError("not enough storage on this phone; remove another artifact")
            file.write(buffer, 0, count)
        }
    }
}
