package squeezebertmobile.core

import java.io.File

/** The root of the repository. */
internal val REPOSITORY = File(checkNotNull(System.getProperty("repository")))

/** A file of expected results computed by Python: checked in, or written by `make test-runner`. */
internal fun expected(name: String): File {
    val file = File(checkNotNull(System.getProperty("expected")), name)
    check(file.exists()) { "$file does not exist; run: make app-assets" }
    return file
}

/** Artifact folders by name: the tiny ones, and the demo from the app's assets. */
internal val ARTIFACTS: Map<String, File> =
    checkNotNull(expected("artifacts").listFiles()).sorted().associateBy { it.name } +
        ("demo" to File(REPOSITORY, "android_demo/app/src/main/assets/artifacts/demo-intents"))

internal fun artifact(name: String) = Artifact.open(ARTIFACTS.getValue(name))

internal fun readJson(file: File): Map<String, Any?> = Json.parse(readUtf8(file)).asRecord()

internal fun Map<String, Any?>.records(name: String): List<Map<String, Any?>> =
    (getValue(name) as List<*>).map { it.asRecord() }

internal fun Map<String, Any?>.text(name: String): String = get(name) as String

internal fun Map<String, Any?>.ints(name: String): List<Int> = get(name).asInts().toList()
