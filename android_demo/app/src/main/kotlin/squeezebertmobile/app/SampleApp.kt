package squeezebertmobile.app

import android.app.Application
import android.content.Context
import android.os.Handler
import android.os.Looper
import squeezebertmobile.app.data.Engine
import squeezebertmobile.app.data.Library
import squeezebertmobile.app.data.assetParts
import squeezebertmobile.app.measure.Running
import java.util.concurrent.Executor

/** What the screens share; tests put another one in its place. */
interface AppContainer {
    /** Runs work on the main thread. */
    val main: Executor

    /** The artifacts; used by the engine's thread. */
    val library: Library

    /** The model that is open. */
    val engine: Engine

    /** The measurement that is under way, which outlives a rotation of its screen. */
    val running: Running
}

/** The app: it outlives its activities, and so do the library and the open model. */
class SampleApp : Application(), AppContainer {
    override val main: Executor by lazy {
        val handler = Handler(Looper.getMainLooper())
        Executor { handler.post(it) }
    }
    override val library: Library by lazy {
        // Robolectric lists the files in the folders, Android the folders.
        val names = assets.list(ASSETS).orEmpty().map { it.substringBefore('/') }.distinct()
        Library(filesDir, names.associateWith { assetParts(assets, "$ASSETS/$it") })
    }
    override val engine: Engine by lazy { Engine(main) }
    override val running = Running()

    /** What the activities use. */
    var container: AppContainer = this
}

/** The shared parts, from any of the app's contexts. */
val Context.container: AppContainer get() = (applicationContext as SampleApp).container

private const val ASSETS = "artifacts"
