package squeezebertmobile.app

import android.content.Context
import android.view.View
import squeezebertmobile.app.data.Entry

/** Precision, format and size of an artifact, in a line. */
fun facts(context: Context, entry: Entry): String {
    val manifest = entry.manifest
    // A large ONNX model's weights lie beside it, in model.onnx.data.
    val parts = manifest.files.filterKeys { it.startsWith(manifest.modelFile) }
    val megabytes = parts.values.sumOf { it.bytes } / 1e6
    return context.getString(R.string.facts, manifest.modelType, manifest.precision, manifest.format, megabytes)
}

/** [View.VISIBLE] or [View.GONE]. */
fun visibleIf(shown: Boolean): Int = if (shown) View.VISIBLE else View.GONE
