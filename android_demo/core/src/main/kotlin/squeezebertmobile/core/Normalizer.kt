package squeezebertmobile.core

/** BERT's normalizer: the four steps of the tokenizers library, in the same order. */
internal class Normalizer(
    private val lowercase: Boolean,
    private val stripAccents: Boolean,
    private val ideographs: Boolean,
) {
    fun normalize(text: AlignedText): AlignedText {
        var normalized = clean(text)
        if (ideographs) normalized = spaceIdeographs(normalized)
        if (stripAccents) normalized = withoutMarks(decompose(normalized))
        if (lowercase) normalized = lower(normalized)
        return normalized
    }
}

private fun transform(text: AlignedText, addCharacter: AlignedBuilder.(code: Int, index: Int) -> Unit): AlignedText {
    val out = AlignedBuilder(text)
    for (index in 0 until text.size) out.addCharacter(text.codes[index], index)
    return out.build()
}

private fun clean(text: AlignedText) = transform(text) { code, index ->
    if (code !in Unicode.removed) add(if (code in Unicode.space) ' '.code else code, index)
}

private fun spaceIdeographs(text: AlignedText) = transform(text) { code, index ->
    val isIdeograph = code in Unicode.ideograph
    if (isIdeograph) add(' '.code, index)
    add(code, index)
    if (isIdeograph) add(' '.code, index)
}

private fun withoutMarks(text: AlignedText) = transform(text) { code, index ->
    if (code !in Unicode.mark) add(code, index)
}

private fun lower(text: AlignedText) = transform(text) { code, index ->
    val changed = Unicode.lower(code)
    if (changed == null) add(code, index) else changed.forEach { add(it, index) }
}

/**
 * Canonical decomposition (NFD), with combining marks in canonical order.
 *
 * The library counts offsets instead of following each character: the first part of a character takes
 * the next offset, further parts repeat the offset before. Where marks of several characters are
 * reordered, the offsets therefore stay in order and the marks do not.
 */
private fun decompose(text: AlignedText): AlignedText {
    if (text.codes.all { Unicode.decomposed(it) == null && Unicode.order(it) == 0 }) return text
    val out = AlignedBuilder(text)
    var source = -1
    val pending = ArrayList<Part>() // a run of marks
    fun flush() {
        pending.sortBy { it.order } // stable
        for (part in pending) {
            if (part.isFirst) source++
            out.add(part.code, maxOf(source, 0))
        }
        pending.clear()
    }
    for (code in text.codes) {
        (Unicode.decomposed(code) ?: intArrayOf(code)).forEachIndexed { index, part ->
            val order = Unicode.order(part)
            if (order == 0) flush()
            pending.add(Part(part, order, isFirst = index == 0))
            if (order == 0) flush()
        }
    }
    flush()
    return out.build()
}

private class Part(val code: Int, val order: Int, val isFirst: Boolean)
