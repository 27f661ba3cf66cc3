package squeezebertmobile.app.data

import squeezebertmobile.core.Entity
import squeezebertmobile.core.FeatureExtraction
import squeezebertmobile.core.FillMask
import squeezebertmobile.core.Model
import squeezebertmobile.core.MultipleChoice
import squeezebertmobile.core.Aggregation
import squeezebertmobile.core.QuestionAnswering
import squeezebertmobile.core.TextClassification
import squeezebertmobile.core.TokenClassification
import squeezebertmobile.core.row

/** What a screen asks a model. */
sealed interface Question {
    /** Which label does the text have? */
    class Classify(val text: String) : Question

    /** Which word stands in the place of the mask? */
    class Fill(val text: String) : Question

    /** What are the words of the text? */
    class Tag(val text: String) : Question

    /** Where in the passage is the answer? */
    class Ask(val question: String, val passage: String) : Question

    /** Which choice goes with the text? */
    class Choose(val text: String, val choices: List<String>) : Question

    /** How alike are the two? */
    class Compare(val one: String, val other: String) : Question
}

/** A label, word or choice, and its probability. */
class Scored(val name: String, val score: Double)

/** What a model found; offsets are in characters as people count them (code points). */
sealed interface Finding {
    /** Best first. */
    class Ranking(val items: List<Scored>) : Finding

    /** In the order of the text. */
    class Tags(val entities: List<Entity>) : Finding

    /** From [start] to [end] of the passage. */
    class Passage(val answer: String, val score: Double, val start: Int, val end: Int) : Finding

    /** The cosine of two sentence vectors. */
    class Likeness(val cosine: Double) : Finding
}

/** One token of a model's input. */
class Token(val id: Int, val text: String)

/**
 * An answer.
 *
 * @param rows the tokens that were read: one row, or one for each choice or text.
 * @param tokensCut how many more there were than the model takes.
 */
class Answer(val finding: Finding, val rows: List<List<Token>>, val tokensCut: Int)

/** @throws squeezebertmobile.core.InputError the question cannot be asked. */
fun answer(model: Model, question: Question): Answer = when (question) {
    is Question.Classify -> {
        val found = TextClassification(model).classify(question.text, topK = SHOWN)
        val ranking = Finding.Ranking(found.labels.map { Scored(it.label, it.score) })
        Answer(ranking, listOf(tokens(model, question.text)), found.tokensCut)
    }
    is Question.Fill -> {
        val found = FillMask(model).fill(question.text, topK = SHOWN)
        // Of several masks the first is shown: it is filled in the text, and the next has its turn.
        val ranking = Finding.Ranking(found.masks[0].map { Scored(it.tokenStr, it.score) })
        Answer(ranking, listOf(tokens(model, question.text)), found.tokensCut)
    }
    is Question.Tag -> {
        val found = TokenClassification(model).find(question.text, Aggregation.SIMPLE)
        Answer(Finding.Tags(found.entities), listOf(tokens(model, question.text)), found.tokensCut)
    }
    is Question.Ask -> {
        val found = QuestionAnswering(model).answer(question.question, question.passage)
        val best = found.answers[0]
        val passage = Finding.Passage(best.answer, best.score, best.start, best.end)
        Answer(passage, listOf(tokens(model, question.question, question.passage)), found.tokensCut)
    }
    is Question.Choose -> {
        val found = MultipleChoice(model).choose(question.text, question.choices)
        val ranking = Finding.Ranking(found.choices.map { Scored(it.choice, it.score) })
        Answer(ranking, question.choices.map { tokens(model, question.text, it) }, found.tokensCut)
    }
    is Question.Compare -> {
        val texts = listOf(question.one, question.other)
        val (one, other) = texts.map { FeatureExtraction(model).extract(it) }
        val cosine = one.sentence.indices.sumOf { one.sentence[it].toDouble() * other.sentence[it] }
        Answer(Finding.Likeness(cosine), texts.map { tokens(model, it) }, maxOf(one.tokensCut, other.tokensCut))
    }
}

private const val SHOWN = 5 // labels or words

private fun tokens(model: Model, text: String, pair: String? = null): List<Token> =
    model.tokenizer.row(text, pair, model.manifest.maxLength).ids().map {
        Token(it, model.tokenizer.tokenOf(it).orEmpty())
    }
