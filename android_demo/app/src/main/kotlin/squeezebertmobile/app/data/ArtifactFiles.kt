package squeezebertmobile.app.data

import android.content.res.AssetManager
import squeezebertmobile.core.ArtifactError
import squeezebertmobile.core.shown
import java.io.File
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
 * Names in a zip are not trusted: only the last component of each path is used.
 */
fun zipFiles(open: () -> InputStream) = ArtifactFiles { read ->
    ZipInputStream(open()).use { zip ->
        try {
            generateSequence { zip.nextEntry }.filterNot { it.isDirectory }.forEach {
                read(it.name.substringAfterLast('/'), zip)
            }
        } catch (error: ZipException) {
            throw ArtifactError("the zip is damaged: ${error.message}; copy or pick it again")
        }
    }
}

private const val MAX_FILES = 32
private const val RESERVED_BYTES = 64L shl 20 // of the phone's storage are left free

/**
 * Writes the files to [folder], which is empty.
 *
 * @throws ArtifactError if a file name is invalid, or there are too many files or bytes.
 */
internal fun unpack(source: ArtifactFiles, folder: File) {
    var room = folder.usableSpace - RESERVED_BYTES
    var count = 0
    source.forEach { name, content ->
        val path = File(folder, name)
        if (name in setOf("", ".", "..") || name.any { it in "/\\:\u0000" } || path.exists()) {
            throw ArtifactError("invalid file name ${shown(name)}; export the artifact again")
        }
        if (++count > MAX_FILES) throw ArtifactError("more than $MAX_FILES files; an artifact has about six")
        room -= copy(content, path, room)
    }
    if (count == 0) throw ArtifactError("no files found; pick a zip written by squeezebert-mobile push --zip")
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
