package squeezebertmobile.core

/** The inputs of every model (int64), in this order. */
internal val INPUT_NAMES = listOf("input_ids", "attention_mask", "token_type_ids")

/** Outputs that not every model of a task has: an encoder may have no pooler. */
internal val OPTIONAL_OUTPUTS = setOf("pooler_output")

/** A task: the axes of its inputs, and the axes of each float32 output, optional ones too. */
internal class Task(val inputAxes: List<String>, val outputs: Map<String, List<String>>)

private val TOKENS = listOf("batch", "sequence")

/** The six tasks, by their Hugging Face names. */
internal val TASKS = mapOf(
    "feature-extraction" to Task(
        TOKENS,
        mapOf(
            "last_hidden_state" to listOf("batch", "sequence", "hidden"),
            "pooler_output" to listOf("batch", "hidden"),
        ),
    ),
    "fill-mask" to Task(TOKENS, mapOf("logits" to listOf("batch", "sequence", "vocab"))),
    "text-classification" to Task(TOKENS, mapOf("logits" to listOf("batch", "labels"))),
    "multiple-choice" to Task(
        listOf("batch", "choices", "sequence"),
        mapOf("logits" to listOf("batch", "choices")),
    ),
    "token-classification" to Task(TOKENS, mapOf("logits" to listOf("batch", "sequence", "labels"))),
    "question-answering" to Task(TOKENS, mapOf("start_logits" to TOKENS, "end_logits" to TOKENS)),
)

/** The class and method that answer in each task; [SqueezeBert] has a method of the same name. */
private val METHODS = mapOf(
    "feature-extraction" to "FeatureExtraction.extract",
    "fill-mask" to "FillMask.fill",
    "text-classification" to "TextClassification.classify",
    "multiple-choice" to "MultipleChoice.choose",
    "token-classification" to "TokenClassification.find",
    "question-answering" to "QuestionAnswering.answer",
)

/** @throws InputError if the model is of another task. */
internal fun checkTask(model: Model, task: String) {
    val ours = model.manifest.task
    if (ours == task) return
    val (kind, method) = METHODS.getValue(ours).split('.')
    throw InputError(
        "this artifact is for $ours, not for $task; call $method() of SqueezeBert or of $kind, or export a " +
            "checkpoint with --task $task",
    )
}
