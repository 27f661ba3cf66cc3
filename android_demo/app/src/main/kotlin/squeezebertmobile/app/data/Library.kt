package squeezebertmobile.app.data

import squeezebertmobile.core.Artifact
import squeezebertmobile.core.ArtifactError
import squeezebertmobile.core.Manifest
import squeezebertmobile.core.SqueezeBertMobileError
import squeezebertmobile.core.checkGolden
import squeezebertmobile.core.checkGoldenIds
import squeezebertmobile.core.firstLine
import squeezebertmobile.core.openSession
import squeezebertmobile.core.tokenizerOf
import java.io.File
import java.io.IOException

/** An artifact in the library. */
class Entry(val name: String, val artifact: Artifact) {
    val manifest: Manifest get() = artifact.manifest

    /** Whether it is the same model, and not only one of the same name. */
    fun isSame(other: Entry): Boolean =
        name == other.name && manifest.files.mapValues { it.value.sha256 } == other.manifest.files.mapValues { it.value.sha256 }
}

/** An artifact that is not used, and why, in one sentence. */
class Refusal(val name: String, val reason: String)

/** What is there, by name, and what was refused. */
class Listing(val entries: List<Entry>, val refusals: List<Refusal>)

/**
 * The artifacts that this app has, each in a folder of its own; one thread at a time may change them.
 *
 * What comes in is unpacked beside them and checked there, so a bad artifact never takes the place of
 * a good one.
 *
 * @param files the app's folder for files.
 * @param bundled the artifacts in the APK, by name.
 * @param check throws where an artifact does not compute what it should.
 */
class Library(
    private val files: File,
    private val bundled: Map<String, Parts>,
    private val check: (Artifact) -> Unit = ::checkAnswers,
) {
    private val home = File(files, "artifacts")
    private val inbox = File(files, "inbox")

    /** Takes in what the APK holds and what was pushed, and lists everything. */
    fun refresh(): Listing {
        val refusals = ArrayList<Refusal>()
        for ((name, parts) in bundled) {
            if (!isInstalled(name, parts)) attempt(name, refusals) { install(name, parts) }
        }
        for (zip in inbox.listFiles().orEmpty().filter { it.extension == "zip" }.sorted()) {
            attempt(zip.nameWithoutExtension, refusals) { install(zip.nameWithoutExtension, zipParts(zip::inputStream)) }
            zip.delete()
        }
        val entries = home.list().orEmpty().sorted().mapNotNull { name ->
            attempt(name, refusals) { opened(name) }
        }
        return Listing(entries, refusals)
    }

    /**
     * Takes an artifact in, in the place of one of the same name.
     *
     * @return its name here, of which only letters, digits, dots, hyphens and underscores are kept.
     * @throws SqueezeBertMobileError why it is refused; what was there before still is.
     */
    fun install(name: String, parts: Parts): String {
        val safe = name.map { if (it in NAME) it else '-' }.joinToString("").trimStart('.').take(LONGEST_NAME)
            .ifEmpty { "artifact" }
        val incoming = File(files, "incoming")
        try {
            incoming.deleteRecursively()
            if (!incoming.mkdirs()) throw IOException("no folder can be made in the app's storage")
            unpack(parts, incoming)
            check(Artifact.open(incoming))
            val folder = File(home, safe)
            home.mkdirs()
            folder.deleteRecursively()
            if (!incoming.renameTo(folder)) throw IOException("it cannot be moved to its place")
        } catch (error: IOException) {
            throw ArtifactError("it cannot be read or stored: ${firstLine(error)}; pick it again")
        } finally {
            incoming.deleteRecursively()
        }
        return safe
    }

    /** Forgets an artifact; one that the APK holds comes back. */
    fun remove(name: String) {
        File(home, name).deleteRecursively()
    }

    /** The artifact of this name, or null; its checksums are compared when it is loaded. */
    fun entry(name: String): Entry? = attempt(name, ArrayList()) { opened(name) }

    private fun opened(name: String) = Entry(name, Artifact.open(File(home, name), checksums = false))

    /** A new APK may hold another artifact of the same name. */
    private fun isInstalled(name: String, parts: Parts): Boolean {
        val ours = File(home, "$name/$MANIFEST")
        var same = false
        parts.forEach { file, content ->
            if (file == MANIFEST) same = ours.isFile && content.readBytes().contentEquals(ours.readBytes())
        }
        return same
    }
}

private const val MANIFEST = "manifest.json"
private const val LONGEST_NAME = 64
private val NAME = ('a'..'z') + ('A'..'Z') + ('0'..'9') + listOf('.', '-', '_')

private fun <T> attempt(name: String, refusals: MutableList<Refusal>, work: () -> T): T? = try {
    work()
} catch (error: SqueezeBertMobileError) {
    refusals.add(Refusal(name, error.message.orEmpty()))
    null
} catch (_: OutOfMemoryError) {
    refusals.add(Refusal(name, "this phone has not enough memory to load it; export it to int8"))
    null
}

/**
 * Asks the artifact its golden texts, and compares ids and answers with those of where it was made.
 *
 * @throws SqueezeBertMobileError it cannot be run here, or computes something else.
 */
fun checkAnswers(artifact: Artifact) {
    val golden = artifact.golden()
    checkGoldenIds(tokenizerOf(artifact), golden)
    openSession(artifact, threads = 1).use { session ->
        val wrong = checkGolden(session, artifact.manifest, golden).firstOrNull { !it.holds } ?: return
        throw ArtifactError(
            "this phone does not compute what the artifact computed where it was made: ${wrong.output} is off by " +
                "${wrong.maxAbsDiff}, and ${wrong.tolerance} is allowed; export it again",
        )
    }
}
