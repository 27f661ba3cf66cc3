package squeezebertmobile.app

import android.content.Intent
import android.view.View
import android.widget.TextView
import org.junit.Assert.assertEquals
import org.junit.Assert.assertFalse
import org.junit.Assert.assertTrue
import org.junit.Test
import org.junit.runner.RunWith
import org.robolectric.RobolectricTestRunner
import org.robolectric.Shadows.shadowOf
import org.robolectric.annotation.Config
import squeezebertmobile.app.measure.CHOICES
import squeezebertmobile.app.measure.LENGTH
import squeezebertmobile.app.measure.MeasureActivity
import squeezebertmobile.app.measure.textOf
import squeezebertmobile.core.Artifact
import squeezebertmobile.core.Json
import squeezebertmobile.core.asRecord
import squeezebertmobile.core.readUtf8
import squeezebertmobile.core.row
import squeezebertmobile.core.tokenizerOf
import java.io.File

@RunWith(RobolectricTestRunner::class)
@Config(sdk = [34])
class MeasureTest {
    private fun measure(name: String) = activity(MeasureActivity::class.java, MeasureActivity.of(app, name))

    @Test
    fun `an artifact is measured in alternation with a BERT of its task, and shared as JSON`() {
        home().close()
        asBert(DEMO)
        measure("demo-intents").use { controller ->
            assertTrue(controller.get().isShown(R.id.progress))
            settle()
            val screen = controller.get()
            val texts = screen.texts()
            assertTrue("$texts", texts.any { Regex("[0-9.]+ times as fast as bert").matches(it) })
            assertEquals(2, texts.count { Regex(".*, [0-9]{2,} runs").matches(it) })
            assertEquals(2, texts.count { Regex("From text to answer [0-9.]+ ms, P90 [0-9.]+ ms").matches(it) })
            assertEquals(2, texts.count { it.startsWith("8 golden texts verified") })
            assertTrue("$texts", texts.any { it.startsWith("128 tokens, ") && it.endsWith("Measured in this app, in alternating blocks.") })
            screen.findViewById<View>(R.id.share).performClick()
            val sent = shadowOf(screen).nextStartedActivity.getParcelableExtra(Intent.EXTRA_INTENT, Intent::class.java)
            checkShared(Json.parse(checkNotNull(sent?.getStringExtra(Intent.EXTRA_TEXT))).asRecord())
            controller.recreate()
            settle()
            assertEquals(texts, controller.get().texts())
        }
    }

    private fun checkShared(json: Map<String, Any?>) {
        assertEquals("app", json["target"])
        assertEquals(128L, json["sequence_length"])
        val contenders = (json["contenders"] as List<*>).map { it.asRecord() }
        assertEquals(listOf("demo-intents", "bert"), contenders.map { it["name"] })
        for (contender in contenders) {
            val events = (contender["events"] as List<*>).map { it.asRecord() }
            val kinds = events.map { it["event"] }.filter { it != "progress" }
            val measured = listOf("warm_up") + List(6) { "block" }
            assertEquals(listOf("hello", "artifact", "load", "golden", "ready") + measured + measured, kinds)
            assertEquals(List(7) { "ids" } + List(7) { "text" }, events.mapNotNull { it["input"] })
        }
        // ABBA order: the first in one pair of blocks is the second in the next.
        val begins = contenders.map { contender ->
            val events = (contender["events"] as List<*>).map { it.asRecord() }.filter { it["event"] == "block" }
            events.map { it["before"].asRecord()["at_ns"] as Long }
        }
        assertEquals(List(12) { it % 2 == 0 }, begins[0].zip(begins[1]) { one, other -> one < other })
    }

    @Test
    fun `texts have as many tokens as the ids`() {
        val tokenizer = tokenizerOf(Artifact.open(DEMO))
        for (length in listOf(16, LENGTH)) {
            for (task in listOf("text-classification", "fill-mask", "question-answering", "multiple-choice")) {
                val text = textOf(task, tokenizer, length)
                val second = text.question ?: text.choices?.first()
                assertTrue(task, tokenizer.row(text.text, second, 2 * length).size in length - 3..length)
                assertEquals(task == "fill-mask", text.text.startsWith("[MASK] "))
                assertEquals(if (task == "multiple-choice") CHOICES else null, text.choices?.size)
            }
        }
        assertEquals("it", textOf("text-classification", tokenizer, 1).text)
    }

    /** The same file is compared with the computer's constants in tests/benchmarks. */
    @Test
    fun `the inputs have the size of the computer's inputs`() {
        val golden = Json.parse(readUtf8(File(REPOSITORY, "tests/golden/schedule.json"))).asRecord()
        assertEquals(golden["default_sequence_length"], LENGTH.toLong())
        assertEquals(golden["choices"], CHOICES.toLong())
    }

    @Test
    fun `a measurement can be stopped and started again`() {
        home().close()
        measure("demo-intents").use { controller ->
            controller.get().findViewById<View>(R.id.start).performClick()
            settle()
            assertEquals("Nothing has been measured yet.", controller.get().textOf(R.id.status))
            assertEquals("Measure again", controller.get().textOf(R.id.start))
            controller.get().findViewById<View>(R.id.start).performClick()
            settle()
            assertTrue(controller.get().isShown(R.id.share))
        }
    }

    @Test
    fun `an artifact that cannot be measured is reported`() {
        home().close()
        File(app.filesDir, "artifacts/demo-intents/golden.json").let { file ->
            file.writeText(file.readText().replaceFirst("texts", "texzs"))
        }
        measure("demo-intents").use { controller ->
            settle()
            val status = controller.get().textOf(R.id.status)
            assertTrue(status, "has changed since the export" in status)
            assertFalse(controller.get().isShown(R.id.share))
        }
    }

    @Test
    fun `a computer's job runs through files`() {
        home().close()
        val commands = File(app.filesDir, "commands.jsonl")
        val ids = List(16) { 5L }
        val job = mapOf(
            "protocol" to 1, "artifact" to File(app.filesDir, "artifacts/demo-intents").path, "format" to "onnx",
            "threads" to 1, "libraries" to null, "checksums" to true, "golden" to true,
            "inputs" to mapOf("text" to listOf(ids)), "commands" to emptyList<Any>(),
        )
        val jobFile = File(app.filesDir, "job.json").also { it.writeText(Json.write(job)) }
        val intent = Intent(app, MeasureActivity::class.java)
            .putExtra("job", jobFile.path).putExtra("commands", commands.path).putExtra("lines", "one")
        activity(MeasureActivity::class.java, intent).use { controller ->
            assertTrue(controller.get().textOf(R.id.status).startsWith("A computer is measuring 1 model."))
            val block = """{"do": "block", "id": "1", "input": "text", "lead_in": 0, "samples": 3, "seconds": 0}"""
            commands.writeText("$block\n{\"do\": \"end\", \"id\": \"2\"}\n")
            val events = waitFor(File(app.filesDir, "measure/one.jsonl"))
            assertEquals(3, (events.first { it["event"] == "block" }["samples_ns"] as List<*>).size)
            assertEquals("asked", events.last()["why"])
        }
    }

    private fun waitFor(file: File): List<Map<String, Any?>> {
        val end = System.nanoTime() + 60_000_000_000
        while (System.nanoTime() < end) {
            val lines = if (file.exists()) file.readLines().filter { it.endsWith("}") } else emptyList()
            val events = lines.map { Json.parse(it).asRecord() }
            if (events.lastOrNull()?.get("event") in setOf("end", "error")) return events
            Thread.sleep(50)
        }
        error("no end in $file")
    }

    @Test
    fun `an intent with an invalid name for the events is ignored`() {
        val intent = Intent(app, MeasureActivity::class.java)
            .putExtra("job", "/nowhere").putExtra("commands", "/nowhere").putExtra("lines", "../../x")
        activity(MeasureActivity::class.java, intent).use {
            assertEquals("Nothing has been measured yet.", it.get().textOf(R.id.status))
            assertEquals(null, it.get().findViewById<TextView>(R.id.start).takeIf { view -> view.visibility == View.VISIBLE })
        }
    }

    /** Installs a copy of the artifact whose manifest says it is a BERT. */
    private fun asBert(folder: File) {
        val copy = File(app.cacheDir, "bert").also { folder.copyRecursively(it) }
        val manifest = File(copy, "manifest.json")
        manifest.writeText(manifest.readText().replaceFirst(Regex("\"type\": ?\"squeezebert\""), "\"type\": \"bert\""))
        install("bert", copy)
    }
}
