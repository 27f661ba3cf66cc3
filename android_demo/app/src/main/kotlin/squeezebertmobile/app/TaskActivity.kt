package squeezebertmobile.app

import android.app.Activity
import android.content.Context
import android.content.Intent
import android.os.Bundle
import android.view.LayoutInflater
import android.view.Menu
import android.view.MenuItem
import android.view.View
import android.view.ViewGroup
import android.widget.TextView
import android.widget.Toolbar
import squeezebertmobile.app.data.Entry
import squeezebertmobile.app.data.Reply
import squeezebertmobile.app.data.Token
import squeezebertmobile.app.measure.MeasureActivity
import squeezebertmobile.app.screens.SCREENS
import squeezebertmobile.app.screens.TaskScreen
import squeezebertmobile.app.screens.screensOf

/**
 * The screen of one artifact, which answers again whenever an input changes.
 *
 * After a rotation Android's views restore the typed text, and the model stays loaded in the engine, so
 * nothing else has to be saved.
 */
class TaskActivity : Activity() {
    private lateinit var entry: Entry
    private lateinit var screen: TaskScreen
    private val status: TextView by lazy { findViewById(R.id.status) }
    private val progress: View by lazy { findViewById(R.id.progress) }
    private val cancel: View by lazy { findViewById(R.id.cancel) }
    private val tokens: TextView by lazy { findViewById(R.id.tokens) }
    private var showsTokens = false
    private var rows: List<List<Token>> = emptyList()

    override fun onCreate(state: Bundle?) {
        super.onCreate(state)
        val installed = intent.getStringExtra(NAME)?.let { container.library.entry(it) }
        if (installed == null) { // removed in the meantime, or an unknown intent
            finish()
            return
        }
        entry = installed
        setContentView(R.layout.task)
        val screens = screensOf(entry.manifest)
        val kind = SCREENS.getValue(intent.getStringExtra(SCREEN)?.takeIf { it in screens } ?: screens[0])
        setActionBar(findViewById<Toolbar>(R.id.toolbar))
        actionBar?.setDisplayHomeAsUpEnabled(true)
        title = getString(kind.title)
        actionBar?.subtitle = entry.name
        findViewById<TextView>(R.id.facts).text = facts(this, entry)
        findViewById<View>(R.id.random).visibility = visibleIf(entry.manifest.weights == "random")
        val place = findViewById<ViewGroup>(R.id.place)
        screen = kind.create(LayoutInflater.from(this).inflate(kind.layout, place, true), ::ask)
        cancel.setOnClickListener { stop() }
        showsTokens = state?.getBoolean(SHOWS_TOKENS) ?: false
    }

    /** The typed text is restored by now, also after a rotation or the death of the process. */
    override fun onPostCreate(state: Bundle?) {
        super.onPostCreate(state)
        if (::screen.isInitialized) ask()
    }

    override fun onSaveInstanceState(state: Bundle) {
        super.onSaveInstanceState(state)
        state.putBoolean(SHOWS_TOKENS, showsTokens)
    }

    override fun onDestroy() {
        if (isFinishing) container.engine.cancel()
        super.onDestroy()
    }

    private fun ask() {
        val question = screen.question()
        if (question == null) {
            container.engine.cancel()
            showStatus(getString(R.string.waiting))
            screen.show(null)
            return
        }
        showProgress(null)
        container.engine.ask(entry, question) { reply -> if (!isDestroyed) show(reply) }
    }

    private fun show(reply: Reply) = when (reply) {
        is Reply.Loading -> showProgress(getString(R.string.loading))
        is Reply.Failed -> {
            showStatus(reply.reason)
            screen.show(null)
        }
        is Reply.Answered -> {
            val milliseconds = reply.nanos / 1e6
            val count = reply.answer.rows.sumOf { it.size }
            val took = resources.getQuantityString(R.plurals.took, count, milliseconds, count)
            val cut = reply.answer.tokensCut
            val more = if (cut > 0) "\n" + resources.getQuantityString(R.plurals.cut, cut, cut) else ""
            val first = reply.loadNanos?.let { "\n" + getString(R.string.first_answer, it / 1e6) }.orEmpty()
            rows = reply.answer.rows
            showStatus(took + first + more)
            screen.show(reply.answer.prediction)
            showTokens()
        }
    }

    private fun showProgress(message: String?) {
        message?.let { status.text = it }
        progress.visibility = View.VISIBLE
        cancel.visibility = View.VISIBLE
    }

    private fun showStatus(message: String) {
        status.text = message
        progress.visibility = View.INVISIBLE
        cancel.visibility = View.INVISIBLE
    }

    private fun stop() {
        container.engine.cancel()
        showStatus(getString(R.string.cancelled))
    }

    // Menu -------------------------------------------------------------------------------------

    override fun onCreateOptionsMenu(menu: Menu): Boolean {
        menuInflater.inflate(R.menu.task, menu)
        menu.findItem(R.id.tokens_shown).isChecked = showsTokens
        return true
    }

    override fun onOptionsItemSelected(item: MenuItem): Boolean {
        when (item.itemId) {
            android.R.id.home -> finish()
            R.id.measure -> startActivity(MeasureActivity.of(this, entry.name))
            R.id.tokens_shown -> {
                showsTokens = !showsTokens
                item.isChecked = showsTokens
                showTokens()
            }
            R.id.remove -> remove()
            else -> return super.onOptionsItemSelected(item)
        }
        return true
    }

    private fun showTokens() {
        tokens.visibility = visibleIf(showsTokens && rows.isNotEmpty())
        tokens.text = rows.joinToString("\n\n") { row -> row.joinToString("  ") { "${it.text}\u00a0${it.id}" } }
    }

    private fun remove() {
        val shared = container
        shared.engine.alone { shared.library.remove(entry.name) }
        finish()
    }

    companion object {
        private const val NAME = "name"
        private const val SCREEN = "screen"
        private const val SHOWS_TOKENS = "shows_tokens"

        /** An intent that opens the artifact with this name, on one of its screens; null takes the first. */
        fun of(context: Context, name: String, screen: String? = null): Intent =
            Intent(context, TaskActivity::class.java).putExtra(NAME, name).putExtra(SCREEN, screen)
    }
}
