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
    implementation(project(":core"))
    compileOnly(libs.onnxruntime.desktop)
    testImplementation(libs.junit)
}

// The tests run the runner as shrunk by R8, which only Maven builds.
tasks.test {
    enabled = false
}
