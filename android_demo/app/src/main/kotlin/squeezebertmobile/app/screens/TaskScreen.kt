package squeezebertmobile.app.screens

import android.view.View
import squeezebertmobile.app.R
import squeezebertmobile.app.data.Finding
import squeezebertmobile.app.data.Question

/**
 * What is particular to a task: its inputs, and how an answer is shown.
 *
 * To add a task: write its layout and a class like [ClassifyScreen], and add it to [SCREENS].
 */
interface TaskScreen {
    /** The question that the inputs make now; null while one of them is empty. */
    fun question(): Question?

    /** Shows what was found, or with null that there is no answer. */
    fun show(finding: Finding?)
}

/**
 * A kind of screen.
 *
 * @param title its name, a string resource.
 * @param layout its inputs and its place for the answer.
 * @param create makes it of its views; it calls `changed` when an input has changed.
 */
class ScreenKind(val title: Int, val layout: Int, val create: (root: View, changed: () -> Unit) -> TaskScreen)

/** The screens, by the task in an artifact's manifest. */
val SCREENS: Map<String, ScreenKind> = mapOf(
    "text-classification" to ScreenKind(R.string.classify, R.layout.screen_classify, ::ClassifyScreen),
    "fill-mask" to ScreenKind(R.string.fill, R.layout.screen_fill, ::FillScreen),
    "token-classification" to ScreenKind(R.string.tag, R.layout.screen_tag, ::TagScreen),
    "question-answering" to ScreenKind(R.string.ask, R.layout.screen_ask, ::AskScreen),
    "multiple-choice" to ScreenKind(R.string.choose, R.layout.screen_choose, ::ChooseScreen),
    "feature-extraction" to ScreenKind(R.string.compare, R.layout.screen_compare, ::CompareScreen),
)
