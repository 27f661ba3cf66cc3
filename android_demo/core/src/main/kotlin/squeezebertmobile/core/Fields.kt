package squeezebertmobile.core

/* Casts of JSON values that were already validated by a Shape. */

/** The value as a JSON object. */
@Suppress("UNCHECKED_CAST")
fun Any?.asRecord(): Map<String, Any?> = this as Map<String, Any?>

internal fun Map<String, Any?>.record(name: String): Map<String, Any?> = get(name).asRecord()

internal fun Map<String, Any?>.texts(name: String): List<String>? =
    (get(name) as List<*>?)?.map { it as String }

/** An integer field, limited to Int.MAX_VALUE: larger values are sizes that are never reached. */
fun Map<String, Any?>.int(name: String): Int = (get(name) as Long).coerceAtMost(INT_MAX).toInt()

internal fun Any?.asInts(): IntArray = (this as List<*>).map { (it as Long).toInt() }.toIntArray()

/** The value as a list of integers. */
fun Any?.asLongs(): LongArray = (this as List<*>).map { it as Long }.toLongArray()

private const val INT_MAX = Int.MAX_VALUE.toLong()
