package squeezebertmobile.core

import org.junit.Assert.assertEquals
import org.junit.Assert.assertThrows
import org.junit.Rule
import org.junit.Test
import org.junit.rules.TemporaryFolder
import java.io.File

/** The vectors of a text as the manifest's sentence_vector says, against Python's. */
class SentenceVectorTest {
    @get:Rule
    val temporary = TemporaryFolder()

    private val file = File(REPOSITORY, "tests/golden/sentence_vectors.json")
    private val cases = (Json.parse(readUtf8(file)) as List<*>).map { it.asRecord() }

    /** The artifact with this `sentence_vector` in its manifest. */
    private fun artifactWith(settings: Any?): Artifact {
        val folder = File(temporary.root, "artifact").also { it.deleteRecursively() }
        ARTIFACTS.getValue("feature-extraction").copyRecursively(folder)
        val manifest = File(folder, MANIFEST_FILE)
        manifest.writeText(Json.write(readJson(manifest) + ("sentence_vector" to settings)))
        return Artifact.open(folder)
    }

    @Test
    fun `the same vectors as in Python`() {
        for (case in cases) {
            val artifact = artifactWith(case["sentence_vector"])
            val model = Model(artifact.manifest, tokenizerOf(artifact), ReplayedSession(case.records("runs")))
            val call = case.record("call")
            val found = FeatureExtraction(model).extract(call.text("texts"), promptName = call["prompt_name"] as String?)
            val want = (case.record("result")["sentence"] as List<*>).map { (it as Number).toDouble() }
            assertEquals(want.size, found.sentence.size)
            want.indices.forEach { assertEquals(want[it], found.sentence[it].toDouble(), 1e-6) }
            assertEquals(1.0, found.cosine(found), 1e-9)
        }
    }

    @Test
    fun `the same similarities as in Python`() {
        for (case in cases) {
            val vector = (case.record("result")["sentence"] as List<*>).map { (it as Number).toFloat() }
            val (first, second) = listOf(vector, vector.reversed()).map {
                FeatureExtractionResult(it.toFloatArray(), emptyList(), FloatTensor(intArrayOf(0, 0), FloatArray(0)), 0)
            }
            for ((function, want) in case.record("similarities")) {
                val artifact = artifactWith(case.record("sentence_vector") + ("similarity" to function))
                val model = Model(artifact.manifest, tokenizerOf(artifact), ReplayedSession(emptyList()))
                val found = FeatureExtraction(model).similarity(first, second)
                assertEquals(function, (want as Number).toDouble(), found, 1e-5)
            }
            assertEquals((case.record("similarities")["cosine"] as Number).toDouble(), first.cosine(second), 1e-5)
        }
    }

    @Test
    fun `an unknown prompt is refused`() {
        for ((settings, names) in listOf(cases[0] to "none", cases.last() to "query, long")) {
            val artifact = artifactWith(settings["sentence_vector"])
            val model = Model(artifact.manifest, tokenizerOf(artifact), ReplayedSession(emptyList()))
            val error = assertThrows(InputError::class.java) { FeatureExtraction(model).extract("a", null, "x") }
            assertEquals("unknown promptName 'x'; the model has: $names", error.message)
        }
    }

    @Test
    fun `an invalid sentence_vector is refused`() {
        val sound = mapOf("pooling" to listOf("cls"), "normalize" to true)
        for (valid in listOf(null, sound, sound + ("default_prompt" to null))) artifactWith(valid)
        for (invalid in listOf(
            sound - "normalize",
            sound + ("pooling" to emptyList<String>()),
            sound + ("pooling" to listOf("median")),
            sound + ("prompts" to mapOf("query" to 1L)),
            sound + ("include_prompt" to null),
            sound + ("similarity" to "hamming"),
            sound + ("unknown" to 1L),
        )) {
            assertThrows(ArtifactError::class.java) { artifactWith(invalid) }
        }
    }
}
