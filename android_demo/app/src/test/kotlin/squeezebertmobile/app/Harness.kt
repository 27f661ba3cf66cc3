package squeezebertmobile.app

import android.app.Activity
import android.content.Intent
import android.graphics.Bitmap
import android.graphics.Canvas
import android.os.Looper
import android.view.View
import android.view.ViewGroup
import android.widget.EditText
import android.widget.TextView
import org.robolectric.Robolectric
import org.robolectric.RuntimeEnvironment
import org.robolectric.Shadows.shadowOf
import org.robolectric.android.controller.ActivityController
import squeezebertmobile.app.data.Engine
import squeezebertmobile.app.data.Library
import squeezebertmobile.app.data.ArtifactFiles
import squeezebertmobile.app.measure.MeasurementController
import squeezebertmobile.app.screens.screensOf
import squeezebertmobile.core.Json
import squeezebertmobile.core.asRecord
import squeezebertmobile.core.readUtf8
import java.io.File
import java.util.concurrent.Executor

internal val REPOSITORY = File(checkNotNull(System.getProperty("repository")))

/** The artifacts bundled in the APK, all of them trained. */
internal val BUNDLED = listOf("demo-fill-mask", "demo-intents", "demo-slots")

/** The bundled artifact with which most tests work. */
internal val DEMO = File(REPOSITORY, "android_demo/app/src/main/assets/artifacts/demo-intents")

/** The artifacts and the answers of the Python pipelines: see tests/helpers/app_expectations.py. */
internal val GOLDEN = File(REPOSITORY, "tests/golden/app")

/** The folder of an artifact by its name in answers.json. */
internal fun goldenFolder(name: String) = if (name == DEMO.name) DEMO else File(GOLDEN, name)

/** The cases of answers.json. */
internal val CASES: List<Map<String, Any?>> by lazy {
    (Json.parse(readUtf8(File(GOLDEN, "answers.json"))) as List<*>).map { it.asRecord() }
}

/** The names of all artifacts in answers.json. */
internal val NAMES: List<String> by lazy { CASES.map { it["artifact"] as String }.distinct() }

internal fun folderFiles(folder: File) = ArtifactFiles { read ->
    for (file in checkNotNull(folder.listFiles()).sorted()) file.inputStream().use { read(file.name, it) }
}

internal val app: SampleApp get() = RuntimeEnvironment.getApplication() as SampleApp

/** Puts an artifact into the app's library. */
internal fun install(name: String, folder: File = goldenFolder(name)) {
    app.container.library.install(name, folderFiles(folder))
}

/** Replaces the engine in the app's container. */
internal fun useEngine(engine: (Executor) -> Engine) {
    val original = app.container
    app.container = object : AppContainer {
        override val main: Executor = original.main
        override val library: Library = original.library
        override val engine: Engine = engine(original.main)
        override val measurements: MeasurementController = original.measurements
    }
}

/** Waits until the engine is idle and the main thread has shown its replies. */
internal fun settle() {
    repeat(3) { // showing a reply may ask a new question
        shadowOf(Looper.getMainLooper()).idle()
        app.container.engine.await()
    }
    shadowOf(Looper.getMainLooper()).idle()
}

internal fun home(): ActivityController<HomeActivity> =
    Robolectric.buildActivity(HomeActivity::class.java).setup().also { settle() }

internal fun task(name: String, screen: String? = null): ActivityController<TaskActivity> =
    Robolectric.buildActivity(TaskActivity::class.java, TaskActivity.of(app, name, screen)).setup().also { settle() }

/** Installs the classifier of tests/golden/expected as a model of natural language inference, with random weights. */
internal fun installInference() {
    val folder = File(app.cacheDir, "inference")
    File(REPOSITORY, "tests/golden/expected/artifacts/fp32").copyRecursively(folder, overwrite = true)
    val path = File(folder, "manifest.json")
    val labels = listOf("contradiction", "neutral", "entailment", "other", "none")
    path.writeText(Json.write(Json.parse(readUtf8(path)).asRecord() + ("labels" to labels)))
    install("inference", folder)
}

/** Opens every screen of every artifact; the demo must be installed. */
internal fun eachScreen(look: (TaskActivity, name: String) -> Unit) {
    for (name in NAMES - DEMO.name) install(name)
    installInference()
    for (name in NAMES + "inference") {
        for (screen in screensOf(checkNotNull(app.container.library.entry(name)).manifest)) {
            task(name, screen).use { look(it.get(), "$name-$screen") }
        }
    }
}

internal fun <T : Activity> activity(type: Class<T>, intent: Intent): ActivityController<T> =
    Robolectric.buildActivity(type, intent).setup()

internal fun Activity.type(id: Int, text: String) {
    findViewById<EditText>(id).setText(text)
    settle()
}

internal fun Activity.textOf(id: Int): String = findViewById<TextView>(id).text.toString()

internal fun Activity.isShown(id: Int): Boolean = findViewById<View>(id).visibility == View.VISIBLE

/** Every visible text on the screen, from top to bottom. */
internal fun Activity.texts(): List<String> = texts(window.decorView)

private fun texts(view: View): List<String> = when {
    view.visibility != View.VISIBLE -> emptyList()
    view is TextView -> listOf(view.text.toString())
    view is ViewGroup -> (0 until view.childCount).flatMap { texts(view.getChildAt(it)) }
    else -> emptyList()
}

/** The names and percentages of the bars. */
internal fun Activity.bars(): List<Pair<String, String>> {
    val place = findViewById<ViewGroup>(R.id.bars)
    return (0 until place.childCount).map { place.getChildAt(it) }.filter { it.visibility == View.VISIBLE }.map {
        it.findViewById<TextView>(R.id.name).text.toString() to it.findViewById<TextView>(R.id.score).text.toString()
    }
}

/** A picture of the activity. */
internal fun Activity.picture(): Bitmap {
    val view = window.decorView
    return Bitmap.createBitmap(view.width, view.height, Bitmap.Config.ARGB_8888).also { view.draw(Canvas(it)) }
}

/** Saves a screenshot of the activity to app/target/screenshots. */
internal fun Activity.shoot(name: String) = picture().save(name)

/** Saves a picture to app/target/screenshots. */
internal fun Bitmap.save(name: String) {
    val file = File(System.getProperty("screenshots"), "$name.png").also { it.parentFile?.mkdirs() }
    file.outputStream().use { compress(Bitmap.CompressFormat.PNG, 100, it) }
}
