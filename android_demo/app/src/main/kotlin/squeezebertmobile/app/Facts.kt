package squeezebertmobile.app

import android.content.Context
import android.view.View
import squeezebertmobile.app.data.Entry

/** One line with the artifact's model type, precision, format and size. */
fun facts(context: Context, entry: Entry): String {
    val manifest = entry.manifest
    // The weights of a large ONNX model are in a second file, model.onnx.data.
    val modelFiles = manifest.files.filterKeys { it.startsWith(manifest.modelFile) }
    val megabytes = modelFiles.values.sumOf { it.bytes } / 1e6
    return context.getString(R.string.facts, manifest.modelType, manifest.precision, manifest.format, megabytes)
}

/** [View.VISIBLE] if [shown], else [View.GONE]. */
fun visibleIf(shown: Boolean): Int = if (shown) View.VISIBLE else View.GONE
