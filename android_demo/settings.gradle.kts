// The same modules as in pom.xml, for Android Studio; tests/test_gradle.py compares the two builds.
pluginManagement {
    buildscript {
        repositories {
            google()
            mavenCentral()
        }
        dependencies {
            // Kotlin 2.4 requires R8 9.1.29 or later; this Android Gradle plugin includes an older version.
            classpath("com.android.tools:r8:9.1.43")
        }
    }
    repositories {
        google()
        mavenCentral()
        gradlePluginPortal()
    }
}

dependencyResolutionManagement {
    repositoriesMode.set(RepositoriesMode.FAIL_ON_PROJECT_REPOS)
    repositories {
        google()
        mavenCentral()
    }
}

rootProject.name = "squeezebert-mobile"
include(":executorch-stub", ":litert-stub", ":core", ":runner", ":app")
