package squeezebertmobile.app.data

import squeezebertmobile.core.Artifact
import squeezebertmobile.core.ArtifactError
import squeezebertmobile.core.Manifest
import squeezebertmobile.core.SqueezeBertMobileError
import squeezebertmobile.core.checkGolden
import squeezebertmobile.core.checkGoldenIds
import squeezebertmobile.core.openSession
import squeezebertmobile.core.tokenizerOf
import java.io.File
import java.io.IOException

/** An installed artifact. */
class Entry(val name: String, val artifact: Artifact) {
    val manifest: Manifest get() = artifact.manifest

    /** Whether both are the same model, and not just two with the same name. */
    fun isSame(other: Entry): Boolean =
        name == other.name && manifest.files.mapValues { it.value.sha256 } == other.manifest.files.mapValues { it.value.sha256 }
}

/** The installed artifacts, by name, and those that were refused. */
class Listing(val entries: List<Entry>, val refusals: List<Refusal>)

/**
 * The app's artifacts, each in its own folder. Not thread-safe: use it from one thread at a time.
 *
 * A new artifact is unpacked and checked in a separate folder, so a bad one never replaces a good one.
 *
 * @param files the app's folder for files.
 * @param bundled the artifacts in the APK, by name.
 * @param check throws if an artifact's outputs are wrong on this phone.
 */
class Library(
    private val files: File,
    private val bundled: Map<String, ArtifactFiles>,
    private val check: (Artifact) -> Unit = ::checkGoldenOutputs,
) {
    private val home = File(files, "artifacts")
    private val inbox = File(files, "inbox")
    private val incoming = File(files, "incoming")
    private val outgoing = File(files, "outgoing") // contains the artifact that is being replaced

    /** Why the last picked file was refused; kept until the next one is picked, also when the screen is rotated. */
    var picked: Refusal? = null

    /** Installs bundled and pushed artifacts, and lists all: trained ones first, by name. */
    fun refresh(): Listing {
        val refusals = arrayListOf<Refusal>()
        picked?.let { refusals.add(it) }
        cleanUp(refusals)
        for ((name, source) in bundled) {
            attempt(name, refusals) { if (!isInstalled(name, source)) install(name, source) }
        }
        for (zip in inbox.listFiles().orEmpty().filter { it.extension == "zip" }.sorted()) {
            val name = zip.nameWithoutExtension
            val taken = File(zip.path + TAKEN) // if it ends the app, the next start finds it under this name
            attempt(name, refusals) {
                if (!zip.renameTo(taken)) throw IOException("cannot rename it in the inbox")
                install(name, zipFiles(taken::inputStream))
            }
            listOf(zip, taken).forEach { removeAll(it) }
        }
        val entries = home.list().orEmpty().sorted().mapNotNull { name ->
            attempt(name, refusals) { opened(name).also { removeUnlisted(it.artifact) } }
        }.sortedBy { it.manifest.weights == "random" }
        return Listing(entries, refusals)
    }

    /** Removes what is left if the app was ended while it installed an artifact. */
    private fun cleanUp(refusals: MutableList<Refusal>) {
        incoming.deleteRecursively()
        outgoing.listFiles().orEmpty().forEach { if (!File(home, it.name).exists()) it.renameTo(File(home, it.name)) }
        outgoing.deleteRecursively()
        for (left in inbox.listFiles().orEmpty().filter { it.name.endsWith(TAKEN) }.sorted()) {
            refusals.add(Refusal(left.name.removeSuffix(".zip$TAKEN"), ENDED))
            removeAll(left)
        }
    }

    /**
     * Installs an artifact, replacing one with the same name.
     *
     * @return the name under which it is installed: letters, digits, dots, hyphens and underscores; other
     *     characters become hyphens.
     * @throws SqueezeBertMobileError if it is refused; the previous artifact is kept.
     */
    fun install(name: String, source: ArtifactFiles): String {
        val safe = name.map { if (it in NAME) it else '-' }.joinToString("").trimStart('.').take(MAX_NAME_LENGTH)
            .ifEmpty { "artifact" }
        try {
            refusing {
                incoming.deleteRecursively()
                if (!incoming.mkdirs()) throw IOException("cannot create a folder in the app's storage")
                unpack(source, incoming)
                val artifact = Artifact.open(incoming)
                removeUnlisted(artifact)
                check(artifact)
                replace(safe)
            }
        } finally {
            incoming.deleteRecursively()
        }
        return safe
    }

    /** Moves the incoming artifact to its folder. The previous one is kept until it is there. */
    private fun replace(name: String) {
        val folder = File(home, name)
        val previous = File(outgoing, name)
        home.mkdirs()
        outgoing.mkdirs()
        val exists = folder.exists()
        if (exists && !folder.renameTo(previous)) throw IOException("cannot replace the previous one")
        if (!incoming.renameTo(folder)) {
            if (exists) previous.renameTo(folder)
            throw IOException("cannot move it to its folder")
        }
        outgoing.deleteRecursively()
    }

    /** Removes an artifact; a bundled one is installed again on the next refresh. */
    fun remove(name: String) {
        File(home, name).deleteRecursively()
    }

    /** The artifact with this name, or null. Its checksums are compared when it is loaded. */
    fun entry(name: String): Entry? = attempt(name, ArrayList()) { opened(name) }

    private fun opened(name: String) = Entry(name, Artifact.open(File(home, name), checksums = false))

    /** Compares manifests, as a new APK may bundle another artifact under the same name. */
    private fun isInstalled(name: String, source: ArtifactFiles): Boolean {
        val ours = File(home, "$name/$MANIFEST")
        var same = false
        source.forEach { file, content ->
            if (file == MANIFEST) same = ours.isFile && content.readBytes().contentEquals(ours.readBytes())
        }
        return same
    }
}

private const val MANIFEST = "manifest.json"
private const val TAKEN = ".checking" // added to the name of a zip before it is read
private const val ENDED = "the app was closed or crashed while it checked the artifact; push it again, or export it again"
private const val MAX_NAME_LENGTH = 64
private val NAME = ('a'..'z') + ('A'..'Z') + ('0'..'9') + listOf('.', '-', '_')

private fun <T> attempt(name: String, refusals: MutableList<Refusal>, work: () -> T): T? = try {
    refusing(work)
} catch (error: SqueezeBertMobileError) {
    refusals.add(Refusal(name, error.message.orEmpty()))
    null
}

/** Removes a file, a link (not what it points to) or a folder. */
private fun removeAll(path: File) {
    if (!path.delete()) path.deleteRecursively()
}

/** Removes the files that are not of the artifact: its checksums say nothing of them. */
private fun removeUnlisted(artifact: Artifact) {
    val listed = artifact.manifest.files.keys + MANIFEST
    artifact.folder.listFiles().orEmpty().filter { it.name !in listed }.forEach { removeAll(it) }
}

/**
 * Runs the golden texts and compares their ids and outputs with the stored ones.
 *
 * @throws SqueezeBertMobileError if the artifact cannot run on this phone, or its outputs differ.
 */
fun checkGoldenOutputs(artifact: Artifact) {
    val golden = artifact.golden()
    checkGoldenIds(tokenizerOf(artifact), golden)
    openSession(artifact, threads = 1).use { session ->
        val wrong = checkGolden(session, artifact.manifest, golden).firstOrNull { !it.holds } ?: return
        throw ArtifactError(
            "this phone's outputs differ from the golden outputs: ${wrong.output} is off by " +
                "${wrong.maxAbsDiff}, more than the tolerance of ${wrong.tolerance}; export it again",
        )
    }
}
