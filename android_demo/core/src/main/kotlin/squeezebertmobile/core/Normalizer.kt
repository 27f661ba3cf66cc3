package squeezebertmobile.core

/** BERT's normalizer: the four steps of the tokenizers library, in its order. */
internal class Normalizer(
    private val lowercase: Boolean,
    private val stripAccents: Boolean,
    private val ideographs: Boolean,
) {
    fun normalize(text: AlignedText): AlignedText {
        var found = clean(text)
        if (ideographs) found = spaceIdeographs(found)
        if (stripAccents) found = withoutMarks(decompose(found))
        if (lowercase) found = lower(found)
        return found
    }
}

private fun transform(text: AlignedText, each: AlignedBuilder.(code: Int, index: Int) -> Unit): AlignedText {
    val out = AlignedBuilder(text)
    for (index in 0 until text.size) out.each(text.codes[index], index)
    return out.build()
}

private fun clean(text: AlignedText) = transform(text) { code, index ->
    if (code !in Unicode.removed) add(if (code in Unicode.space) ' '.code else code, index)
}

private fun spaceIdeographs(text: AlignedText) = transform(text) { code, index ->
    val isWord = code in Unicode.ideograph
    if (isWord) add(' '.code, index)
    add(code, index)
    if (isWord) add(' '.code, index)
}

private fun withoutMarks(text: AlignedText) = transform(text) { code, index ->
    if (code !in Unicode.mark) add(code, index)
}

private fun lower(text: AlignedText) = transform(text) { code, index ->
    val changed = Unicode.lower(code)
    if (changed == null) add(code, index) else changed.forEach { add(it, index) }
}

/**
 * The canonical decomposition, marks in their order.
 *
 * The library keeps places by counting, not by following each character: the first part of a
 * character takes the next place, further parts take the place before. Where marks of several
 * characters are sorted, the places stay in order and the marks do not.
 */
private fun decompose(text: AlignedText): AlignedText {
    if (text.codes.all { Unicode.decomposed(it) == null && Unicode.order(it) == 0 }) return text
    val out = AlignedBuilder(text)
    var place = -1
    val waiting = ArrayList<Part>() // a run of marks
    fun flush() {
        waiting.sortBy { it.order } // stable
        for (part in waiting) {
            if (part.isFirst) place++
            out.add(part.code, maxOf(place, 0))
        }
        waiting.clear()
    }
    for (code in text.codes) {
        (Unicode.decomposed(code) ?: intArrayOf(code)).forEachIndexed { index, part ->
            val order = Unicode.order(part)
            if (order == 0) flush()
            waiting.add(Part(part, order, isFirst = index == 0))
            if (order == 0) flush()
        }
    }
    flush()
    return out.build()
}

private class Part(val code: Int, val order: Int, val isFirst: Boolean)
