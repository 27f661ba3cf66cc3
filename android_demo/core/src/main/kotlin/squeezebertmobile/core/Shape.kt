package squeezebertmobile.core

/** A value has not the shape it must have; [where] is its place: `model.layers`. */
class ShapeError(val where: String, val what: String) : Exception("$where: $what")

/** What a JSON value must be. */
fun interface Shape {
    /** @throws ShapeError it is something else. */
    fun check(value: Any?, where: String)
}

/** A text, of which all matches [pattern]. */
fun text(pattern: Regex? = null) = Shape { value, where ->
    if (value !is String) throw ShapeError(where, "${shown(value)} is not a text")
    if (pattern != null && !pattern.matches(value)) {
        throw ShapeError(where, "${shown(value)} does not match $pattern")
    }
}

/** One of these values. */
fun oneOf(vararg valid: Any) = Shape { value, where ->
    if (value !in valid) throw ShapeError(where, "${shown(value)} is none of ${valid.joinToString()}")
}

/** A whole number from [least] to [most]. */
fun whole(least: Long, most: Long = Long.MAX_VALUE) = Shape { value, where ->
    if (value !is Long) throw ShapeError(where, "${shown(value)} is not a whole number")
    if (value < least || value > most) {
        val range = if (most == Long.MAX_VALUE) "at least $least" else "from $least to $most"
        throw ShapeError(where, "$value is not $range")
    }
}

/** A number, whole or not, in [range]. */
fun number(range: ClosedRange<Double>? = null) = Shape { value, where ->
    if (value !is Long && value !is Double) throw ShapeError(where, "${shown(value)} is not a number")
    if (range != null && (value as Number).toDouble() !in range) {
        throw ShapeError(where, "$value is not from ${range.start} to ${range.endInclusive}")
    }
}

/** true or false. */
val flag = Shape { value, where ->
    if (value !is Boolean) throw ShapeError(where, "${shown(value)} is neither true nor false")
}

/** null, or what [shape] says. */
fun nullable(shape: Shape) = Shape { value, where ->
    if (value != null) shape.check(value, where)
}

/** What one of [shapes] says. */
fun either(vararg shapes: Shape) = Shape { value, where ->
    val errors = shapes.mapNotNull { shape ->
        try {
            shape.check(value, where)
            null
        } catch (error: ShapeError) {
            error
        }
    }
    if (errors.size == shapes.size) throw errors.last()
}

/** A list of [item]s. */
fun items(item: Shape) = Shape { value, where ->
    if (value !is List<*>) throw ShapeError(where, "${shown(value)} is not a list")
    value.forEachIndexed { index, each -> item.check(each, join(where, "$index")) }
}

/** An object with any names, and [item]s as values. */
fun values(item: Shape) = Shape { value, where ->
    if (value !is Map<*, *>) throw ShapeError(where, "${shown(value)} is not an object")
    value.forEach { (key, each) -> item.check(each, join(where, "$key")) }
}

/** An object with these fields and no others; those in [optional] may be left out. */
fun record(fields: Map<String, Shape>, optional: Set<String> = emptySet()) =
    Shape { value, where ->
        if (value !is Map<*, *>) throw ShapeError(where, "${shown(value)} is not an object")
        for ((name, shape) in fields) {
            if (name in value) {
                shape.check(value[name], join(where, name))
            } else if (name !in optional) {
                throw ShapeError(join(where, name), "it is missing")
            }
        }
        val unknown = value.keys.firstOrNull { it !in fields }
        if (unknown != null) {
            throw ShapeError(join(where, "$unknown"), "there is no such field")
        }
    }

private fun join(where: String, name: String) = if (where.isEmpty()) name else "$where.$name"
