package squeezebertmobile.core

import org.jetbrains.kotlin.abi.tools.AbiFilters
import org.jetbrains.kotlin.abi.tools.AbiTools
import org.junit.Assert.assertEquals
import org.junit.Test
import java.io.File

/** Apps are compiled against these classes and methods: a change to the list is a change for them. */
class PublicApiTest {
    @Test
    fun `the public API is that of api_txt`() {
        val classes = File(SqueezeBert::class.java.protectionDomain.codeSource.location.toURI()).walk().filter { it.extension == "class" }
        val ours = StringBuilder().also { AbiTools.getInstance().printJvmDump(it, classes.toList(), AbiFilters.EMPTY) }.toString()
        val file = File(REPOSITORY, "android_demo/core/api.txt")
        if (System.getProperty("api") == "write") file.writeText(ours)
        assertEquals("if apps may rely on it, write the file anew: make library-api", file.readText(), ours)
    }
}
