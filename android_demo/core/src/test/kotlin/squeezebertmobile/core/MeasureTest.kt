package squeezebertmobile.core

import org.junit.Assert.assertArrayEquals
import org.junit.Assert.assertEquals
import org.junit.Assert.assertFalse
import org.junit.Assert.assertTrue
import org.junit.Test

class MeasureTest {
    private var now = 0L
    private var runs = 0

    /** A run that takes each of these times, then the last of them again and again. */
    private fun taking(vararg times: Long): () -> Unit = { now += times[minOf(runs++, times.size - 1)] }

    private val limits = WarmUpLimits(mostRuns = 100, mostNs = 5_000)

    @Test
    fun `a warm-up ends when it gets no faster`() {
        val found = warmUp(limits, { now }, taking(90, 60, 30, 10, 10, 10, 10, 10))
        assertTrue(found.stable)
        assertArrayEquals(longArrayOf(90, 60, 30, 10, 10, 10, 10, 10), found.samplesNs)
    }

    @Test
    fun `a warm-up that gets faster and faster ends after its runs`() {
        val found = warmUp(WarmUpLimits(mostRuns = 20, mostNs = 5_000), { now }, taking(*LongArray(99) { 100L - it * 4 }))
        assertFalse(found.stable)
        assertEquals(20, found.samplesNs.size)
    }

    @Test
    fun `a slow warm-up ends after its time, but not before three runs`() {
        assertEquals(3, warmUp(limits, { now }, taking(5_000)).samplesNs.size)
        assertEquals(5, warmUp(limits, { now }, taking(1_000)).samplesNs.size)
    }

    @Test
    fun `a block records its samples behind the lead-in`() {
        val found = block(leadIn = 2, samples = 3, leastNs = 0, { now }, taking(7, 7, 1, 2, 3, 4))
        assertArrayEquals(longArrayOf(1, 2, 3), found)
    }

    @Test
    fun `a block goes on until it has its time`() {
        val found = block(leadIn = 0, samples = 1, leastNs = 50, { now }, taking(10))
        assertArrayEquals(LongArray(5) { 10 }, found)
    }
}
