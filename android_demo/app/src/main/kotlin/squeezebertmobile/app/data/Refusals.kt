package squeezebertmobile.app.data

import squeezebertmobile.core.ArtifactError
import squeezebertmobile.core.SqueezeBertMobileError
import squeezebertmobile.core.firstLine
import java.io.IOException
import java.util.zip.ZipException

/** An artifact that was refused, and the reason in one sentence. */
class Refusal(val name: String, val reason: String)

/**
 * Runs [work], which reads files that others made. Whatever such a file can cause becomes a
 * [SqueezeBertMobileError] with one sentence, so that no file can end the app.
 *
 * @throws SqueezeBertMobileError instead of any other exception.
 */
internal fun <T> refusing(work: () -> T): T = try {
    work()
} catch (@Suppress("TooGenericExceptionCaught") error: Throwable) {
    throw refusalOf(error)
}

private fun refusalOf(error: Throwable): Throwable = when (error) {
    is SqueezeBertMobileError -> error
    is ZipException -> ArtifactError("the zip is damaged: ${firstLine(error)}; copy or pick it again")
    is IOException -> ArtifactError("cannot be read or stored: ${firstLine(error)}; pick it again")
    is SecurityException -> ArtifactError("another app does not let this one read it: ${firstLine(error)}; pick it again")
    is OutOfMemoryError -> ArtifactError("not enough memory on this phone to load it; export it to int8")
    is RuntimeException, is StackOverflowError ->
        ArtifactError("it is damaged (${error.javaClass.simpleName}: ${firstLine(error)}); export the checkpoint again")
    else -> error // not caused by a file
}
