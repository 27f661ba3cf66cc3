package squeezebertmobile.app

import android.graphics.Bitmap
import android.graphics.Canvas
import android.graphics.Color
import android.view.View
import android.widget.EditText
import org.junit.Assume.assumeTrue
import org.junit.Before
import org.junit.Test
import org.junit.runner.RunWith
import org.robolectric.ParameterizedRobolectricTestRunner
import org.robolectric.ParameterizedRobolectricTestRunner.Parameter
import org.robolectric.ParameterizedRobolectricTestRunner.Parameters
import org.robolectric.RuntimeEnvironment
import org.robolectric.annotation.Config
import org.robolectric.annotation.GraphicsMode
import org.robolectric.fakes.RoboMenuItem
import squeezebertmobile.app.measure.MeasureActivity

/** Pictures of every screen in app/target/screenshots: light and dark, and with large letters. */
@RunWith(ParameterizedRobolectricTestRunner::class)
@Config(sdk = [34])
@GraphicsMode(GraphicsMode.Mode.NATIVE)
class ScreenshotsTest {
    @Parameter(0)
    lateinit var look: String

    @Parameter(1)
    lateinit var qualifiers: String

    @Parameter(2)
    @JvmField
    var fontScale = 1f

    companion object {
        private const val PHONE = "w411dp-h891dp-xxhdpi"

        @JvmStatic
        @Parameters(name = "{0}")
        fun looks(): List<Array<Any>> = listOf(
            arrayOf("light", "$PHONE", 1f),
            arrayOf("dark", "w411dp-h891dp-night-xxhdpi", 1f),
            arrayOf("large", PHONE, 1.8f),
            arrayOf("right-to-left", "ar-ldrtl-$PHONE", 1f),
        )
    }

    @Before
    fun setUp() {
        RuntimeEnvironment.setQualifiers(qualifiers)
        RuntimeEnvironment.setFontScale(fontScale)
    }

    @Test
    fun home() {
        (NAMES - "demo-intents").forEach { install(it) }
        app.filesDir.resolve("inbox").also { it.mkdirs() }.resolve("broken.zip").writeText("no zip")
        squeezebertmobile.app.home().use { it.get().shoot("home-$look") }
    }

    @Test
    fun `every screen`() {
        squeezebertmobile.app.home().close()
        eachScreen { screen, name -> screen.shoot("$name-$look") }
    }

    @Test
    fun `tokens and a long text`() {
        squeezebertmobile.app.home().close()
        task("demo-intents").use { controller ->
            controller.get().onOptionsItemSelected(RoboMenuItem(R.id.tokens_shown))
            controller.get().findViewById<EditText>(R.id.text).setText("wake me up, it is late \ud83d\ude34 ".repeat(60))
            settle()
            controller.get().shoot("tokens-$look")
        }
    }

    @Test
    fun measure() {
        squeezebertmobile.app.home().close()
        activity(MeasureActivity::class.java, MeasureActivity.of(app, "demo-intents")).use { controller ->
            settle()
            check(controller.get().findViewById<View>(R.id.share).visibility == View.VISIBLE)
            controller.get().shoot("measure-$look")
        }
    }

    @Test
    fun `the bundled artifacts`() {
        squeezebertmobile.app.home().close()
        for (name in BUNDLED) task(name).use { it.get().shoot("$name-$look") }
    }

    /** android_demo/screenshots/app.png is a copy of this picture. */
    @Test
    fun `the picture of the README`() {
        assumeTrue(look == "light")
        squeezebertmobile.app.home().close()
        val screens = listOf("demo-intents", "demo-slots", "demo-fill-mask").map { name ->
            RuntimeEnvironment.setQualifiers(if (name == "demo-slots") "+night" else "+notnight")
            task(name).use { controller ->
                val field = controller.get().findViewById<EditText>(R.id.text)
                repeat(RUNS) { // for a latency without the first, slow runs
                    field.setText(field.text.toString())
                    settle()
                }
                controller.get().picture()
            }
        }
        sideBySide(screens).save("app")
    }

    private fun sideBySide(screens: List<Bitmap>): Bitmap {
        val all = Bitmap.createBitmap(screens.size * (WIDTH + GAP) - GAP, HEIGHT, Bitmap.Config.ARGB_8888)
        val canvas = Canvas(all)
        canvas.drawColor(Color.WHITE)
        screens.forEachIndexed { at, screen ->
            // Halving first: a smaller scale in one step would leave out pixels.
            val half = Bitmap.createScaledBitmap(screen, screen.width / 2, screen.height / 2, true)
            val small = Bitmap.createScaledBitmap(half, WIDTH, WIDTH * screen.height / screen.width, true)
            canvas.drawBitmap(small, at * (WIDTH + GAP).toFloat(), 0f, null)
        }
        return all
    }
}

private const val RUNS = 30
private const val WIDTH = 360
private const val HEIGHT = 600
private const val GAP = 10
