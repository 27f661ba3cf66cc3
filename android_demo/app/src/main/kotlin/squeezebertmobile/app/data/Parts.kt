package squeezebertmobile.app.data

import android.content.res.AssetManager
import squeezebertmobile.core.ArtifactError
import squeezebertmobile.core.shown
import java.io.File
import java.io.InputStream
import java.util.zip.ZipException
import java.util.zip.ZipInputStream

/** Where the files of an artifact come from. */
fun interface Parts {
    /** Gives each file's name and content, one after the other. */
    fun forEach(take: (name: String, content: InputStream) -> Unit)
}

/** A folder among the app's assets. */
fun assetParts(assets: AssetManager, folder: String) = Parts { take ->
    for (name in assets.list(folder).orEmpty()) {
        assets.open("$folder/$name").use { take(name, it) }
    }
}

/**
 * A zip: the files of an artifact, by themselves or in one folder.
 *
 * Its names are somebody else's: only the last part of each is used.
 */
fun zipParts(open: () -> InputStream) = Parts { take ->
    ZipInputStream(open()).use { zip ->
        try {
            generateSequence { zip.nextEntry }.filterNot { it.isDirectory }.forEach {
                take(it.name.substringAfterLast('/'), zip)
            }
        } catch (error: ZipException) {
            throw ArtifactError("the zip is damaged: ${error.message}; copy or pick it again")
        }
    }
}

private const val MOST_FILES = 32
private const val KEPT_FREE = 64L shl 20 // bytes of the phone's storage that are left alone

/**
 * Writes the files into [folder], which is empty.
 *
 * @throws ArtifactError a name is no file name, or there is too much of it.
 */
internal fun unpack(parts: Parts, folder: File) {
    var room = folder.usableSpace - KEPT_FREE
    var count = 0
    parts.forEach { name, content ->
        val path = File(folder, name)
        if (name in setOf("", ".", "..") || name.any { it in "/\\:\u0000" } || path.exists()) {
            throw ArtifactError("the file name ${shown(name)} cannot be used; export the artifact again")
        }
        if (++count > MOST_FILES) throw ArtifactError("it has more than $MOST_FILES files; an artifact has about six")
        room -= copy(content, path, room)
    }
    if (count == 0) throw ArtifactError("there is no file in it; pick the zip that squeezebert-mobile push --zip wrote")
}

private fun copy(content: InputStream, path: File, room: Long): Long {
    val buffer = ByteArray(1 shl 16)
    var done = 0L
    path.outputStream().use { file ->
        while (true) {
            val count = content.read(buffer)
            if (count < 0) return done
            done += count
            if (done > room) throw ArtifactError("there is no room for it on this phone; remove another artifact")
            file.write(buffer, 0, count)
        }
    }
}
