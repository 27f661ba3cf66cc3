package squeezebertmobile.runner

import squeezebertmobile.core.FeatureExtraction
import squeezebertmobile.core.FillMask
import squeezebertmobile.core.Model
import squeezebertmobile.core.MultipleChoice
import squeezebertmobile.core.QuestionAnswering
import squeezebertmobile.core.TextClassification
import squeezebertmobile.core.TokenClassification
import squeezebertmobile.core.items
import squeezebertmobile.core.record
import squeezebertmobile.core.text

/** What a model is asked: a text, with a question about it or choices where the task has them. */
class Text(val text: String, val question: String? = null, val choices: List<String>? = null)

internal val TEXT = record(
    mapOf("text" to text(), "question" to text(), "choices" to items(text())),
    optional = setOf("question", "choices"),
)

internal fun textOf(data: Map<String, Any?>) = Text(
    data["text"] as String,
    data["question"] as String?,
    (data["choices"] as List<*>?)?.map { it as String },
)

/** Answers a text as an app does: tokenizes it, runs the model, and reads the answer. */
internal fun answer(model: Model, text: Text): Any = when (model.manifest.task) {
    "feature-extraction" -> FeatureExtraction(model).extract(text.text)
    "fill-mask" -> FillMask(model).fill(text.text)
    "multiple-choice" -> MultipleChoice(model).choose(text.text, text.choices.orEmpty())
    "question-answering" -> QuestionAnswering(model).answer(text.question.orEmpty(), text.text)
    "token-classification" -> TokenClassification(model).find(text.text)
    else -> TextClassification(model).classify(text.text)
}
