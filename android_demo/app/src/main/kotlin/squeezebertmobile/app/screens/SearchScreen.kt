package squeezebertmobile.app.screens

import android.view.View
import android.widget.EditText
import squeezebertmobile.app.R
import squeezebertmobile.app.data.Prediction
import squeezebertmobile.app.data.Question
import squeezebertmobile.app.views.Bars
import squeezebertmobile.app.views.lines
import squeezebertmobile.app.views.onTyping
import squeezebertmobile.app.views.words

/** Search: the lines of a list that are nearest to a query. */
class SearchScreen(root: View, changed: () -> Unit) : TaskScreen {
    private val query = root.findViewById<EditText>(R.id.query).onTyping(changed)
    private val list = root.findViewById<EditText>(R.id.list).onTyping(changed)
    private val bars = Bars(root.findViewById(R.id.bars), format = R.string.number)

    override fun question(): Question? {
        val typed = list.lines()
        return query.words()?.takeIf { typed.isNotEmpty() }?.let { Question.Search(it, typed) }
    }

    override fun show(prediction: Prediction?) = bars.show((prediction as Prediction.Ranking?)?.items.orEmpty())
}
