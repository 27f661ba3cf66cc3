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
            // So that it can be installed and tried; a release that is published has its own key.
            signingConfig = signingConfigs.getByName("debug")
        }
    }

    compileOptions {
        sourceCompatibility = JavaVersion.VERSION_17
        targetCompatibility = JavaVersion.VERSION_17
    }

    // Read where they lie in the package: models as they are, libraries aligned to pages.
    androidResources {
        noCompress += setOf("onnx", "pte")
    }
    packaging {
        jniLibs {
            useLegacyPackaging = false
            // ExecuTorch's AAR and fbjni's both bring these.
            pickFirsts += setOf("**/libc++_shared.so", "**/libfbjni.so")
        }
    }

    // They look for what Maven has linked and packaged.
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
    testImplementation(libs.junit)
    testImplementation(libs.robolectric)
}
