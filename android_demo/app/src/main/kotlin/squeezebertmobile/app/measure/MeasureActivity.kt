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
 * Measures an artifact in this app, compared with a BERT model of the same task if one is installed.
 *
 * If adb starts it with a job, it is the phone's side of `bench --target app`: see [ComputerJob].
 */
class MeasureActivity : Activity() {
    private val measurements: MeasurementController by lazy { container.measurements }
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
        window.addFlags(WindowManager.LayoutParams.FLAG_KEEP_SCREEN_ON) // phones slow down when the screen is off
        start.setOnClickListener { if (measurements.isRunning) measurements.stop() else measure() }
        share.setOnClickListener { share() }
        if (state == null) take(intent)
    }

    override fun onStart() {
        super.onStart()
        measurements.watcher = ::show
        show()
    }

    override fun onStop() {
        measurements.watcher = {}
        super.onStop()
    }

    override fun onDestroy() {
        if (isFinishing) measurements.stop()
        super.onDestroy()
    }

    /** A second job from the computer is delivered to the existing activity. */
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
            job != null -> measurements.begin(job, container.main)
            intent.hasExtra(NAME) -> measure()
        }
    }

    private fun measure() {
        intent.getStringExtra(NAME)?.let { measurements.begin(container, it, THREADS, thermalStatus(this)) }
    }

    // Display ----------------------------------------------------------------------------------

    private fun show() {
        val state = measurements.state
        val active = state as? State.Active
        progress.visibility = visibleIf(measurements.isRunning)
        progress.isIndeterminate = active?.progress?.step != Step.MEASURING
        progress.progress = ((active?.progress?.share ?: 0.0) * progress.max).roundToInt()
        status.text = describe(state)
        start.setText(if (measurements.isRunning) R.string.stop else R.string.again)
        start.visibility = visibleIf(intent.hasExtra(NAME))
        share.visibility = visibleIf(state is State.Done)
        results.removeAllViews()
        if (state is State.Done) show(state.measurement)
    }

    private fun describe(state: State): String = when (state) {
        is State.Idle -> getString(R.string.not_measured)
        is State.Active -> getString(STEPS.getValue(state.progress.step))
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
        val baseline = measurement.all.getOrNull(1) ?: return
        val ratio = median(baseline.samples) / median(measurement.all[0].samples)
        val line = LayoutInflater.from(this).inflate(R.layout.measure_ratio, results, false) as TextView
        line.text = getString(R.string.ratio, ratio, baseline.entry.name)
        results.addView(line, 0)
    }

    private fun card(latencies: Latencies, from: Double, to: Double): View {
        val card = LayoutInflater.from(this).inflate(R.layout.measure_card, results, false)
        card.findViewById<TextView>(R.id.name).text = latencies.entry.name
        card.findViewById<TextView>(R.id.facts).text = facts(this, latencies.entry)
        card.findViewById<TextView>(R.id.median).text = getString(R.string.milliseconds, median(latencies.samples) / 1e6)
        card.findViewById<TextView>(R.id.spread).text = getString(
            R.string.spread,
            quantile(latencies.samples, 0.9) / 1e6,
            latencies.samples.min() / 1e6,
            latencies.samples.size,
        )
        card.findViewById<TextView>(R.id.answer).text =
            getString(R.string.from_text, median(latencies.answers) / 1e6, quantile(latencies.answers, 0.9) / 1e6)
        card.findViewById<TextView>(R.id.load).text = resources.getQuantityString(
            R.plurals.checked,
            latencies.goldenTexts,
            latencies.goldenTexts,
            latencies.loadNs / 1e6,
        )
        card.findViewById<View>(R.id.random).visibility = visibleIf(latencies.entry.manifest.weights == "random")
        card.findViewById<Histogram>(R.id.histogram).show(histogram(latencies.samples, from, to, BINS), from, to)
        return card
    }

    private fun share() {
        val done = measurements.state as? State.Done ?: return
        val send = Intent(Intent.ACTION_SEND).setType("text/plain")
            .putExtra(Intent.EXTRA_SUBJECT, getString(R.string.shared, done.measurement.all[0].entry.name))
            .putExtra(Intent.EXTRA_TEXT, done.measurement.json)
        startActivity(Intent.createChooser(send, getString(R.string.share)))
    }

    companion object {
        private const val NAME = "name"
        private const val BINS = 40
        private const val SHOWN_SHARE = 0.98 // of the samples; slower ones are counted in the last bar

        private val STEPS = mapOf(
            Step.LOADING to R.string.step_loading,
            Step.WARMING_UP to R.string.step_warming_up,
            Step.MEASURING to R.string.step_measuring,
        )

        /** An intent that measures the artifact with this name. */
        fun of(context: Context, name: String): Intent = Intent(context, MeasureActivity::class.java).putExtra(NAME, name)
    }
}
