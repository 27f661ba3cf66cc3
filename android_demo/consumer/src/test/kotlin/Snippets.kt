import kotlinx.coroutines.Dispatchers
import kotlinx.coroutines.runInterruptible
import squeezebertmobile.core.SqueezeBert
import squeezebertmobile.core.SqueezeBertMobileError
import java.io.File
import java.security.MessageDigest

// The snippets of docs/integrate.md; tests/test_integrate_page.py compares them.

class Intents(folder: File) : AutoCloseable {
    private val model = SqueezeBert.load(folder)

    /** The intent of a sentence, or null if the model is not sure. */
    fun of(sentence: String): String? =
        model.classify(sentence).labels[0].takeIf { it.score >= 0.5 }?.label

    override fun close() = model.close()
}

suspend fun intentOf(model: SqueezeBert, sentence: String): String =
    runInterruptible(Dispatchers.Default) { model.classify(sentence).labels[0].label }

/** The model in a downloaded folder, or the current one if the new one is not right. */
fun updated(current: SqueezeBert, downloaded: File, manifestSha256: String): SqueezeBert {
    if (sha256(File(downloaded, "manifest.json")) != manifestSha256) return current
    val new = try {
        SqueezeBert.load(downloaded) // compares the SHA-256 of every file with the manifest's
    } catch (error: SqueezeBertMobileError) {
        return current
    }
    return try {
        new.verify() // runs the golden texts on this device
        current.close()
        new
    } catch (error: SqueezeBertMobileError) {
        new.close()
        current
    }
}

fun sha256(file: File): String = MessageDigest.getInstance("SHA-256").digest(file.readBytes())
    .joinToString("") { "%02x".format(it) }
