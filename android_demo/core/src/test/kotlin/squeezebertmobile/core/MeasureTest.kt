package squeezebertmobile.core

import org.junit.Assert.assertArrayEquals
import org.junit.Assert.assertEquals
import org.junit.Assert.assertFalse
import org.junit.Assert.assertTrue
import org.junit.Test

class MeasureTest {
    private var now = 0L
    private var runs = 0

    /** A run that takes each of these times in turn, then repeats the last one. */
    private fun taking(vararg times: Long): () -> Unit = { now += times[minOf(runs++, times.size - 1)] }

    private val limits = WarmUpLimits(maxRuns = 100, maxNs = 5_000)

    @Test
    fun `a warm-up ends when runs no longer get faster`() {
        val result = warmUp(limits, { now }, taking(90, 60, 30, 10, 10, 10, 10, 10))
        assertTrue(result.stable)
        assertArrayEquals(longArrayOf(90, 60, 30, 10, 10, 10, 10, 10), result.samplesNs)
    }

    @Test
    fun `a warm-up that keeps getting faster ends after the maximum number of runs`() {
        val result = warmUp(WarmUpLimits(maxRuns = 20, maxNs = 5_000), { now }, taking(*LongArray(99) { 100L - it * 4 }))
        assertFalse(result.stable)
        assertEquals(20, result.samplesNs.size)
    }

    @Test
    fun `a slow warm-up ends after the maximum time, but not before three runs`() {
        assertEquals(3, warmUp(limits, { now }, taking(5_000)).samplesNs.size)
        assertEquals(5, warmUp(limits, { now }, taking(1_000)).samplesNs.size)
    }

    @Test
    fun `a block records its samples after the lead-in`() {
        val result = block(leadIn = 2, samples = 3, minNs = 0, { now }, taking(7, 7, 1, 2, 3, 4))
        assertArrayEquals(longArrayOf(1, 2, 3), result)
    }

    @Test
    fun `a block continues until its minimum time`() {
        val result = block(leadIn = 0, samples = 1, minNs = 50, { now }, taking(10))
        assertArrayEquals(LongArray(5) { 10 }, result)
    }
}
