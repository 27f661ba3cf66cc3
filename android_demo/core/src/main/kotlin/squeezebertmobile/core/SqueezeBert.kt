package squeezebertmobile.core

import java.io.File
import java.util.concurrent.locks.ReentrantLock

/**
 * A loaded artifact that answers in its task.
 *
 *     SqueezeBert.load(folder).use { println(it.classify("play some jazz")) }
 *
 * The methods are those of the task classes, such as [TextClassification]; a method of another task
 * throws an [InputError] that names the right one. Zero-shot classification ([zeroShot]) needs a text
 * classifier of natural language inference.
 *
 * Thread-safe: calls from several threads run one after another. Call it from a worker thread, as an
 * answer takes milliseconds. An interrupt of that thread ends a call before its next run of the model
 * with an [InterruptedException]; so `runInterruptible` of kotlinx-coroutines makes every method a
 * suspending one that can be cancelled, and `Future.cancel(true)` works too.
 *
 * @property artifact the artifact's folder and manifest.
 */
class SqueezeBert private constructor(val artifact: Artifact, session: Session) : AutoCloseable {
    private val lock = ReentrantLock()
    private val interruptible = InterruptibleSession(session)
    private val model = Model(artifact.manifest, tokenizerOf(artifact), interruptible)
    private var isClosed = false

    /** The task, format, labels and limits of the model. */
    val manifest: Manifest get() = artifact.manifest

    /** The placeholder for [fill], such as `[MASK]`. */
    val maskToken: String get() = model.tokenizer.maskToken

    /** See [TextClassification.classify]. */
    @JvmOverloads
    fun classify(
        text: String,
        pair: String? = null,
        topK: Int? = 1,
        functionToApply: String? = null,
    ): TextClassificationResult = ask { TextClassification(model).classify(text, pair, topK, functionToApply) }

    /** See [TokenClassification.find]. */
    @JvmOverloads
    fun find(
        text: String,
        aggregation: Aggregation = Aggregation.FIRST,
        ignoredLabels: Set<String> = setOf("O"),
    ): TokenClassificationResult = ask { TokenClassification(model).find(text, aggregation, ignoredLabels) }

    /** See [QuestionAnswering.answer]. */
    @JvmOverloads
    fun answer(
        question: String,
        context: String,
        topK: Int? = 1,
        handleImpossibleAnswer: Boolean = false,
    ): QuestionAnsweringResult = ask {
        QuestionAnswering(model).answer(question, context, topK, handleImpossibleAnswer = handleImpossibleAnswer)
    }

    /** See [FillMask.fill]. */
    @JvmOverloads
    fun fill(text: String, topK: Int? = 5, targets: List<String>? = null): FillMaskResult =
        ask { FillMask(model).fill(text, topK, targets) }

    /** See [MultipleChoice.choose]. */
    fun choose(text: String, choices: List<String>): MultipleChoiceResult =
        ask { MultipleChoice(model).choose(text, choices) }

    /** See [FeatureExtraction.extract]. */
    @JvmOverloads
    fun extract(text: String, pair: String? = null, promptName: String? = null): FeatureExtractionResult =
        ask { FeatureExtraction(model).extract(text, pair, promptName) }

    /** See [FeatureExtraction.similarity]. */
    fun similarity(first: FeatureExtractionResult, second: FeatureExtractionResult): Double =
        ask { FeatureExtraction(model).similarity(first, second) }

    /** See [ZeroShot.classify]. */
    @JvmOverloads
    fun zeroShot(
        text: String,
        candidateLabels: List<String>,
        hypothesisTemplate: String = DEFAULT_TEMPLATE,
        multiLabel: Boolean = false,
        entailmentLabel: String? = null,
    ): ZeroShotResult = ask {
        ZeroShot(model, entailmentLabel).classify(text, candidateLabels, hypothesisTemplate, multiLabel)
    }

    /**
     * Compares this device's ids and outputs with those that the artifact has from its export. It takes
     * eight runs of the model: call it once after a download.
     *
     * @throws ArtifactError if they differ.
     */
    fun verify() = ask {
        val golden = artifact.golden()
        checkGoldenIds(model.tokenizer, golden)
        val wrong = checkGolden(interruptible, manifest, golden).firstOrNull { !it.holds } ?: return@ask
        throw ArtifactError(
            "this device's outputs differ from the golden outputs: ${wrong.output} is off by ${wrong.maxAbsDiff}, " +
                "more than the tolerance of ${wrong.tolerance}; export the checkpoint again",
        )
    }

    /** Frees the model, once a running call has ended. Later calls throw an [IllegalStateException]. */
    override fun close() {
        lock.lock()
        try {
            if (!isClosed) interruptible.close()
            isClosed = true
        } finally {
            lock.unlock()
        }
    }

    override fun toString(): String =
        "SqueezeBert(${manifest.task}, ${manifest.modelType}, ${manifest.format} ${manifest.precision})"

    private fun <T> ask(work: () -> T): T {
        lock.lockInterruptibly()
        try {
            check(!isClosed) { "$this is closed; load the artifact again" }
            return work()
        } finally {
            lock.unlock()
        }
    }

    companion object {
        /**
         * Loads the artifact in [folder].
         *
         * @param threads number of threads for one inference.
         * @param checksums whether to read every file and compare its SHA-256, as after a download.
         * @throws ArtifactError if a file is missing, changed or damaged; the message says what to do.
         * @throws ModelError if the runtime cannot load the model.
         * @throws LibraryError if the runtime's library is missing or too old.
         */
        @JvmStatic
        @JvmOverloads
        fun load(folder: File, threads: Int = 1, checksums: Boolean = true): SqueezeBert {
            val artifact = Artifact.open(folder, checksums)
            val session = openSession(artifact, threads)
            try {
                return SqueezeBert(artifact, session)
            } catch (error: ArtifactError) { // of the tokenizer
                session.close()
                throw error
            }
        }
    }
}

/** A session that ends with an [InterruptedException] if its thread was interrupted before a run. */
private class InterruptibleSession(private val session: Session) : Session by session {
    override fun run(feed: Feed): Map<String, FloatTensor> {
        if (Thread.interrupted()) throw InterruptedException("the answer was cancelled")
        return session.run(feed)
    }
}
