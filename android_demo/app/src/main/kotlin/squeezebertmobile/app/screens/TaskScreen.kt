package squeezebertmobile.app.screens

import android.view.View
import squeezebertmobile.app.R
import squeezebertmobile.app.data.Prediction
import squeezebertmobile.app.data.Question

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
 * How to create the screen of a task.
 *
 * @param title string resource of the title.
 * @param layout layout resource with the inputs and the views for the prediction.
 * @param create creates the screen from its root view; the screen calls `changed` when an input changes.
 */
class ScreenKind(val title: Int, val layout: Int, val create: (root: View, changed: () -> Unit) -> TaskScreen)

/** The screens, by task name as in the manifest. */
val SCREENS: Map<String, ScreenKind> = mapOf(
    "text-classification" to ScreenKind(R.string.classify, R.layout.screen_classify, ::ClassifyScreen),
    "fill-mask" to ScreenKind(R.string.fill, R.layout.screen_fill, ::FillScreen),
    "token-classification" to ScreenKind(R.string.tag, R.layout.screen_tag, ::TagScreen),
    "question-answering" to ScreenKind(R.string.ask, R.layout.screen_ask, ::AskScreen),
    "multiple-choice" to ScreenKind(R.string.choose, R.layout.screen_choose, ::ChooseScreen),
    "feature-extraction" to ScreenKind(R.string.compare, R.layout.screen_compare, ::CompareScreen),
)
