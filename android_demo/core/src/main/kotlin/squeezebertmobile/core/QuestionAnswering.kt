package squeezebertmobile.core

import kotlin.math.exp
import kotlin.math.ln

/**
 * An answer: a span of the context. "No answer" is the empty span from 0 to 0.
 *
 * @param score probability of the start times probability of the end.
 * @param start start offset in the context, in characters (code points).
 * @param end end offset.
 */
class Answer(val answer: String, val score: Double, val start: Int, val end: Int) {
    override fun toString(): String = "${shown(answer)} $start..$end ${rounded(score)}"
}

/** The best answers to a question, best first; [tokensCut] tokens of the question were truncated. */
class QuestionAnsweringResult(val answers: List<Answer>, val tokensCut: Int) {
    override fun toString(): String = "answers $answers${cutNote(tokensCut)}"
}

/** The model's logits for one window of the context; "no answer" is the span at `[CLS]`. */
private class Window(
    val first: Int,
    val start: DoubleArray,
    val end: DoubleArray,
    val noStart: Double,
    val noEnd: Double,
)

/** A span from token [first] to token [last] (-1 for "no answer") and the sum of its logits. */
private class Candidate(val first: Int, val last: Int, val score: Double)

/**
 * Extracts the answer to a question from a context.
 *
 * A context longer than the model's maximum is split into overlapping windows, and the answers of all
 * windows are ranked together.
 */
class QuestionAnswering(private val model: Model) {
    init {
        checkTask(model, "question-answering")
    }

    /**
     * @param topK number of answers to return, best first; null returns all possible ones.
     * @param maxAnswerLength maximum number of tokens in an answer.
     * @param handleImpossibleAnswer whether to rank "no answer" (the empty span) with the others.
     * @param maxSequenceLength tokens per window, question included; null uses 384, or the model's
     *     maximum if that is less.
     * @param stride number of tokens that neighbouring windows share, at most half a window.
     * @throws InputError if a text or an option is invalid.
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
        val answers = bestAnswers(candidates, logDenominator(windows), context, rows[0].segments[1], topK)
        return QuestionAnsweringResult(answers, rows[0].segments[0].size - rows[0].spans[0].stop)
    }

    private fun windowLength(requested: Int?): Int {
        val maximum = model.manifest.maxLength
        if (requested == null) return minOf(DEFAULT_WINDOW, maximum)
        checkCount("maxSequenceLength", requested, MIN_WINDOW)
        if (requested > maximum) {
            throw InputError("maxSequenceLength=$requested is more than the $maximum tokens that this model takes")
        }
        return requested
    }

    private fun windowRows(question: String, context: String, length: Int, stride: Int): List<Row> {
        val segments = listOf(model.tokenizer.encode(question), model.tokenizer.encode(context))
        val (asked, searched) = segments
        if (searched.size == 0) throw InputError("the context contains no words: ${shown(context)}")
        val specials = specialTokens(2)
        // A longer question would leave less than half of the window to the context.
        val kept = minOf(asked.size, (length - specials) / 2)
        val room = length - specials - kept
        return windows(searched.size, minOf(room, searched.size), minOf(stride, room / 2))
            .map { Row(model.tokenizer, segments, listOf(Span(0, kept), it)) }
    }

    private fun read(row: Row): Window {
        val outputs = model.outputs(listOf(row))
        val (starts, ends) = listOf("start_logits", "end_logits").map { unchanged(outputs.getValue(it).values) }
        val first = row.firstPosition(1)
        val context = first until first + row.spans[1].size
        return Window(
            row.spans[1].first, starts.sliceArray(context), ends.sliceArray(context), starts[0], ends[0],
        )
    }

    private companion object {
        const val DEFAULT_WINDOW = 384 // as used for training on SQuAD
        const val MIN_WINDOW = 3 + 2 // special tokens, and one token each of question and context
    }
}

/** Log of the softmax denominators over all windows: that of the starts plus that of the ends. */
private fun logDenominator(windows: List<Window>): Double =
    logSumExp(windows.flatMap { it.start.asIterable() + it.noStart }) +
        logSumExp(windows.flatMap { it.end.asIterable() + it.noEnd })

private fun logSumExp(logits: List<Double>): Double {
    val largest = logits.max()
    return largest + ln(logits.sumOf { exp(it - largest) })
}

private fun candidates(windows: List<Window>, maxAnswerLength: Int): List<Candidate> =
    windows.flatMap { window ->
        (0 until minOf(maxAnswerLength, window.start.size)).flatMap { extra ->
            (0 until window.start.size - extra).map { start ->
                val first = window.first + start
                Candidate(first, first + extra, window.start[start] + window.end[start + extra])
            }
        }
    }

/** The context has no answer only if none of its windows has one. */
private fun noAnswer(windows: List<Window>) = Candidate(-1, -1, windows.minOf { it.noStart + it.noEnd })

private fun bestAnswers(
    candidates: List<Candidate>,
    logDenominator: Double,
    context: String,
    tokens: Segment,
    topK: Int?,
): List<Answer> {
    val characters = codePoints(context)
    val answers = LinkedHashMap<Pair<Int, Int>, Answer>()
    for (candidate in candidates.sortedByDescending { it.score }) { // stable
        val (start, end) = offsets(tokens, candidate)
        answers.getOrPut(start to end) {
            Answer(part(characters, start, end), exp(candidate.score - logDenominator), start, end)
        }
        if (answers.size == topK) break
    }
    return answers.values.toList()
}

/** Start and end offset of the whole words that the span touches; (0, 0) for "no answer". */
private fun offsets(tokens: Segment, candidate: Candidate): Pair<Int, Int> {
    if (candidate.first < 0) return 0 to 0
    var first = candidate.first
    var last = candidate.last
    while (first > 0 && tokens.words[first - 1] == tokens.words[first]) first--
    while (last + 1 < tokens.size && tokens.words[last + 1] == tokens.words[last]) last++
    return tokens.starts[first] to tokens.ends[last]
}
