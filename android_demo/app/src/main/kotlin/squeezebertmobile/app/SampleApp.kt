package squeezebertmobile.app

import android.app.Application
import android.content.Context
import android.os.Handler
import android.os.Looper
import squeezebertmobile.app.data.Engine
import squeezebertmobile.app.data.Library
import squeezebertmobile.app.data.assetFiles
import squeezebertmobile.app.measure.MeasurementController
import java.util.concurrent.Executor

/** The objects that the screens share; tests replace them. */
interface AppContainer {
    /** Executes on the main thread. */
    val main: Executor

    /** The installed artifacts; use it on the engine's thread. */
    val library: Library

    /** Runs inference with the loaded model. */
    val engine: Engine

    /** The current measurement, which survives a rotation of its screen. */
    val measurements: MeasurementController
}

/** The application, which keeps the library and the loaded model across activities. */
class SampleApp : Application(), AppContainer {
    override val main: Executor by lazy {
        val handler = Handler(Looper.getMainLooper())
        Executor { handler.post(it) }
    }
    override val library: Library by lazy {
        // Robolectric lists the files of subfolders, Android lists the subfolders.
        val names = assets.list(ASSETS).orEmpty().map { it.substringBefore('/') }.distinct()
        Library(filesDir, names.associateWith { assetFiles(assets, "$ASSETS/$it") })
    }
    override val engine: Engine by lazy { Engine(main) }
    override val measurements = MeasurementController()

    /** The container that the activities use. */
    var container: AppContainer = this
}

/** The app's container, from any of its contexts. */
val Context.container: AppContainer get() = (applicationContext as SampleApp).container

private const val ASSETS = "artifacts"
