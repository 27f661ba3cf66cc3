package squeezebertmobile.app

import org.junit.Assert.assertArrayEquals
import org.junit.Assert.assertEquals
import org.junit.Test
import squeezebertmobile.app.measure.histogram
import squeezebertmobile.app.measure.median
import squeezebertmobile.app.measure.quantile
import squeezebertmobile.app.views.utf16Span

class StatisticsTest {
    /** numpy.quantile of the same numbers. */
    @Test
    fun `quantiles are numpy's`() {
        val samples = longArrayOf(40, 10, 20, 30, 70)
        assertEquals(30.0, median(samples), 0.0)
        assertEquals(58.0, quantile(samples, 0.9), 1e-9)
        assertEquals(25.0, median(longArrayOf(10, 40, 20, 30)), 0.0)
        assertEquals(7.0, quantile(longArrayOf(7), 0.9), 0.0)
    }

    @Test
    fun `a histogram counts every sample once`() {
        assertArrayEquals(intArrayOf(2, 1, 2), histogram(longArrayOf(0, 9, 10, 29, 1000), 0.0, 30.0, 3))
        assertArrayEquals(intArrayOf(3), histogram(longArrayOf(5, 5, 5), 5.0, 5.0, 1))
    }

    @Test
    fun `offsets count characters, and an emoji is one`() {
        assertEquals(3 to 5, utf16Span("a\ud83c\udf89bc", 2, 4))
        assertEquals(null, utf16Span("ab", 1, 1))
        assertEquals(null, utf16Span("ab", 1, 3))
    }
}
