package squeezebertmobile.core

import org.junit.Assert.assertEquals
import org.junit.Test
import java.io.File
import kotlin.math.pow

/** The constants and warm-ups of tests/golden/schedule.json, which tests/benchmarks/measure compares too. */
class ScheduleTest {
    private val golden = readJson(File(REPOSITORY, "tests/golden/schedule.json"))
    private val warmUp = golden.record("warm_up")

    @Test
    fun `the constants are those of the computer`() {
        assertEquals(warmUp.int("window_runs"), WINDOW)
        assertEquals(warmUp["tolerance"], STILL_FALLING)
        assertEquals(warmUp.int("least_runs"), MIN_WARM_UP_RUNS)
        assertEquals(golden["onnx_runtime_version"], ONNX_RUNTIME_VERSION)
    }

    @Test
    fun `a warm-up ends after as many runs as on the computer`() {
        val limits = WarmUpLimits(warmUp.int("most_runs"), (number(warmUp, "most_seconds") * 1e9).toLong())
        for (case in golden.records("warm_ups")) {
            var now = 0L
            var runs = 0
            val run = {
                val step = minOf(runs++, case.int("falling_runs"))
                now += (number(case, "first_ms") * number(case, "factor").pow(step) * 1e6).toLong()
            }
            val result = warmUp(limits, { now }, run)
            assertEquals(case.text("what"), case.int("runs") to case["stable"], result.samplesNs.size to result.stable)
        }
    }

    private fun number(data: Map<String, Any?>, name: String): Double = (data.getValue(name) as Number).toDouble()
}
