import org.jetbrains.kotlin.gradle.dsl.JvmTarget

plugins {
    alias(libs.plugins.android.application)
    alias(libs.plugins.kotlin.android)
}

android {
    namespace = "squeezebertmobile.app"
    compileSdk = libs.versions.compileSdk.get().toInt()

    defaultConfig {
        applicationId = "squeezebertmobile.app"
        minSdk = libs.versions.minSdk.get().toInt()
        targetSdk = libs.versions.targetSdk.get().toInt()
        versionCode = 1
        versionName = "0.1.0"
        ndk {
            abiFilters += setOf("arm64-v8a", "x86_64")
        }
    }

    buildTypes {
        release {
            isMinifyEnabled = true
            proguardFiles("app.pro")
            // Allows to install it for tests; use your own key for a published release.
            signingConfig = signingConfigs.getByName("debug")
        }
    }

    compileOptions {
        sourceCompatibility = JavaVersion.VERSION_17
        targetCompatibility = JavaVersion.VERSION_17
    }

    // Models are stored uncompressed, and libraries page-aligned, so that both are used in place.
    androidResources {
        noCompress += setOf("onnx", "pte")
    }
    packaging {
        jniLibs {
            useLegacyPackaging = false
            // Contained in both ExecuTorch's AAR and fbjni's.
            pickFirsts += setOf("**/libc++_shared.so", "**/libfbjni.so")
        }
    }

    // The tests need what Maven has linked and packaged.
    testOptions {
        unitTests {
            all { it.enabled = false }
        }
    }
}

kotlin {
    compilerOptions {
        jvmTarget.set(JvmTarget.JVM_17)
    }
}

dependencies {
    implementation(project(":core"))
    implementation(project(":runner"))
    implementation(libs.onnxruntime.android)
    implementation(libs.executorch.android)
    implementation(libs.litert.android)
    testImplementation(libs.junit)
    testImplementation(libs.robolectric)
}
