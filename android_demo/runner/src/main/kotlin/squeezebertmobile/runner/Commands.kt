package squeezebertmobile.runner

import squeezebertmobile.core.Shape
import squeezebertmobile.core.ShapeError
import squeezebertmobile.core.number
import squeezebertmobile.core.oneOf
import squeezebertmobile.core.record
import squeezebertmobile.core.shown
import squeezebertmobile.core.text
import squeezebertmobile.core.whole

internal const val END = "end"

private const val MAX_SECONDS = 600.0

private fun command(name: String, vararg fields: Pair<String, Shape>): Pair<String, Shape> =
    name to record(mapOf("do" to oneOf(name), "id" to text()) + fields)

/** The commands and their fields. */
internal val COMMANDS: Map<String, Shape> = mapOf(
    command(
        "warm_up",
        "input" to text(),
        "most_runs" to whole(3, 10_000),
        "most_seconds" to number(0.0..MAX_SECONDS),
    ),
    command(
        "block",
        "input" to text(),
        "lead_in" to whole(0, 100),
        "samples" to whole(1, 100_000),
        "seconds" to number(0.0..MAX_SECONDS),
    ),
    command("first_answer", "input" to text()),
    command("profile", "input" to text(), "runs" to whole(1, 1_000)),
    command("probe"),
    command("context"),
    command(END),
)

/** @throws ShapeError if [value] is not a valid command. */
internal fun checkCommand(value: Any?, where: String) {
    val name = (value as? Map<*, *>)?.get("do")
    val shape = COMMANDS[name]
        ?: throw ShapeError(where, "${shown(name)} is not a command; choose from: ${COMMANDS.keys.joinToString()}")
    shape.check(value, where)
}
