package squeezebertmobile.core

import org.junit.Assert.assertEquals
import org.junit.Assert.assertFalse
import org.junit.Assert.assertThrows
import org.junit.Assert.assertTrue
import org.junit.Rule
import org.junit.Test
import org.junit.rules.TemporaryFolder
import java.io.File
import java.util.concurrent.CountDownLatch
import java.util.concurrent.ExecutionException
import java.util.concurrent.Executors

/** The one object that an app needs. */
class SqueezeBertTest {
    @get:Rule
    val temporary = TemporaryFolder()

    private fun load(name: String) = SqueezeBert.load(ARTIFACTS.getValue(name))

    @Test
    fun `an artifact is loaded and answers in one call`() {
        load("demo").use {
            val result = it.classify("wake me at half past six.")
            assertEquals("set_alarm", result.labels.single().label)
            assertEquals("labels [set_alarm ${rounded(result.labels[0].score)}]", "$result")
            assertEquals("SqueezeBert(text-classification, squeezebert, onnx int8)", "$it")
            it.verify()
        }
    }

    @Test
    fun `every task answers as its class does`() {
        val text = "what [MASK] is it, Dog?"
        fun assertSame(name: String, ours: (SqueezeBert) -> Any, theirs: (Model) -> Any) {
            val artifact = artifact(name)
            openSession(artifact, threads = 1).use { session ->
                val expected = theirs(Model(artifact.manifest, tokenizerOf(artifact), session))
                load(name).use { assertEquals("$expected", "${ours(it)}") }
            }
        }
        assertSame("text-classification", { it.classify(text, "a", 3) }, { TextClassification(it).classify(text, "a", 3) })
        assertSame("token-classification", { it.find(text) }, { TokenClassification(it).find(text, Aggregation.FIRST) })
        assertSame("question-answering", { it.answer(text, "a dog, a cat", 2) }, { QuestionAnswering(it).answer(text, "a dog, a cat", 2) })
        assertSame("fill-mask", { it.fill(text, 2) }, { FillMask(it).fill(text, 2) })
        assertSame("multiple-choice", { it.choose(text, listOf("a", "the dog")) }, { MultipleChoice(it).choose(text, listOf("a", "the dog")) })
        assertSame("feature-extraction", { it.extract(text) }, { FeatureExtraction(it).extract(text) })
        assertSame(
            "fp32",
            { it.zeroShot(text, listOf("dog", "cat"), entailmentLabel = "O") },
            { ZeroShot(it, "O").classify(text, listOf("dog", "cat")) },
        )
        load("feature-extraction").use {
            val (first, second) = it.extract("a dog") to it.extract("a cat")
            assertEquals(first.cosine(second), it.similarity(first, second), 1e-9)
        }
        load("fill-mask").use { assertEquals("[MASK]", it.maskToken) }
    }

    @Test
    fun `results can be read`() {
        assertEquals("labels [rain 0.9813, sun 0.0187]", "${TextClassificationResult(listOf(Label("rain", 0.98129), Label("sun", 0.01871)), 0)}")
        assertEquals("labels [yes 1.0000], 7 tokens were cut", "${ZeroShotResult(listOf(Label("yes", 1.0)), 7)}")
        assertEquals("entities [PER 'Ada' 3..6 0.5000]", "${TokenClassificationResult(listOf(Entity("PER", 0.5, "Ada", 3, 6, null)), 0)}")
        assertEquals("answers ['at six' 4..10 0.2500]", "${QuestionAnsweringResult(listOf(Answer("at six", 0.25, 4, 10)), 0)}")
        assertEquals("masks [['dog' 0.7000]]", "${FillMaskResult(listOf(listOf(Fill("dog", 0.7, 12, "a dog"))), 0)}")
        assertEquals("choices ['it rains' 0.6000]", "${MultipleChoiceResult(listOf(Choice("it rains", 0.6, 1)), 0)}")
        val vectors = FloatTensor(intArrayOf(0, 0), FloatArray(0))
        assertEquals(
            "vector of 5 [1.0000, 2.0000, 3.0000, 4.0000, …] of 2 tokens",
            "${FeatureExtractionResult(floatArrayOf(1f, 2f, 3f, 4f, 5f), listOf("a", "b"), vectors, 0)}",
        )
        assertEquals("vector of 1 [0.5000] of 1 tokens", "${FeatureExtractionResult(floatArrayOf(0.5f), listOf("a"), vectors, 0)}")
    }

    @Test
    fun `a method of another task names the right one`() {
        val calls = mapOf<String, (SqueezeBert) -> Any>(
            "text-classification" to { it.classify("a") },
            "token-classification" to { it.find("a") },
            "question-answering" to { it.answer("a", "b") },
            "fill-mask" to { it.fill("a [MASK]") },
            "multiple-choice" to { it.choose("a", listOf("b", "c")) },
            "feature-extraction" to { it.extract("a") },
        )
        val methods = mapOf(
            "text-classification" to ("classify" to "TextClassification"),
            "token-classification" to ("find" to "TokenClassification"),
            "question-answering" to ("answer" to "QuestionAnswering"),
            "fill-mask" to ("fill" to "FillMask"),
            "multiple-choice" to ("choose" to "MultipleChoice"),
            "feature-extraction" to ("extract" to "FeatureExtraction"),
        )
        assertEquals(TASKS.keys, calls.keys)
        for (name in TASKS.keys) {
            load(name).use { model ->
                for ((task, call) in calls - name) {
                    val error = assertThrows(InputError::class.java) { call(model) }
                    val (method, kind) = methods.getValue(name)
                    assertEquals(
                        "this artifact is for $name, not for $task; call $method() of SqueezeBert or of $kind, or export a " +
                            "checkpoint with --task $task",
                        error.message,
                    )
                }
                calls.getValue(name)(model)
            }
        }
        load("fill-mask").use { model ->
            val error = assertThrows(InputError::class.java) { model.zeroShot("a", listOf("b")) }
            assertTrue(error.message, error.message!!.startsWith("this artifact is for fill-mask, not for text-classification; "))
        }
    }

    @Test
    fun `a closed model says so, and can be closed again`() {
        val model = load("demo")
        model.close()
        model.close()
        for (call in listOf<() -> Any>({ model.classify("a") }, { model.verify() })) {
            val error = assertThrows(IllegalStateException::class.java) { call() }
            assertEquals("SqueezeBert(text-classification, squeezebert, onnx int8) is closed; load the artifact again", error.message)
        }
    }

    @Test
    fun `an artifact that cannot be loaded is refused`() {
        val nowhere = assertThrows(ArtifactError::class.java) { SqueezeBert.load(File("/nowhere")) }
        assertEquals("no such artifact folder: '/nowhere'", nowhere.message)
        val copy = File(temporary.root, "copy").also { ARTIFACTS.getValue("demo").copyRecursively(it) }
        val golden = File(copy, GOLDEN_FILE)
        // Of the same size, so that only a checksum can tell.
        val firstDigit = Regex("(?<=\"values\": \\[\\s{0,9}-?)[0-9]")
        golden.writeText(golden.readText().replace(firstDigit) { if (it.value == "9") "1" else "9" })
        val changed = assertThrows(ArtifactError::class.java) { SqueezeBert.load(copy) }
        assertTrue(changed.message, changed.message!!.contains("golden.json' has changed since the export"))
        SqueezeBert.load(copy, checksums = false).use {
            val wrong = assertThrows(ArtifactError::class.java) { it.verify() }
            assertTrue(wrong.message, wrong.message!!.startsWith("this device's outputs differ from the golden outputs: logits is off by "))
        }
        assertThrows(InputError::class.java) { SqueezeBert.load(copy, threads = 0, checksums = false) }
        File(copy, TOKENIZER_FILE).run { writeText(readText().replaceFirst("{", "[")) }
        val tokenizer = assertThrows(ArtifactError::class.java) { SqueezeBert.load(copy, checksums = false) }
        assertTrue(tokenizer.message, tokenizer.message!!.contains("tokenizer.json"))
    }

    @Test
    fun `threads take turns`() {
        load("demo").use { model ->
            val pool = Executors.newFixedThreadPool(4)
            try {
                val texts = listOf("wake me at half past six.", "music", "yes yes no", "turn on the light")
                val alone = texts.map { "${model.classify(it)}" }
                val answers = List(80) { pool.submit<String> { "${model.classify(texts[it % 4])}" } }
                answers.forEachIndexed { index, answer -> assertEquals(alone[index % 4], answer.get()) }
            } finally {
                pool.shutdownNow()
            }
        }
    }

    @Test
    fun `an interrupt ends an answer of many runs`() {
        val artifact = artifact("fp32")
        load("fp32").use { model ->
            val pool = Executors.newSingleThreadExecutor()
            try {
                val labels = List(1_000_000 / artifact.manifest.maxLength) { "dog" }
                val running = CountDownLatch(1)
                val answer = pool.submit<ZeroShotResult> {
                    running.countDown()
                    model.zeroShot("a", labels, entailmentLabel = "O")
                }
                running.await()
                assertTrue(answer.cancel(true))
                // The next answer of this thread is not disturbed; it waits for the cancelled one to end.
                val next = pool.submit<TextClassificationResult> { model.classify("a") }
                assertEquals(1, next.get().labels.size)
                val interrupted = pool.submit<Any> {
                    Thread.currentThread().interrupt()
                    model.classify("a")
                }
                val error = assertThrows(ExecutionException::class.java) { interrupted.get() }
                assertTrue("${error.cause}", error.cause is InterruptedException)
                assertFalse(pool.submit<Boolean> { Thread.currentThread().isInterrupted }.get())
            } finally {
                pool.shutdownNow()
            }
        }
    }
}
