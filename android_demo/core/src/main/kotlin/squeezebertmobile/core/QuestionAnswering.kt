package squeezebertmobile.core

import kotlin.math.exp
import kotlin.math.ln

/**
 * A piece of the context; empty, from 0 to 0, where the context has no answer.
 *
 * @param score the probability of its start times that of its end.
 * @param start where it begins in the context, in characters (code points).
 * @param end where it ends.
 */
class Answer(val answer: String, val score: Double, val start: Int, val end: Int)

/** The best answers to a question, best first; [tokensCut] tokens of the question were not read. */
class QuestionAnsweringResult(val answers: List<Answer>, val tokensCut: Int)

/** What the model says about one window of the context; no answer is an answer at [CLS]. */
private class Window(
    val first: Int,
    val start: DoubleArray,
    val end: DoubleArray,
    val noStart: Double,
    val noEnd: Double,
)

/** An answer from token [first] to token [last], -1 for none, and the sum of its logits. */
private class Candidate(val first: Int, val last: Int, val score: Double)

/**
 * Finds answers in contexts.
 *
 * A context longer than the model takes is read in windows that overlap, and the answers of all
 * windows compete.
 */
class QuestionAnswering(private val model: Model) {
    /**
     * @param topK how many answers to give, best first; null gives all that are possible.
     * @param maxAnswerLength the most tokens of an answer.
     * @param handleImpossibleAnswer whether "no answer" (an empty one) competes with the others.
     * @param maxSequenceLength the tokens of a window, question included; null is 384, or what the
     *     model takes if that is less.
     * @param stride how many tokens two neighbouring windows share, at most half a window.
     * @throws InputError a text or an option cannot be used.
     */
    fun answer(
        question: String,
        context: String,
        topK: Int? = 1,
        maxAnswerLength: Int = 15,
        handleImpossibleAnswer: Boolean = false,
        maxSequenceLength: Int? = null,
        stride: Int = 128,
    ): QuestionAnsweringResult {
        checkCount("topK", topK, 1)
        checkCount("maxAnswerLength", maxAnswerLength, 1)
        checkCount("stride", stride, 0)
        checkText(question, "question")
        checkText(context, "context")
        val rows = windowRows(question, context, windowLength(maxSequenceLength), stride)
        val windows = rows.map { read(it) }
        val candidates = candidates(windows, maxAnswerLength) +
            if (handleImpossibleAnswer) listOf(noAnswer(windows)) else emptyList()
        val answers = bestAnswers(candidates, total(windows), context, rows[0].segments[1], topK)
        return QuestionAnsweringResult(answers, rows[0].segments[0].size - rows[0].spans[0].stop)
    }

    private fun windowLength(asked: Int?): Int {
        val most = model.manifest.maxLength
        if (asked == null) return minOf(USUAL_WINDOW, most)
        checkCount("maxSequenceLength", asked, LEAST_WINDOW)
        if (asked > most) {
            throw InputError("maxSequenceLength=$asked is more than the $most tokens that this model takes")
        }
        return asked
    }

    private fun windowRows(question: String, context: String, length: Int, stride: Int): List<Row> {
        val segments = listOf(model.tokenizer.encode(question), model.tokenizer.encode(context))
        val (asked, given) = segments
        if (given.size == 0) throw InputError("the context has no word in it: ${shown(context)}")
        val specials = specialTokens(2)
        // A question that takes more than half of a window would leave the context too little.
        val kept = minOf(asked.size, (length - specials) / 2)
        val room = length - specials - kept
        return windows(given.size, minOf(room, given.size), minOf(stride, room / 2))
            .map { Row(model.tokenizer, segments, listOf(Span(0, kept), it)) }
    }

    private fun read(row: Row): Window {
        val outputs = model.outputs(listOf(row))
        val (starts, ends) = listOf("start_logits", "end_logits").map { unchanged(outputs.getValue(it).values) }
        val place = row.firstPosition(1)
        val context = place until place + row.spans[1].size
        return Window(
            row.spans[1].first, starts.sliceArray(context), ends.sliceArray(context), starts[0], ends[0],
        )
    }

    private companion object {
        const val USUAL_WINDOW = 384 // what SQuAD models are trained with
        const val LEAST_WINDOW = 3 + 2 // the special tokens, and one token each of question and context
    }
}

/** The log of what makes all start probabilities of all windows add up to 1, plus that of ends. */
private fun total(windows: List<Window>): Double =
    logTotal(windows.flatMap { it.start.asIterable() + it.noStart }) +
        logTotal(windows.flatMap { it.end.asIterable() + it.noEnd })

private fun logTotal(logits: List<Double>): Double {
    val most = logits.max()
    return most + ln(logits.sumOf { exp(it - most) })
}

private fun candidates(windows: List<Window>, maxAnswerLength: Int): List<Candidate> =
    windows.flatMap { window ->
        (0 until minOf(maxAnswerLength, window.start.size)).flatMap { extra ->
            (0 until window.start.size - extra).map { place ->
                val first = window.first + place
                Candidate(first, first + extra, window.start[place] + window.end[place + extra])
            }
        }
    }

/** There is no answer only if no window has one. */
private fun noAnswer(windows: List<Window>) = Candidate(-1, -1, windows.minOf { it.noStart + it.noEnd })

private fun bestAnswers(
    candidates: List<Candidate>,
    total: Double,
    context: String,
    tokens: Segment,
    topK: Int?,
): List<Answer> {
    val characters = codePoints(context)
    val answers = LinkedHashMap<Pair<Int, Int>, Answer>()
    for (candidate in candidates.sortedByDescending { it.score }) { // stable
        val (start, end) = place(tokens, candidate)
        answers.getOrPut(start to end) {
            Answer(part(characters, start, end), exp(candidate.score - total), start, end)
        }
        if (answers.size == topK) break
    }
    return answers.values.toList()
}

/** Where the words that the tokens belong to begin and end; (0, 0) for no tokens. */
private fun place(tokens: Segment, candidate: Candidate): Pair<Int, Int> {
    if (candidate.first < 0) return 0 to 0
    var first = candidate.first
    var last = candidate.last
    while (first > 0 && tokens.words[first - 1] == tokens.words[first]) first--
    while (last + 1 < tokens.size && tokens.words[last + 1] == tokens.words[last]) last++
    return tokens.starts[first] to tokens.ends[last]
}
