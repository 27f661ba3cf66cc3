package squeezebertmobile.app

import org.junit.After
import org.junit.Assert.assertEquals
import org.junit.Assert.assertTrue
import org.junit.Rule
import org.junit.Test
import org.junit.rules.TemporaryFolder
import squeezebertmobile.app.data.Engine
import squeezebertmobile.app.data.Library
import squeezebertmobile.app.data.Question
import squeezebertmobile.app.data.Reply
import squeezebertmobile.core.Json
import java.io.File
import java.util.concurrent.Callable
import java.util.concurrent.Executors
import java.util.concurrent.TimeUnit
import kotlin.random.Random

/**
 * Damaged zips and artifacts in the app's inbox: each is refused in a sentence or answers, none ends the
 * app, never returns, or leaves a file. `make fuzz` tries 100,000 of each; a failure names its number.
 */
class FuzzTest {
    @get:Rule
    val temporary = TemporaryFolder()

    private val files by lazy { File(temporary.root, "app/files") }
    private val library by lazy { Library(files, emptyMap()) }
    private val inbox by lazy { File(files, "inbox").also { it.mkdirs() } }
    private val engine = Engine({ it.run() })
    private val worker = Executors.newSingleThreadExecutor()

    @After
    fun stop() {
        worker.shutdownNow()
    }

    private fun fuzz(target: String, input: (Random) -> ByteArray) {
        val count = Integer.getInteger("fuzz", 250)
        val first = Integer.getInteger("fuzz.first", 0)
        var refused = 0
        for (number in first until first + count) {
            val bytes = input(Random(number)) // each can be made again alone
            try {
                if (worker.submit(Callable { isRefused(bytes) }).get(60, TimeUnit.SECONDS)) refused++
            } catch (error: Throwable) {
                throw AssertionError("$target $number (-Dfuzz=1 -Dfuzz.first=$number): $error", error)
            }
        }
        println("$target: ${count - refused} used, $refused refused")
        assertTrue("$refused of $count", refused in 1 until count || count == 1)
    }

    private fun isRefused(bytes: ByteArray): Boolean {
        File(inbox, "a.zip").writeBytes(bytes)
        val listing = library.refresh()
        assertEquals(emptyList<String>(), inbox.list().orEmpty().toList())
        assertTrue(files.list().orEmpty().all { it == "inbox" || it == "artifacts" })
        assertEquals(listOf("app"), temporary.root.list().orEmpty().toList())
        for (refusal in listing.refusals) {
            assertTrue(refusal.reason, refusal.reason.length in 10..2000 && refusal.reason.none { it < ' ' })
        }
        if (listing.entries.isEmpty()) {
            assertEquals(1, listing.refusals.size)
            assertEquals(emptyList<String>(), File(files, "artifacts").list().orEmpty().toList())
            return true
        }
        assertEquals(0, listing.refusals.size)
        val entry = listing.entries.single()
        assertEquals(entry.manifest.files.keys + "manifest.json", entry.artifact.folder.list().orEmpty().toSet())
        var reply: Reply? = null
        engine.ask(entry, Question.Classify(TEXT)) { reply = it }
        engine.await()
        assertTrue("$reply", reply is Reply.Answered || reply is Reply.Failed)
        (reply as? Reply.Failed)?.let { assertTrue(it.reason, it.reason.length > 10) }
        library.remove("a")
        return false
    }

    @Test
    fun `damaged zips`() = fuzz("zips") { random ->
        var entries = TINY.map { (name, content) -> Packed(name, content) }
        repeat(random.nextInt(3)) { entries = damaged(entries, random) }
        var bytes = zip(entries)
        repeat(random.nextInt(3)) { bytes = damaged(bytes, random) }
        bytes
    }

    private fun damaged(entries: List<Packed>, random: Random): List<Packed> {
        val at = random.nextInt(entries.size)
        val old = entries[at]
        fun with(name: ByteArray = old.name, method: Int = 8, flags: Int = 0, extra: ByteArray = ByteArray(0), packed: Long? = null, size: Long? = null) =
            Packed(name, old.content, method, flags, extra, packed, size)
        val new = when (random.nextInt(8)) {
            0 -> with(name = BAD_NAMES.random(random).toByteArray() + old.name)
            1 -> with(name = random.nextBytes(random.nextInt(9)), flags = if (random.nextBoolean()) 1 shl 11 else 0)
            2 -> with(method = listOf(0, 1, 9, 12, 99, 65535).random(random))
            3 -> with(flags = random.nextInt(1 shl 16))
            4 -> with(extra = random.nextBytes(random.nextInt(40)), packed = 0xffffffffL, size = 0xffffffffL)
            5 -> with(packed = SIZES.random(random), method = listOf(0, 8).random(random))
            6 -> with(size = SIZES.random(random), method = listOf(0, 8).random(random))
            else -> return if (random.nextBoolean()) entries + old else entries - old + old
        }
        return entries.toMutableList().also { it[at] = new }
    }

    private fun damaged(bytes: ByteArray, random: Random): ByteArray {
        if (bytes.isEmpty()) return bytes
        // Most bytes are weights; headers are at the ends and after the signature PK.
        val places = if (random.nextBoolean()) bytes.indices.filter { bytes[it] == 'P'.code.toByte() } else bytes.indices.toList()
        val at = (places.ifEmpty { listOf(0) }.random(random) + random.nextInt(46)).coerceAtMost(bytes.size - 1)
        return when (random.nextInt(5)) {
            0 -> bytes.copyOf(at)
            1 -> bytes.copyOf(at) + random.nextBytes(random.nextInt(20)) + bytes.drop(at).toByteArray()
            2 -> bytes.copyOf(at) + bytes.copyOfRange(minOf(at + random.nextInt(1, 40), bytes.size), bytes.size)
            3 -> bytes.copyOfRange(at, bytes.size)
            else -> bytes.copyOf().also { it[at] = random.nextInt().toByte() }
        }
    }

    @Test
    fun `damaged artifacts`() = fuzz("artifacts") { random ->
        val name = (TINY.keys + List(3) { "manifest.json" } + List(3) { "golden.json" } + List(3) { "tokenizer.json" }).random(random)
        val content = TINY.getValue(name)
        val changed = when {
            name == "model.onnx" -> content.copyOf().also { it[random.nextInt(it.size)]++ }
            name.endsWith(".json") && random.nextInt(8) > 0 -> {
                var json: Any? = TINY.json(name)
                repeat(random.nextInt(1, 4)) { json = mutated(json, random) }
                Json.write(json).toByteArray()
            }
            else -> damaged(content, random)
        }
        // The checksum of the model is wrong, as a damaged model is for its runtime to refuse, not for the app.
        zip(if (name == "model.onnx") TINY + (name to changed) else TINY.with(name, changed))
    }

    /** The JSON value with one value in it replaced, removed or added. */
    private fun mutated(value: Any?, random: Random): Any? {
        val keys = (value as? Map<*, *>)?.keys?.toList() ?: (value as? List<*>)?.indices?.toList()
        if (keys == null || (keys.isEmpty() && random.nextBoolean())) return varied(value, random)
        if (keys.isEmpty() || random.nextInt(12) == 0) return changedContainer(value, random)
        val key = keys.random(random)
        return if (value is Map<*, *>) value + (key to mutated(value[key], random)) else
            (value as List<*>).toMutableList().also { it[key as Int] = mutated(it[key], random) }
    }

    private fun changedContainer(value: Any?, random: Random): Any? = when (value) {
        is Map<*, *> -> when {
            value.isEmpty() || random.nextInt(3) == 0 -> value + (TEXTS.random(random) to anything(random))
            else -> value - value.keys.random(random)
        }
        is List<*> -> when (random.nextInt(4)) {
            0 -> value.dropLast(1)
            1 -> value + value.takeLast(1)
            2 -> value.reversed()
            else -> value + listOf(anything(random))
        }
        else -> anything(random)
    }

    private fun varied(value: Any?, random: Random): Any? = when {
        random.nextInt(3) == 0 -> anything(random)
        value is Long -> if (random.nextBoolean()) random.nextLong(-3, 70) else NUMBERS.filterIsInstance<Long>().random(random)
        value is Double -> NUMBERS.filterIsInstance<Double>().random(random)
        value is String -> TEXTS.random(random)
        value is Boolean -> !value
        else -> anything(random)
    }

    private fun anything(random: Random, depth: Int = 0): Any? = when (random.nextInt(if (depth < 3) 7 else 5)) {
        0 -> null
        1 -> random.nextBoolean()
        2 -> random.nextLong(-3, 70)
        3 -> NUMBERS.random(random)
        4 -> TEXTS.random(random)
        5 -> List(random.nextInt(4)) { anything(random, depth + 1) }
        else -> List(random.nextInt(4)) { TEXTS.random(random) to anything(random, depth + 1) }.toMap()
    }
}

private const val TEXT = "Play MUSIC at s\u00e9ven, [MASK] \u2014 \u65e5\u672c"
private val BAD_NAMES = listOf("../", "/", "a/../", "..\\", "C:", "\u0000", "a/", "./", "//", "\u202e", "x".repeat(300))
private val SIZES = listOf(0L, 1L, 70L, 0x7fffffffL, 0x80000000L, 0xffffffffL)
private val NUMBERS = listOf(
    1L shl 31, (1L shl 32) + 5, 1L shl 53, Long.MAX_VALUE, Long.MIN_VALUE, Int.MAX_VALUE.toLong(), 1024L,
    1e308, -1e308, 1e30, -0.5, 1.5, 1e-300, 0.0, -0.0, 5e-324,
)
private val TEXTS = listOf(
    "", "../out", "/etc/passwd", "model.onnx", "manifest.json", "\ud800", "a\udfff", "a".repeat(5000), "[PAD]", "[UNK]", "##a",
    "\u0000", "int64", "sequence", "question-answering", "fill-mask", "\u0301", " ", "executorch", "torchscript",
)
