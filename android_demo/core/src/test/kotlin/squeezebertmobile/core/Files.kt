package squeezebertmobile.core

import java.io.File

/** The root of the repository. */
internal val REPOSITORY = File(checkNotNull(System.getProperty("repository")))

/** What the Python side has computed for these tests: `make test-runner` writes it first. */
internal fun expected(name: String): File {
    val file = File(checkNotNull(System.getProperty("expected")), name)
    check(file.exists()) { "$file is not there; run: make test-runner" }
    return file
}

internal fun readJson(file: File): Map<String, Any?> = Json.parse(readUtf8(file)).asRecord()

internal fun Map<String, Any?>.records(name: String): List<Map<String, Any?>> =
    (getValue(name) as List<*>).map { it.asRecord() }

internal fun Map<String, Any?>.text(name: String): String = get(name) as String

internal fun Map<String, Any?>.ints(name: String): List<Int> = get(name).asInts().toList()
