package squeezebertmobile.app

import android.app.Activity
import android.content.Intent
import android.net.Uri
import android.os.Bundle
import android.provider.OpenableColumns
import android.view.LayoutInflater
import android.view.View
import android.view.ViewGroup
import android.widget.TextView
import squeezebertmobile.app.data.Entry
import squeezebertmobile.app.data.Listing
import squeezebertmobile.app.data.Refusal
import squeezebertmobile.app.data.refusing
import squeezebertmobile.app.data.zipFiles
import squeezebertmobile.app.screens.SCREENS
import squeezebertmobile.app.screens.screensOf
import squeezebertmobile.core.SqueezeBertMobileError
import squeezebertmobile.core.shown
import java.io.FileNotFoundException

/** The start screen: a card for each artifact on the phone. */
class HomeActivity : Activity() {
    private val list: ViewGroup by lazy { findViewById(R.id.list) }
    private val progress: View by lazy { findViewById(R.id.progress) }

    override fun onCreate(state: Bundle?) {
        super.onCreate(state)
        setContentView(R.layout.home)
        findViewById<View>(R.id.add).setOnClickListener { pick() }
    }

    /** Refreshes on every start, as artifacts may have been pushed while the app was in the background. */
    override fun onStart() {
        super.onStart()
        refresh()
    }

    private fun refresh(before: () -> Unit = {}) {
        progress.visibility = View.VISIBLE
        val shared = container
        shared.engine.alone {
            before()
            val listing = shared.library.refresh()
            shared.main.execute { show(listing) }
        }
    }

    private fun show(listing: Listing) {
        progress.visibility = View.GONE
        list.removeAllViews()
        for (entry in listing.entries) screensOf(entry.manifest).forEach { list.addView(card(entry, it)) }
        listing.refusals.forEach { list.addView(refusal(it)) }
    }

    private fun card(entry: Entry, screen: String): View {
        val manifest = entry.manifest
        val card = LayoutInflater.from(this).inflate(R.layout.home_card, list, false)
        card.findViewById<TextView>(R.id.task).setText(SCREENS.getValue(screen).title)
        card.findViewById<TextView>(R.id.name).text = entry.name
        card.findViewById<TextView>(R.id.facts).text = facts(this, entry)
        card.findViewById<View>(R.id.random).visibility = visibleIf(manifest.weights == "random")
        card.setOnClickListener { startActivity(TaskActivity.of(this, entry.name, screen)) }
        return card
    }

    private fun refusal(refusal: Refusal): View =
        LayoutInflater.from(this).inflate(R.layout.home_refusal, list, false).also {
            it.findViewById<TextView>(R.id.reason).text = getString(R.string.refused, refusal.name, refusal.reason)
        }

    // Adding an artifact -----------------------------------------------------------------------

    private fun pick() {
        val intent = Intent(Intent.ACTION_OPEN_DOCUMENT).addCategory(Intent.CATEGORY_OPENABLE).setType("*/*")
            .putExtra(Intent.EXTRA_MIME_TYPES, arrayOf("application/zip", "application/octet-stream"))
        startActivityForResult(intent, PICKED)
    }

    override fun onActivityResult(request: Int, result: Int, data: Intent?) {
        val uri = data?.data ?: return
        if (request == PICKED && result == RESULT_OK) refresh { container.library.picked = install(uri) }
    }

    /** Installs the picked file and returns why it was refused, if it was. Runs on the engine's thread. */
    private fun install(uri: Uri): Refusal? {
        var name = shown(uri.toString())
        return try {
            refusing {
                name = nameOf(uri)
                container.library.install(name, zipFiles { contentResolver.openInputStream(uri) ?: throw FileNotFoundException() })
            }
            null
        } catch (error: SqueezeBertMobileError) {
            Refusal(name, error.message.orEmpty())
        }
    }

    private fun nameOf(uri: Uri): String {
        val names = contentResolver.query(uri, arrayOf(OpenableColumns.DISPLAY_NAME), null, null, null)
        val name = names?.use { if (it.moveToFirst()) it.getString(0) else null } ?: uri.lastPathSegment.orEmpty()
        return name.substringAfterLast('/').removeSuffix(".zip")
    }

    private companion object {
        const val PICKED = 1
    }
}
