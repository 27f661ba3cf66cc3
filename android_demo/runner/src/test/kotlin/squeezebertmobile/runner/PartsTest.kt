package squeezebertmobile.runner

import org.junit.Assert.assertEquals
import org.junit.Assert.assertTrue
import org.junit.Rule
import org.junit.Test
import org.junit.rules.TemporaryFolder
import java.io.ByteArrayOutputStream
import java.io.File
import java.io.PrintStream

class PartsTest {
    @get:Rule
    val temporary = TemporaryFolder()

    private fun write(path: String, content: String) {
        File(temporary.root, path).also { it.parentFile.mkdirs() }.writeText(content)
    }

    @Test
    fun `readings are those of the system`() {
        write("proc/self/status", "Name:\tjava\nVmHWM:\t  120 kB\nVmRSS:\t   100 kB\nVmSwap:\t 0 kB\nCpus_allowed_list:\t4-7\n")
        write("proc/loadavg", "0.10 0.20 0.30 1/500 1234\n")
        write("sys/devices/system/cpu/cpu0/cpufreq/scaling_cur_freq", "1766400\n")
        write("sys/devices/system/cpu/cpu7/cpufreq/scaling_cur_freq", "2803200\n")
        write("sys/devices/system/cpu/cpufreq/policy0/scaling_cur_freq", "1\n")
        write("sys/class/thermal/thermal_zone0/type", "skin\n")
        write("sys/class/thermal/thermal_zone0/temp", "31500\n")
        write("sys/class/thermal/thermal_zone1/temp", "garbage\n")
        val expected = mapOf(
            "at_ns" to 5L,
            "peak_memory_kb" to 120L,
            "memory_kb" to 100L,
            "swapped_kb" to 0L,
            "cpus_allowed" to "4-7",
            "load_average" to listOf(0.1, 0.2, 0.3),
            "cpu_khz" to mapOf("cpu0" to 1766400L, "cpu7" to 2803200L),
            "thermal_millicelsius" to mapOf("thermal_zone0 skin" to 31500L),
        )
        assertEquals(expected, Context(temporary.root) { 5 }.read())
    }

    @Test
    fun `what a system does not tell is left out`() {
        assertEquals(mapOf("at_ns" to 5L), Context(temporary.root) { 5 }.read())
    }

    @Test
    fun `progress is told when a stage begins and ends, and once a second on the way`() {
        var now = 0L
        val out = ByteArrayOutputStream()
        val lines = Lines(PrintStream(out)) { now }
        lines.progress("checksums", 3, 10)
        for (done in 1L..10L) {
            lines.progress("golden", done, 10)
            now += SECOND_NS / 2
        }
        val told = out.toString().lines().mapNotNull { Regex("\"done\": (\\d+)").find(it)?.groupValues?.get(1) }
        assertEquals(listOf("3", "1", "3", "5", "7", "9", "10"), told)
    }

    @Test
    fun `the probe does the same work every time`() {
        assertEquals(probe()["result"], probe()["result"])
        assertTrue(steps(1) != 1L)
    }

    @Test
    fun `errors that nobody foresaw have a kind as well`() {
        assertEquals("internal", kindOf(IllegalStateException("x")))
        assertEquals("java.lang.IllegalStateException: x", messageOf(IllegalStateException("x\ny")))
        assertEquals("memory", kindOf(OutOfMemoryError()))
        assertTrue(messageOf(OutOfMemoryError()).matches(Regex("the Java heap of \\d+ MB is full")))
    }
}
