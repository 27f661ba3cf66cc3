package squeezebertmobile.runner

import org.junit.Assert.assertEquals
import org.junit.Assert.assertThrows
import org.junit.Assert.assertTrue
import org.junit.Rule
import org.junit.Test
import org.junit.rules.TemporaryFolder
import squeezebertmobile.core.Json
import squeezebertmobile.core.LibraryError
import squeezebertmobile.core.ONNX_RUNTIME_VERSION
import squeezebertmobile.core.asRecord
import java.io.ByteArrayOutputStream
import java.io.File
import java.io.PrintStream

class ComponentsTest {
    @get:Rule
    val temporary = TemporaryFolder()

    private fun write(path: String, content: String) {
        File(temporary.root, path).also { it.parentFile.mkdirs() }.writeText(content)
    }

    @Test
    fun `readings are parsed from proc and sys`() {
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
    fun `unavailable readings are omitted`() {
        assertEquals(mapOf("at_ns" to 5L), Context(temporary.root) { 5 }.read())
    }

    @Test
    fun `the time that readings take is known`() {
        var now = 0L
        val context = Context(temporary.root) { now.also { now += 7 } }
        repeat(2) { context.read() }
        assertEquals(14L, context.spentNs)
    }

    @Test
    fun `the age of the process is the time between the starts of its first thread and of a new one`() {
        fun stat(ticks: Long) = "4711 (a b) c) S " + (1..18).joinToString(" ") + " $ticks 99\n"
        write("self/stat", stat(5000))
        write("thread-self/stat", stat(5123))
        assertEquals(1_230_000_000L, processAgeNs(temporary.root))
        for (other in listOf("", "4711 (java) S 1 2", stat(1).replace(" 1 99", " x 99"))) {
            write("thread-self/stat", other)
            assertEquals(null, processAgeNs(temporary.root))
        }
        assertEquals(null, processAgeNs(File(temporary.root, "nowhere")))
        assertTrue(checkNotNull(processAgeNs()) in 1..1_000_000_000_000)
    }

    @Test
    fun `progress is reported at the start and end of a stage, and once per second in between`() {
        var now = 0L
        val out = ByteArrayOutputStream()
        val events = EventWriter(PrintStream(out)) { now }
        events.progress("checksums", 3, 10)
        for (done in 1L..10L) {
            events.progress("golden", done, 10)
            now += SECOND_NS / 2
        }
        val reported = out.toString().lines().mapNotNull { Regex("\"done\": (\\d+)").find(it)?.groupValues?.get(1) }
        assertEquals(listOf("3", "1", "3", "5", "7", "9", "10"), reported)
    }

    @Test
    fun `the probe does the same work every time`() {
        assertEquals(probe()["result"], probe()["result"])
        assertTrue(steps(1) != 1L)
    }

    /** The same file is compared with the computer's constants in tests/benchmarks. */
    @Test
    fun `the protocol's constants are those of the computer`() {
        val file = File(checkNotNull(System.getProperty("repository")), "tests/golden/schedule.json")
        val golden = Json.parse(file.readText()).asRecord()
        assertEquals(golden["protocol"], PROTOCOL)
        assertEquals(golden["formats"], FORMATS.toList())
        assertEquals(golden["commands"], COMMANDS.keys.toList())
        assertEquals(golden["probe_samples"], SAMPLES.toLong())
    }

    @Test
    fun `unexpected errors have a kind too`() {
        assertEquals("internal", kindOf(IllegalStateException("x")))
        assertEquals("java.lang.IllegalStateException: x", messageOf(IllegalStateException("x\ny")))
        assertEquals("memory", kindOf(OutOfMemoryError()))
        assertTrue(messageOf(OutOfMemoryError()).matches(Regex("the Java heap of \\d+ MB is full")))
    }

    @Test
    fun `a native library of another version is refused`() {
        checkVersion(ONNX_RUNTIME_VERSION)
        val error = assertThrows(LibraryError::class.java) { checkVersion("1.26.0") }
        assertEquals(
            "the native library is ONNX Runtime 1.26.0, but the runner was built with the Java classes of 1.29.0; use the " +
                "library of that version",
            error.message,
        )
    }
}
