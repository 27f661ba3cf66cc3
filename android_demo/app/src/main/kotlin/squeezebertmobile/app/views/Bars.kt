package squeezebertmobile.app.views

import android.content.res.ColorStateList
import android.view.LayoutInflater
import android.view.View
import android.view.ViewGroup
import android.widget.ProgressBar
import android.widget.TextView
import squeezebertmobile.app.R
import squeezebertmobile.app.data.Scored
import kotlin.math.roundToInt

/**
 * A row for each item: its name, its score, and a bar of that length.
 *
 * @param container holds the rows, which are created on demand and reused.
 * @param format string resource of a score: percent of a probability, or a number such as a cosine.
 * @param touched called with the name of a touched row; null for rows that cannot be touched.
 */
class Bars(
    private val container: ViewGroup,
    private val format: Int = R.string.percent,
    private val touched: ((String) -> Unit)? = null,
) {
    /** Shows the items, each in its [colour]; null uses the app's colour. */
    fun show(items: List<Scored>, colour: ((row: Int) -> Int)? = null) {
        while (container.childCount < items.size) {
            LayoutInflater.from(container.context).inflate(R.layout.bar, container, true)
        }
        for (row in 0 until container.childCount) {
            val view = container.getChildAt(row)
            view.visibility = if (row < items.size) View.VISIBLE else View.GONE
            if (row < items.size) fill(view, items[row], colour?.invoke(row))
        }
    }

    private fun fill(view: View, item: Scored, colour: Int?) {
        val score = view.context.getString(format, if (format == R.string.percent) 100 * item.score else item.score)
        view.findViewById<TextView>(R.id.name).text = item.name
        view.findViewById<TextView>(R.id.score).text = score
        view.findViewById<ProgressBar>(R.id.bar).apply {
            setProgress((max * item.score).roundToInt().coerceIn(0, max), true)
            colour?.let { progressTintList = ColorStateList.valueOf(it) }
        }
        // One sentence for TalkBack instead of three views.
        view.contentDescription = view.context.getString(R.string.scored, item.name, score)
        touched?.let { touch -> view.setOnClickListener { touch(item.name) } }
    }
}
