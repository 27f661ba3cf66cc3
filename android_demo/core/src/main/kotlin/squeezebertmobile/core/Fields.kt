package squeezebertmobile.core

/* Reading values whose shape was checked before. */

/** A JSON object. */
@Suppress("UNCHECKED_CAST")
fun Any?.asRecord(): Map<String, Any?> = this as Map<String, Any?>

internal fun Map<String, Any?>.record(name: String): Map<String, Any?> = get(name).asRecord()

internal fun Map<String, Any?>.texts(name: String): List<String>? =
    (get(name) as List<*>?)?.map { it as String }

/** A whole number; those beyond an Int stand for "more than can be": sizes that nothing reaches. */
fun Map<String, Any?>.int(name: String): Int = (get(name) as Long).coerceAtMost(INT_MAX).toInt()

internal fun Any?.asInts(): IntArray = (this as List<*>).map { (it as Long).toInt() }.toIntArray()

/** A list of whole numbers. */
fun Any?.asLongs(): LongArray = (this as List<*>).map { it as Long }.toLongArray()

private const val INT_MAX = Int.MAX_VALUE.toLong()
