package squeezebertmobile.core

/** A JSON value does not have the required shape; [where] is its path, e.g. `model.layers`. */
class ShapeError(val where: String, val problem: String) : Exception("$where: $problem")

/** A requirement on a JSON value. */
fun interface Shape {
    /** @throws ShapeError if [value] does not have this shape. */
    fun check(value: Any?, where: String)
}

/** A string that matches [pattern] completely. */
fun text(pattern: Regex? = null) = Shape { value, where ->
    if (value !is String) throw ShapeError(where, "${shown(value)} is not a string")
    if (pattern != null && !pattern.matches(value)) {
        throw ShapeError(where, "${shown(value)} does not match $pattern")
    }
}

/** One of the [valid] values. */
fun oneOf(vararg valid: Any) = Shape { value, where ->
    if (value !in valid) throw ShapeError(where, "${shown(value)} is not one of ${valid.joinToString()}")
}

/** An integer from [minimum] to [maximum]. */
fun whole(minimum: Long, maximum: Long = Long.MAX_VALUE) = Shape { value, where ->
    if (value !is Long) throw ShapeError(where, "${shown(value)} is not an integer")
    if (value < minimum || value > maximum) {
        val range = if (maximum == Long.MAX_VALUE) "at least $minimum" else "from $minimum to $maximum"
        throw ShapeError(where, "$value is not $range")
    }
}

/** An integer or floating-point number in [range]. */
fun number(range: ClosedRange<Double>? = null) = Shape { value, where ->
    if (value !is Long && value !is Double) throw ShapeError(where, "${shown(value)} is not a number")
    if (range != null && (value as Number).toDouble() !in range) {
        throw ShapeError(where, "$value is not from ${range.start} to ${range.endInclusive}")
    }
}

/** A boolean. */
val flag = Shape { value, where ->
    if (value !is Boolean) throw ShapeError(where, "${shown(value)} is neither true nor false")
}

/** null, or a value of [shape]. */
fun nullable(shape: Shape) = Shape { value, where ->
    if (value != null) shape.check(value, where)
}

/** A value of one of [shapes]. */
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
    value.forEachIndexed { index, element -> item.check(element, join(where, "$index")) }
}

/** An object with any keys, whose values are [item]s. */
fun values(item: Shape) = Shape { value, where ->
    if (value !is Map<*, *>) throw ShapeError(where, "${shown(value)} is not an object")
    value.forEach { (key, element) -> item.check(element, join(where, "$key")) }
}

/** An object with exactly these fields, of which those in [optional] may be omitted. */
fun record(fields: Map<String, Shape>, optional: Set<String> = emptySet()) =
    Shape { value, where ->
        if (value !is Map<*, *>) throw ShapeError(where, "${shown(value)} is not an object")
        for ((name, shape) in fields) {
            if (name in value) {
                shape.check(value[name], join(where, name))
            } else if (name !in optional) {
                throw ShapeError(join(where, name), "missing")
            }
        }
        val unknown = value.keys.firstOrNull { it !in fields }
        if (unknown != null) {
            throw ShapeError(join(where, "$unknown"), "unknown field")
        }
    }

private fun join(where: String, name: String) = if (where.isEmpty()) name else "$where.$name"
