package squeezebertmobile.app

import org.junit.Assert.assertEquals
import org.junit.Assert.assertTrue
import org.junit.Test
import squeezebertmobile.app.data.Answer
import squeezebertmobile.app.data.Prediction
import squeezebertmobile.app.data.Question
import squeezebertmobile.app.data.answer
import squeezebertmobile.core.Artifact
import squeezebertmobile.core.Model
import squeezebertmobile.core.asRecord
import squeezebertmobile.core.openSession
import squeezebertmobile.core.tokenizerOf

/** The app's answers equal those of the Python pipelines. */
class AnswersTest {
    private fun <T> withModel(name: String, work: (Model) -> T): T {
        val artifact = Artifact.open(goldenFolder(name))
        return openSession(artifact, threads = 1).use { work(Model(artifact.manifest, tokenizerOf(artifact), it)) }
    }

    private fun forEach(task: String, check: (case: Case, answer: Answer) -> Unit) {
        val cases = CASES.filter { it["task"] == task }.map { Case(it) }.filter { it.question != null }
        assertTrue("$task: ${cases.size}", cases.size >= 2)
        withModel(cases[0].name) { model ->
            for (case in cases) {
                val answer = answer(model, checkNotNull(case.question))
                val ours = answer.rows.map { row -> row.map { it.id.toLong() } }
                // A long passage is read in windows, but its tokens are shown from the start.
                if (task != "question-answering" || case.ids.size == 1) assertEquals(case.ids, ours)
                check(case, answer)
            }
        }
    }

    private fun assertRanking(case: Case, field: String, name: String, theirs: List<Map<String, Any?>>, answer: Answer) {
        val ours = (answer.prediction as Prediction.Ranking).items
        assertEquals("$field of ${case.name}", theirs.take(ours.size).map { it[name] }, ours.map { it.name })
        ours.zip(theirs) { our, their -> assertEquals(case.number(their["score"]), our.score, case.tolerance) }
    }

    @Test
    fun `labels, their order and their scores`() = forEach("text-classification") { case, answer ->
        assertRanking(case, "labels", "label", case.records("labels"), answer)
    }

    @Test
    fun `words for a mask`() = forEach("fill-mask") { case, answer ->
        val first = (case.result["masks"] as List<*>)[0] as List<*>
        assertRanking(case, "masks", "token_str", first.map { it.asRecord() }, answer)
    }

    @Test
    fun `choices, their order and their scores`() = forEach("multiple-choice") { case, answer ->
        assertRanking(case, "choices", "choice", case.records("choices"), answer)
    }

    @Test
    fun `labelled words and their places`() = forEach("token-classification") { case, answer ->
        val ours = (answer.prediction as Prediction.Tags).entities
        val theirs = case.records("entities")
        assertEquals(
            theirs.map { listOf(it["label"], it["word"], it["start"], it["end"]) },
            ours.map { listOf(it.label, it.word, it.start.toLong(), it.end.toLong()) },
        )
        ours.zip(theirs) { our, their -> assertEquals(case.number(their["score"]), our.score, case.tolerance) }
    }

    @Test
    fun `an answer and its place`() = forEach("question-answering") { case, answer ->
        val ours = answer.prediction as Prediction.Passage
        val best = case.records("answers")[0]
        assertEquals(listOf(best["answer"], best["start"], best["end"]), listOf(ours.answer, ours.start.toLong(), ours.end.toLong()))
        assertEquals(case.number(best["score"]), ours.score, case.tolerance)
    }

    @Test
    fun `similarity of two sentences`() {
        val cases = CASES.filter { it["task"] == "feature-extraction" }.map { Case(it) }
        withModel("feature-extraction") { model ->
            for ((one, other) in cases.zipWithNext()) {
                val answer = answer(model, Question.Compare(one.text("texts"), other.text("texts")))
                assertEquals(one.ids + other.ids, answer.rows.map { row -> row.map { it.id.toLong() } })
                val theirs = one.vector.zip(other.vector) { a, b -> a * b }.sum()
                assertEquals(theirs, (answer.prediction as Prediction.Similarity).cosine, 2 * one.tolerance)
            }
        }
    }
}

/** A case of answers.json. */
internal class Case(private val data: Map<String, Any?>) {
    val name = data["artifact"] as String
    val result = data["result"].asRecord()
    val tolerance = number(data["tolerance"])
    val ids = data["ids"] as List<*>
    private val call = data["call"].asRecord()

    /** The app's question, or null if the case uses options that the app does not have. */
    val question: Question? = when (data["task"]) {
        "text-classification" -> Question.Classify(text("texts"))
        "fill-mask" -> Question.Fill(text("texts"))
        "token-classification" -> Question.Tag(text("texts")).takeIf { call["aggregation_strategy"] == "first" }
        "question-answering" -> Question.Ask(text("question"), text("context")).takeIf { "doc_stride" !in call }
        "multiple-choice" -> Question.Choose(text("texts"), (call["choices"] as List<*>).map { it as String })
        else -> null
    }

    fun text(name: String) = call[name] as String

    fun records(name: String): List<Map<String, Any?>> = (result[name] as List<*>).map { it.asRecord() }

    fun number(value: Any?): Double = (value as Number).toDouble()

    val vector: List<Double> get() = (result["sentence"] as List<*>).map { number(it) }
}
