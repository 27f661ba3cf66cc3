package squeezebertmobile.core

import org.junit.Assert.assertEquals
import org.junit.Assert.assertThrows
import org.junit.Test
import kotlin.math.abs

/** Every task's answers against the Python pipelines'. */
class TasksTest {
    private val cases = (Json.parse(readUtf8(expected("answers.json"))) as List<*>).map { it.asRecord() }

    @Test
    fun `the same outputs of the model give the same answers`() {
        for (case in cases) {
            val artifact = artifact(case.text("artifact"))
            val session = ReplayedSession(case.records("runs"))
            val model = Model(artifact.manifest, tokenizerOf(artifact), session)
            assertClose(case.text("artifact"), case["result"], answer(model, case), tolerance = 1e-7)
            assertEquals(case.text("artifact"), case.records("runs").size, session.used)
        }
    }

    /** In int8, another version of ONNX Runtime is off in the third digit; zero-shot cases are fp32. */
    @Test
    fun `real inference gives the same answers`() {
        for (name in cases.map { it.text("artifact") }.toSet()) {
            val artifact = artifact(name)
            openSession(artifact, threads = 1).use { session ->
                val model = Model(artifact.manifest, tokenizerOf(artifact), session)
                for (case in cases.filter { it["artifact"] == name }) {
                    val tolerance = if ("candidate_labels" in case.record("call")) 1e-5 else 0.01
                    assertClose(name, case["result"], answer(model, case), tolerance)
                }
            }
        }
    }

    @Test
    fun `invalid texts and options are refused`() {
        val byTask = cases.map { it.text("task") to it.text("artifact") }.toMap().mapValues { (_, name) ->
            artifact(name).let { Model(it.manifest, tokenizerOf(it), ReplayedSession(emptyList())) }
        }
        val texts = TextClassification(byTask.getValue("text-classification"))
        val masks = FillMask(byTask.getValue("fill-mask"))
        val questions = QuestionAnswering(byTask.getValue("question-answering"))
        val choices = MultipleChoice(byTask.getValue("multiple-choice"))
        val functions = "choose from: softmax, sigmoid, none"
        assertRefused("the text is empty; give at least one word") { texts.classify(" \u3000\n") }
        assertRefused("the pair is empty; give at least one word") { texts.classify("a", "") }
        assertRefused("topK=0 must be at least 1") { texts.classify("a", topK = 0) }
        assertRefused("unknown function 'max'; $functions") { texts.classify("a", functionToApply = "max") }
        assertRefused("the text has no [MASK]; put it where a word goes") { masks.fill("a [mask]") }
        assertRefused(
            "the [MASK] is beyond the 40 tokens that this model takes; shorten the text before it",
        ) { masks.fill("a ".repeat(40) + "[MASK]") }
        assertRefused("targets is empty; give at least one word, or leave it out") {
            masks.fill("[MASK]", targets = emptyList())
        }
        assertRefused("the target '\\u0007' has no token; use a word") {
            masks.fill("[MASK]", targets = listOf("\u0007"))
        }
        assertRefused("maxAnswerLength=0 must be at least 1") { questions.answer("a", "b", maxAnswerLength = 0) }
        assertRefused("stride=-1 must be at least 0") { questions.answer("a", "b", stride = -1) }
        assertRefused("maxSequenceLength=4 must be at least 5") { questions.answer("a", "b", maxSequenceLength = 4) }
        assertRefused("maxSequenceLength=41 is more than the 40 tokens that this model takes") {
            questions.answer("a", "b", maxSequenceLength = 41)
        }
        assertRefused("the question is empty; give at least one word") { questions.answer("", "b") }
        assertRefused("the context contains no words: '\\u0007'") { questions.answer("a", "\u0007") }
        assertRefused("there must be at least two choices, not 1") { choices.choose("a", listOf("b")) }
        assertRefused("the choice is empty; give at least one word") { choices.choose("a", listOf("b", "\t")) }
    }

    @Test
    fun `entailment is found by its name, in any case of letters`() {
        val case = cases.first { it.record("call")["entailment_label"] == "I-LOC" }
        val call = case.record("call")
        for (name in listOf("entailment", "ENTAILMENT", "Entails", "entailed")) {
            val labels = listOf("contradiction", "neutral", "not_entailment", "no", name)
            val model = nli(labels, ReplayedSession(case.records("runs")))
            val found = ZeroShot(model).classify(
                call.text("texts"),
                call.texts("candidate_labels").orEmpty(),
                multiLabel = true,
            )
            assertClose(name, case["result"], zeroShotResult(found), tolerance = 1e-7)
        }
    }

    @Test
    fun `zero-shot classification refuses what it cannot do`() {
        val none = ReplayedSession(emptyList())
        val three = listOf("contradiction", "neutral", "entailment")
        val hint = "if this is a model of natural language inference, name its label with entailmentLabel"
        assertRefused("no label is called entailment (LABEL_0, LABEL_1); $hint") {
            ZeroShot(nli(listOf("LABEL_0", "LABEL_1"), none))
        }
        assertRefused("several labels are called entailment (entailed, entailment); $hint") {
            ZeroShot(nli(listOf("entailed", "entailment"), none))
        }
        assertRefused("no label is called entailment (0, 1, 2, 3, 4, 5, 6, 7, 8, 9, …); $hint") {
            ZeroShot(nli(List(11) { "$it" }, none))
        }
        for (labels in listOf(null, listOf("entailment"))) {
            assertRefused(
                "zero-shot classification needs a model of natural language inference, with a label for " +
                    "entailment and one for contradiction; this model has ${labels ?: "[]"}",
            ) { ZeroShot(nli(labels, none)) }
        }
        assertRefused("unknown entailmentLabel 'entails'; choose from: ${three.joinToString()}") {
            ZeroShot(nli(three, none), "entails")
        }
        val model = ZeroShot(nli(three, none))
        assertRefused("candidateLabels is empty; give at least one label") { model.classify("a", emptyList()) }
        assertRefused("the candidate label is empty; give at least one word") { model.classify("a", listOf("b", " ")) }
        assertRefused("the text is empty; give at least one word") { model.classify("\t", listOf("b")) }
        for (template in listOf("", "a", "{} {}", "{0}", "{label}", "{{}}", "{}}", "{ }", "} {}")) {
            assertRefused(
                "hypothesisTemplate='$template' must contain {} once, where the label goes, such as " +
                    "'This example is {}.'",
            ) { model.classify("a", listOf("b"), template) }
        }
        val long = List(37) { "a" }.joinToString(" ")
        assertRefused(
            "the hypothesis '$long' has 37 tokens, which leaves no room for a text in the 40 that this model " +
                "takes; use a shorter label",
        ) { model.classify("a", listOf("b", long), "{}") }
    }

    /** The tiny artifact in fp32 with other labels. */
    private fun nli(labels: List<String>?, session: Session): Model {
        val artifact = artifact("fp32")
        val manifest = artifact.manifest.run {
            Manifest(
                task, labels, problemType, modelType, vocabSize, weights, format, precision, inputs, outputs,
                maxSequenceLength, sentenceVector, sourceName, files,
            )
        }
        return Model(manifest, tokenizerOf(artifact), session)
    }

    private fun assertRefused(message: String, ask: () -> Unit) {
        assertEquals(message, assertThrows(InputError::class.java) { ask() }.message)
    }
}

/** Gives what the model gave in Python, after it has seen the same inputs. */
internal class ReplayedSession(private val runs: List<Map<String, Any?>>) : Session {
    var used = 0

    override fun run(feed: Feed): Map<String, FloatTensor> {
        val run = runs.first { it.record("inputs")["input_ids"].asLongs().contentEquals(feed.inputIds) }
        val inputs = run.record("inputs")
        assertEquals(INPUT_NAMES.map { inputs[it].asLongs().toList() }, feed.inputs.map { it.toList() })
        assertEquals(run["shape"], feed.shape.toList())
        used++
        return run.record("outputs").mapValues { (_, output) ->
            val record = output.asRecord()
            val values = (record["values"] as List<*>).map { (it as Number).toFloat() }.toFloatArray()
            FloatTensor(record["shape"].asInts(), values)
        }
    }

    override fun prepare(feed: Feed) = throw UnsupportedOperationException()

    override fun close() = Unit
}

/** What our task answers to a call of the Python pipeline, with the names of its results. */
private fun answer(model: Model, case: Map<String, Any?>): Map<String, Any?> {
    val call = case.record("call")
    val input = call["texts"]
    val text = (input as? Map<*, *>)?.get("text") as String? ?: input as? String ?: ""
    val pair = (input as? Map<*, *>)?.get("text_pair") as String?
    fun option(name: String, usual: Int?) = if (name in call) (call[name] as Long?)?.toInt() else usual
    if ("candidate_labels" in call) {
        return zeroShotResult(
            ZeroShot(model, call.text("entailment_label")).classify(
                text,
                call.texts("candidate_labels").orEmpty(),
                call["hypothesis_template"] as String? ?: "This example is {}.",
                call["multi_label"] == true,
            ),
        )
    }
    return when (model.manifest.task) {
        "text-classification" -> TextClassification(model)
            .classify(text, pair, option("top_k", 1), call["function_to_apply"] as String?)
            .let { found -> result(found.tokensCut, "labels" to found.labels.map { label(it) }) }
        "token-classification" -> TokenClassification(model)
            .find(
                text,
                Aggregation.valueOf(call.text("aggregation_strategy").uppercase()),
                call.texts("ignore_labels").orEmpty().toSet(),
            )
            .let { found -> result(found.tokensCut, "entities" to found.entities.map { entity(it) }) }
        "question-answering" -> QuestionAnswering(model)
            .answer(
                call.text("question"),
                call.text("context"),
                option("top_k", 1),
                option("max_answer_len", 15) ?: 0,
                call["handle_impossible_answer"] == true,
                option("max_seq_len", null),
                option("doc_stride", 128) ?: 0,
            )
            .let { found -> result(found.tokensCut, "answers" to found.answers.map { answer(it) }) }
        "fill-mask" -> FillMask(model).fill(text, option("top_k", 5), call.texts("targets"))
            .let { found -> result(found.tokensCut, "masks" to found.masks.map { each -> each.map { fill(it) } }) }
        "multiple-choice" -> MultipleChoice(model).choose(text, call.texts("choices").orEmpty())
            .let { found -> result(found.tokensCut, "choices" to found.choices.map { choice(it) }) }
        else -> FeatureExtraction(model).extract(text, pair).let { found ->
            result(
                found.tokensCut,
                "sentence" to found.sentence.map { it.toDouble() },
                "tokens" to found.tokens,
                "vectors" to found.vectors.rows().map { row -> row.values.map { it.toDouble() } },
            )
        }
    }
}

private fun zeroShotResult(found: ZeroShotResult) =
    result(found.tokensCut, "labels" to found.labels.map { label(it) })

private fun result(tokensCut: Int, vararg fields: Pair<String, Any?>): Map<String, Any?> =
    mapOf("truncated" to (tokensCut > 0), "tokens_cut" to tokensCut.toLong()) + fields

private fun label(it: Label) = mapOf("label" to it.label, "score" to it.score)

private fun entity(it: Entity) = mapOf(
    "label" to it.label,
    "score" to it.score,
    "word" to it.word,
    "start" to it.start.toLong(),
    "end" to it.end.toLong(),
    "index" to it.index?.toLong(),
)

private fun answer(it: Answer) =
    mapOf("answer" to it.answer, "score" to it.score, "start" to it.start.toLong(), "end" to it.end.toLong())

private fun fill(it: Fill) =
    mapOf("token_str" to it.tokenStr, "score" to it.score, "token" to it.token.toLong(), "sequence" to it.sequence)

private fun choice(it: Choice) = mapOf("choice" to it.choice, "score" to it.score, "index" to it.index.toLong())

private fun assertClose(where: String, theirs: Any?, ours: Any?, tolerance: Double) {
    when (theirs) {
        is Map<*, *> -> {
            assertEquals(where, theirs.keys, (ours as Map<*, *>).keys)
            theirs.forEach { (key, value) -> assertClose("$where.$key", value, ours[key], tolerance) }
        }
        is List<*> -> {
            assertEquals(where, theirs.size, (ours as List<*>).size)
            theirs.forEachIndexed { index, value -> assertClose("$where.$index", value, ours[index], tolerance) }
        }
        is Double -> {
            val difference = abs(theirs - ours as Double)
            check(difference <= tolerance) { "$where: $ours is not $theirs (differs by $difference)" }
        }
        else -> assertEquals(where, theirs, ours)
    }
}
