import org.jetbrains.kotlin.gradle.dsl.JvmTarget

plugins {
    alias(libs.plugins.kotlin.jvm)
}

java {
    sourceCompatibility = JavaVersion.VERSION_17
    targetCompatibility = JavaVersion.VERSION_17
}

kotlin {
    compilerOptions {
        jvmTarget.set(JvmTarget.JVM_17)
    }
}

dependencies {
    // Compile only: the app adds the AARs, which have the same classes and the native libraries.
    compileOnly(libs.onnxruntime.desktop)
    compileOnly(project(":executorch-stub"))
    compileOnly(project(":litert-stub"))
    testImplementation(libs.onnxruntime.desktop)
    testImplementation(project(":executorch-stub"))
    testImplementation(project(":litert-stub"))
    testImplementation(libs.junit)
    testImplementation(libs.kotlin.abi.tools)
}

tasks.test {
    val repository = rootDir.parentFile
    systemProperty("repository", repository.path)
    systemProperty("onnxruntime.version", libs.versions.onnxruntime.get())
    systemProperty("expected", repository.resolve("tests/golden/expected").path)
}
