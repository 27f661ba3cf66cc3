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
 * A row for each item: its name, its score in percent, and a bar that grows to it.
 *
 * @param place holds the rows, which are made as they are needed and used again.
 * @param touched is called with the name of a row that is touched; null makes them plain.
 */
class Bars(private val place: ViewGroup, private val touched: ((String) -> Unit)? = null) {
    /** Shows the items, each in its [colour], or in the app's where that is null. */
    fun show(items: List<Scored>, colour: ((row: Int) -> Int)? = null) {
        while (place.childCount < items.size) {
            LayoutInflater.from(place.context).inflate(R.layout.bar, place, true)
        }
        for (row in 0 until place.childCount) {
            val view = place.getChildAt(row)
            view.visibility = if (row < items.size) View.VISIBLE else View.GONE
            if (row < items.size) fill(view, items[row], colour?.invoke(row))
        }
    }

    private fun fill(view: View, item: Scored, colour: Int?) {
        val percent = view.context.getString(R.string.percent, 100 * item.score)
        view.findViewById<TextView>(R.id.name).text = item.name
        view.findViewById<TextView>(R.id.score).text = percent
        view.findViewById<ProgressBar>(R.id.bar).apply {
            setProgress((max * item.score).roundToInt().coerceIn(0, max), true)
            colour?.let { progressTintList = ColorStateList.valueOf(it) }
        }
        // One sentence for TalkBack in place of three views.
        view.contentDescription = view.context.getString(R.string.scored, item.name, percent)
        touched?.let { touch -> view.setOnClickListener { touch(item.name) } }
    }
}
