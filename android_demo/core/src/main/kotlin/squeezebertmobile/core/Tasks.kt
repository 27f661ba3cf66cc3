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
