package squeezebertmobile.app.screens

import android.view.View
import android.widget.EditText
import squeezebertmobile.app.R
import squeezebertmobile.app.data.Prediction
import squeezebertmobile.app.data.Question
import squeezebertmobile.app.views.Bars
import squeezebertmobile.app.views.onTyping
import squeezebertmobile.app.views.words

/** Fill-mask: the predicted words; touching a word replaces the first mask with it. */
class FillScreen(root: View, changed: () -> Unit) : TaskScreen {
    private val text = root.findViewById<EditText>(R.id.text).onTyping(changed)
    private val bars = Bars(root.findViewById(R.id.bars)) { word ->
        text.setText(text.text.toString().replaceFirst(MASK, word))
        text.setSelection(text.length())
    }

    init {
        root.findViewById<View>(R.id.insert_mask).setOnClickListener { insertMask() }
    }

    override fun question() = text.words()?.takeIf { MASK in it }?.let { Question.Fill(it) }

    override fun show(prediction: Prediction?) = bars.show((prediction as Prediction.Ranking?)?.items.orEmpty())

    private fun insertMask() {
        val from = minOf(text.selectionStart, text.selectionEnd).coerceAtLeast(0)
        val to = maxOf(text.selectionStart, text.selectionEnd).coerceAtLeast(0)
        text.text.replace(from, to, MASK)
    }
}

private const val MASK = "[MASK]" // the mask token of all BERT tokenizers
