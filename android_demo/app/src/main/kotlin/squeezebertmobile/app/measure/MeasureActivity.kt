package squeezebertmobile.app.measure

import android.app.Activity
import android.content.Context
import android.content.Intent
import android.os.Bundle
import android.view.LayoutInflater
import android.view.MenuItem
import android.view.View
import android.view.ViewGroup
import android.view.WindowManager
import android.widget.ProgressBar
import android.widget.TextView
import android.widget.Toolbar
import squeezebertmobile.app.R
import squeezebertmobile.app.container
import squeezebertmobile.app.data.THREADS
import squeezebertmobile.app.facts
import squeezebertmobile.app.views.Histogram
import squeezebertmobile.app.visibleIf
import kotlin.math.roundToInt

/**
 * How fast an artifact is on this phone, in this app, beside a BERT of the same task if there is one.
 *
 * Started over adb, with a job, it is the phone's side of `bench --target app`: see [FromComputer].
 */
class MeasureActivity : Activity() {
    private val running: Running by lazy { container.running }
    private val progress: ProgressBar by lazy { findViewById(R.id.progress) }
    private val status: TextView by lazy { findViewById(R.id.status) }
    private val start: TextView by lazy { findViewById(R.id.start) }
    private val share: View by lazy { findViewById(R.id.share) }
    private val results: ViewGroup by lazy { findViewById(R.id.results) }

    override fun onCreate(state: Bundle?) {
        super.onCreate(state)
        setContentView(R.layout.measure)
        setActionBar(findViewById<Toolbar>(R.id.toolbar))
        actionBar?.setDisplayHomeAsUpEnabled(true)
        setTitle(R.string.measure)
        window.addFlags(WindowManager.LayoutParams.FLAG_KEEP_SCREEN_ON) // a dark phone is a slow one
        start.setOnClickListener { if (running.isRunning) running.stop() else measure() }
        share.setOnClickListener { share() }
        if (state == null) take(intent)
    }

    override fun onStart() {
        super.onStart()
        running.watcher = ::show
        show()
    }

    override fun onStop() {
        running.watcher = {}
        super.onStop()
    }

    override fun onDestroy() {
        if (isFinishing) running.stop()
        super.onDestroy()
    }

    /** A second job from the computer comes to the activity that is there already. */
    override fun onNewIntent(intent: Intent) {
        super.onNewIntent(intent)
        setIntent(intent)
        take(intent)
    }

    override fun onOptionsItemSelected(item: MenuItem): Boolean {
        if (item.itemId != android.R.id.home) return super.onOptionsItemSelected(item)
        finish()
        return true
    }

    private fun take(intent: Intent) {
        val job = jobOf(intent, filesDir)
        when {
            job != null -> running.begin(job, container.main)
            intent.hasExtra(NAME) -> measure()
        }
    }

    private fun measure() {
        intent.getStringExtra(NAME)?.let { running.begin(container, it, THREADS, thermalStatus(this)) }
    }

    // What is to be seen -----------------------------------------------------------------------

    private fun show() {
        val state = running.state
        val measuring = state as? State.Measuring
        progress.visibility = visibleIf(running.isRunning)
        progress.isIndeterminate = measuring?.progress?.step != Step.MEASURING
        progress.progress = ((measuring?.progress?.share ?: 0.0) * progress.max).roundToInt()
        status.text = describe(state)
        start.setText(if (running.isRunning) R.string.stop else R.string.again)
        start.visibility = visibleIf(intent.hasExtra(NAME))
        share.visibility = visibleIf(state is State.Done)
        results.removeAllViews()
        if (state is State.Done) show(state.measurement)
    }

    private fun describe(state: State): String = when (state) {
        is State.Idle -> getString(R.string.not_measured)
        is State.Measuring -> getString(STEPS.getValue(state.progress.step))
        is State.Remote -> resources.getQuantityString(R.plurals.from_computer, state.jobs, state.jobs)
        is State.Failed -> state.reason
        is State.Done -> state.measurement.let { done ->
            val heat = thermalStatus(this)()?.let { resources.getStringArray(R.array.heat)[it] }
                ?: getString(R.string.heat_unknown)
            resources.getQuantityString(R.plurals.conditions, done.threads, done.sequenceLength, done.threads, heat)
        }
    }

    private fun show(measurement: Measurement) {
        val slowest = measurement.all.maxOf { quantile(it.samples, SHOWN_SHARE) }
        val fastest = measurement.all.minOf { it.samples.min() }.toDouble()
        measurement.all.forEach { results.addView(card(it, fastest, slowest)) }
        val other = measurement.all.getOrNull(1) ?: return
        val ratio = median(other.samples) / median(measurement.all[0].samples)
        val line = LayoutInflater.from(this).inflate(R.layout.measure_ratio, results, false) as TextView
        line.text = getString(R.string.ratio, ratio, other.entry.name)
        results.addView(line, 0)
    }

    private fun card(measured: Measured, from: Double, to: Double): View {
        val card = LayoutInflater.from(this).inflate(R.layout.measure_card, results, false)
        card.findViewById<TextView>(R.id.name).text = measured.entry.name
        card.findViewById<TextView>(R.id.facts).text = facts(this, measured.entry)
        card.findViewById<TextView>(R.id.median).text = getString(R.string.milliseconds, median(measured.samples) / 1e6)
        card.findViewById<TextView>(R.id.spread).text = getString(
            R.string.spread,
            quantile(measured.samples, 0.9) / 1e6,
            measured.samples.min() / 1e6,
            measured.samples.size,
        )
        card.findViewById<TextView>(R.id.load).text = resources.getQuantityString(
            R.plurals.checked,
            measured.goldenTexts,
            measured.goldenTexts,
            measured.loadNs / 1e6,
        )
        card.findViewById<View>(R.id.random).visibility = visibleIf(measured.entry.manifest.weights == "random")
        card.findViewById<Histogram>(R.id.histogram).show(histogram(measured.samples, from, to, BINS), from, to)
        return card
    }

    private fun share() {
        val done = running.state as? State.Done ?: return
        val send = Intent(Intent.ACTION_SEND).setType("text/plain")
            .putExtra(Intent.EXTRA_SUBJECT, getString(R.string.shared, done.measurement.all[0].entry.name))
            .putExtra(Intent.EXTRA_TEXT, done.measurement.json)
        startActivity(Intent.createChooser(send, getString(R.string.share)))
    }

    companion object {
        private const val NAME = "name"
        private const val BINS = 40
        private const val SHOWN_SHARE = 0.98 // of the samples; the slowest ones count in the last bar

        private val STEPS = mapOf(
            Step.LOADING to R.string.step_loading,
            Step.WARMING_UP to R.string.step_warming_up,
            Step.MEASURING to R.string.step_measuring,
        )

        /** The intent that measures the artifact of this name. */
        fun of(context: Context, name: String): Intent = Intent(context, MeasureActivity::class.java).putExtra(NAME, name)
    }
}
