package squeezebertmobile.app.data

import squeezebertmobile.core.Entity
import squeezebertmobile.core.FeatureExtraction
import squeezebertmobile.core.FeatureExtractionResult
import squeezebertmobile.core.FillMask
import squeezebertmobile.core.Model
import squeezebertmobile.core.MultipleChoice
import squeezebertmobile.core.Aggregation
import squeezebertmobile.core.QuestionAnswering
import squeezebertmobile.core.TextClassification
import squeezebertmobile.core.TokenClassification
import squeezebertmobile.core.ZeroShot
import squeezebertmobile.core.row

/** The inputs of one screen: a question to the model. */
sealed interface Question {
    /** Text classification. */
    class Classify(val text: String) : Question

    /** Fill-mask. */
    class Fill(val text: String) : Question

    /** Token classification. */
    class Tag(val text: String) : Question

    /** Question answering. */
    class Ask(val question: String, val passage: String) : Question

    /** Multiple choice. */
    class Choose(val text: String, val choices: List<String>) : Question

    /** Text classification by labels that the user has typed. */
    class ZeroShot(val text: String, val labels: List<String>) : Question

    /** The lines that are nearest to a query. */
    class Search(val query: String, val lines: List<String>) : Question

    /** Similarity of two texts. */
    class Compare(val first: String, val second: String) : Question
}

/** A label, word or choice with its probability, or a line with its similarity. */
class Scored(val name: String, val score: Double)

/** A model's prediction; offsets count characters (code points). */
sealed interface Prediction {
    /** Labels, words, choices or lines, best first. */
    class Ranking(val items: List<Scored>) : Prediction

    /** Entities, in text order. */
    class Tags(val entities: List<Entity>) : Prediction

    /** An answer: the span from [start] to [end] of the passage. */
    class Passage(val answer: String, val score: Double, val start: Int, val end: Int) : Prediction

    /** The cosine of two sentence vectors. */
    class Similarity(val cosine: Double) : Prediction
}

/** A token of the model's input. */
class Token(val id: Int, val text: String)

/**
 * A prediction and the tokens it was made from.
 *
 * @param rows the input tokens: one row, or one for each choice or text.
 * @param tokensCut number of tokens that were truncated.
 */
class Answer(val prediction: Prediction, val rows: List<List<Token>>, val tokensCut: Int)

/** The vectors of texts that were read before, so that a search answers while the user types. */
class Vectors {
    private val known = object : LinkedHashMap<String, FeatureExtractionResult>(16, 0.75f, true) {
        override fun removeEldestEntry(eldest: Map.Entry<String, FeatureExtractionResult>) = size > MAX_VECTORS
    }

    /** The vector of a text, which the model computes if it is not known. */
    fun of(model: Model, text: String): FeatureExtractionResult =
        known.getOrPut(text) { FeatureExtraction(model).extract(text) }
}

/**
 * Answers a question.
 *
 * @param vectors the vectors that this model has computed before.
 * @throws squeezebertmobile.core.InputError if the inputs are invalid.
 */
fun answer(model: Model, question: Question, vectors: Vectors = Vectors()): Answer = when (question) {
    is Question.Classify -> {
        val result = TextClassification(model).classify(question.text, topK = SHOWN)
        val ranking = Prediction.Ranking(result.labels.map { Scored(it.label, it.score) })
        Answer(ranking, listOf(tokens(model, question.text)), result.tokensCut)
    }
    is Question.Fill -> {
        val result = FillMask(model).fill(question.text, topK = SHOWN)
        // Only the first mask is shown; once the user has filled it, the next one is the first.
        val ranking = Prediction.Ranking(result.masks[0].map { Scored(it.tokenStr, it.score) })
        Answer(ranking, listOf(tokens(model, question.text)), result.tokensCut)
    }
    is Question.Tag -> {
        val result = TokenClassification(model).find(question.text, Aggregation.FIRST)
        Answer(Prediction.Tags(result.entities), listOf(tokens(model, question.text)), result.tokensCut)
    }
    is Question.Ask -> {
        val result = QuestionAnswering(model).answer(question.question, question.passage)
        val best = result.answers[0]
        val passage = Prediction.Passage(best.answer, best.score, best.start, best.end)
        Answer(passage, listOf(tokens(model, question.question, question.passage)), result.tokensCut)
    }
    is Question.Choose -> {
        val result = MultipleChoice(model).choose(question.text, question.choices)
        val ranking = Prediction.Ranking(result.choices.map { Scored(it.choice, it.score) })
        Answer(ranking, question.choices.map { tokens(model, question.text, it) }, result.tokensCut)
    }
    is Question.ZeroShot -> {
        val result = ZeroShot(model).classify(question.text, question.labels)
        val ranking = Prediction.Ranking(result.labels.map { Scored(it.label, it.score) })
        Answer(ranking, listOf(tokens(model, question.text)), result.tokensCut)
    }
    is Question.Search -> {
        val similarity = FeatureExtraction(model)::similarity
        val query = vectors.of(model, question.query)
        val lines = question.lines.map { Scored(it, similarity(query, vectors.of(model, it))) }
        val nearest = Prediction.Ranking(lines.sortedByDescending { it.score }.take(SHOWN))
        Answer(nearest, listOf(tokens(model, question.query)), query.tokensCut)
    }
    is Question.Compare -> {
        val texts = listOf(question.first, question.second)
        val (first, second) = texts.map { FeatureExtraction(model).extract(it) }
        Answer(Prediction.Similarity(first.cosine(second)), texts.map { tokens(model, it) }, maxOf(first.tokensCut, second.tokensCut))
    }
}

private const val SHOWN = 5 // number of labels, words or lines
private const val MAX_VECTORS = 200

private fun tokens(model: Model, text: String, pair: String? = null): List<Token> =
    model.tokenizer.row(text, pair, model.manifest.maxLength).ids().map {
        Token(it, model.tokenizer.tokenOf(it).orEmpty())
    }
