package squeezebertmobile.app.screens

import android.view.View
import squeezebertmobile.app.R
import squeezebertmobile.app.data.Prediction
import squeezebertmobile.app.data.Question
import squeezebertmobile.core.Manifest

/**
 * The part of a screen that depends on the task: its inputs, and how a prediction is shown.
 *
 * To add a task, write a layout and a class like [ClassifyScreen], and add it to [SCREENS].
 */
interface TaskScreen {
    /** The question made from the current inputs, or null if one of them is empty. */
    fun question(): Question?

    /** Shows a prediction; null clears the previous one. */
    fun show(prediction: Prediction?)
}

/**
 * How to create a screen of a task.
 *
 * @param task name of the task, as in the manifest.
 * @param title string resource of the title.
 * @param layout layout resource with the inputs and the views for the prediction.
 * @param create creates the screen from its root view; the screen calls `changed` when an input changes.
 */
class ScreenKind(
    val task: String,
    val title: Int,
    val layout: Int,
    val create: (root: View, changed: () -> Unit) -> TaskScreen,
)

/** The screens, by a name that intents contain. */
val SCREENS: Map<String, ScreenKind> = mapOf(
    "zero-shot" to ScreenKind("text-classification", R.string.zero_shot, R.layout.screen_zero_shot, ::ZeroShotScreen),
    "classify" to ScreenKind("text-classification", R.string.classify, R.layout.screen_classify, ::ClassifyScreen),
    "fill" to ScreenKind("fill-mask", R.string.fill, R.layout.screen_fill, ::FillScreen),
    "tag" to ScreenKind("token-classification", R.string.tag, R.layout.screen_tag, ::TagScreen),
    "ask" to ScreenKind("question-answering", R.string.ask, R.layout.screen_ask, ::AskScreen),
    "choose" to ScreenKind("multiple-choice", R.string.choose, R.layout.screen_choose, ::ChooseScreen),
    "search" to ScreenKind("feature-extraction", R.string.search, R.layout.screen_search, ::SearchScreen),
    "compare" to ScreenKind("feature-extraction", R.string.compare, R.layout.screen_compare, ::CompareScreen),
)

/** The names of the screens for an artifact. Zero-shot needs a model of natural language inference. */
fun screensOf(manifest: Manifest): List<String> {
    val isInference = manifest.labels.orEmpty().count { it.lowercase().startsWith("entail") } == 1
    return SCREENS.filter { (name, kind) -> kind.task == manifest.task && (name != "zero-shot" || isInference) }.keys.toList()
}
