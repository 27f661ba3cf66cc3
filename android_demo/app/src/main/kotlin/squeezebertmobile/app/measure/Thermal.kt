package squeezebertmobile.app.measure

import android.annotation.TargetApi
import android.content.Context
import android.os.Build
import android.os.PowerManager

/** Returns a reader of Android's thermal status, 0 (none) to 6 (shutdown); null before Android 10. */
fun thermalStatus(context: Context): () -> Int? {
    if (Build.VERSION.SDK_INT < Build.VERSION_CODES.Q) return { null }
    val power = context.applicationContext.getSystemService(PowerManager::class.java)
    return { statusOf(power) }
}

@TargetApi(Build.VERSION_CODES.Q)
private fun statusOf(power: PowerManager): Int = power.currentThermalStatus
