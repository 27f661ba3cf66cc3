package squeezebertmobile.app

import android.app.Activity
import android.view.View
import android.view.ViewGroup
import android.widget.EditText
import android.widget.TextView
import org.junit.Assert.assertEquals
import org.junit.Assert.assertTrue
import org.junit.Test
import org.junit.runner.RunWith
import org.robolectric.RobolectricTestRunner
import org.robolectric.annotation.Config
import org.robolectric.annotation.GraphicsMode
import squeezebertmobile.app.measure.MeasureActivity

/** Descriptions for screen readers, and the size of touch targets. */
@RunWith(RobolectricTestRunner::class)
@Config(sdk = [34], qualifiers = "w411dp-h891dp-xhdpi")
@GraphicsMode(GraphicsMode.Mode.NATIVE)
class AccessibilityTest {
    private fun views(view: View): List<View> = when {
        view.visibility != View.VISIBLE -> emptyList()
        view is ViewGroup -> listOf(view) + (0 until view.childCount).flatMap { views(view.getChildAt(it)) }
        else -> listOf(view)
    }

    private fun check(activity: Activity) {
        val all = views(activity.findViewById(android.R.id.content))
        val labelled = all.map { it.labelFor }.toSet()
        val touched = all.filter { it.isClickable && it.isEnabled }
        assertTrue("${touched.size}", touched.isNotEmpty())
        for (view in touched) {
            val least = 40 * activity.resources.displayMetrics.density // 48 with the space around
            assertTrue("$view is ${view.height} high", view.height >= least)
            assertTrue("$view says nothing", view is EditText || says(view))
        }
        for (view in all.filterIsInstance<EditText>()) assertTrue("$view has no label", view.id in labelled)
    }

    private fun says(view: View): Boolean =
        !view.contentDescription.isNullOrEmpty() || views(view).any { it is TextView && it.text.isNotEmpty() }

    @Test
    fun `every screen has labels and large enough touch targets`() {
        home().use { check(it.get()) }
        eachScreen { screen, _ -> check(screen) }
        activity(MeasureActivity::class.java, MeasureActivity.of(app, "demo-intents")).use {
            settle()
            check(it.get())
        }
    }

    @Test
    fun `a bar is read as one sentence`() {
        home().close()
        task("demo-intents").use { controller ->
            val bar = controller.get().findViewById<View>(R.id.bar).parent as View
            val (name, percent) = controller.get().bars()[0]
            assertEquals("$name, $percent", bar.contentDescription)
        }
    }
}
