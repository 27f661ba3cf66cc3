package squeezebertmobile.app.views

import android.content.Context
import android.graphics.Canvas
import android.graphics.Paint
import android.util.AttributeSet
import android.view.View
import squeezebertmobile.app.R

/** A histogram of latencies: one column per bin. */
class Histogram(context: Context, attributes: AttributeSet?) : View(context, attributes) {
    private val paint = Paint(Paint.ANTI_ALIAS_FLAG)
    private val column = context.getColor(R.color.accent)
    private val ink = context.getColor(R.color.ink_soft)
    private val textSize = resources.getDimension(R.dimen.small)
    private var counts = IntArray(0)
    private var begin = ""
    private var end = ""

    /** Shows the bin counts; the bins cover [from] to [to] nanoseconds. */
    fun show(counts: IntArray, from: Double, to: Double) {
        this.counts = counts
        begin = context.getString(R.string.milliseconds, from / 1e6)
        end = context.getString(R.string.milliseconds, to / 1e6)
        contentDescription = context.getString(R.string.distribution, begin, end)
        invalidate()
    }

    override fun onDraw(canvas: Canvas) {
        super.onDraw(canvas)
        val most = (counts.maxOrNull() ?: return).coerceAtLeast(1)
        val floor = height - 1.5f * textSize
        val step = width.toFloat() / counts.size
        paint.color = column
        counts.forEachIndexed { index, count ->
            val top = floor * (1 - count.toFloat() / most)
            canvas.drawRect(index * step, top, (index + 0.8f) * step, floor, paint)
        }
        paint.color = ink
        paint.textSize = textSize
        canvas.drawLine(0f, floor, width.toFloat(), floor, paint)
        canvas.drawText(begin, 0f, height - 0.2f * textSize, paint)
        canvas.drawText(end, width - paint.measureText(end), height - 0.2f * textSize, paint)
    }
}
