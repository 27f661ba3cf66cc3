"""Gradle's build files, which are not run here, agree with Maven's, which are."""

import re
import tomllib
import xml.etree.ElementTree as ET
from collections.abc import Iterator
from pathlib import Path

import pytest

from squeezebert_mobile.benchmarks.phone.libraries import parts

ANDROID = Path(__file__).parents[1] / "android_demo"
CATALOG = tomllib.loads((ANDROID / "gradle/libs.versions.toml").read_text(encoding="utf-8"))
MODULES = ("executorch-stub", "litert-stub", "core", "runner", "app")

#: The pom.xml and property of each version in the catalog.
VERSIONS = {
    "kotlin": ("pom.xml", "kotlin.version"),
    "onnxruntime": ("pom.xml", "onnxruntime.version"),
    "junit": ("pom.xml", "junit.version"),
    "minSdk": ("pom.xml", "min.api"),
    "targetSdk": ("app/pom.xml", "target.api"),
    "robolectric": ("app/pom.xml", "robolectric.version"),
}
#: Settings of app/build.gradle.kts and their properties in app/pom.xml.
APP = {
    "namespace": "app.id",
    "applicationId": "app.id",
    "versionCode": "version.code",
    "versionName": "version.name",
}
#: Android versions, as in the names of Robolectric's jars, and their SDK levels.
SDK = {"14": 34}


def _gradle(path: str) -> str:
    """A build script without its comments."""
    text = (ANDROID / path).read_text(encoding="utf-8")
    return re.sub(r"(?<!:)//.*", "", text)


def _match(pattern: str, text: str) -> str:
    """The group of the only match."""
    matches = re.findall(pattern, text)
    assert len(matches) == 1, (pattern, matches)
    return str(matches[0])


def _pom(path: str) -> ET.Element:
    tree = ET.parse(ANDROID / path).getroot()
    for element in tree.iter():
        element.tag = element.tag.rpartition("}")[2]  # without Maven's namespace
    return tree


def _property(path: str, name: str) -> str:
    element = _pom(path).find(f"properties/{name}")
    assert element is not None and element.text, name
    return element.text


def _number(version: str) -> tuple[int, ...]:
    return tuple(map(int, version.split(".")))


# Versions -----------------------------------------------------------------------------------


@pytest.mark.parametrize("name", VERSIONS)
def test_a_version_equals_mavens(name: str) -> None:
    assert CATALOG["versions"][name] == _property(*VERSIONS[name])


def test_the_other_versions() -> None:
    assert CATALOG["versions"].keys() - VERSIONS.keys() == {
        "agp",
        "executorch",
        "litert",
        "compileSdk",
    }
    assert CATALOG["versions"]["executorch"] == parts.EXECUTORCH_VERSION
    assert CATALOG["versions"]["litert"] == parts.LITERT_VERSION
    android = _property("pom.xml", "android.version").partition("-")[0]
    assert int(CATALOG["versions"]["compileSdk"]) == SDK[android]


def test_every_version_is_exact_and_read_from_the_catalog() -> None:
    assert all(re.fullmatch(r"\d+(\.\d+){0,2}", each) for each in CATALOG["versions"].values())
    for kind in ("libraries", "plugins"):
        assert all(set(each) > {"version"} for each in CATALOG[kind].values())
        refs = {each["version"]["ref"] for each in CATALOG[kind].values()}
        assert refs <= CATALOG["versions"].keys()
    for module in MODULES:
        script = _gradle(f"{module}/build.gradle.kts")
        assert not re.findall(r'(?:mplementation|Only)\("|version "', script), module


def test_the_tools_are_compatible_according_to_the_published_tables() -> None:
    """Kotlin 2.4 requires AGP 8.5.2 and R8 9.1.29 or later, AGP 8.13 requires Gradle 8.13."""
    assert CATALOG["versions"]["kotlin"].startswith("2.4.")
    assert CATALOG["versions"]["agp"] == "8.13.2"
    assert _number(_match(r"tools:r8:([\d.]+)", _gradle("settings.gradle.kts"))) >= (9, 1, 29)
    wrapper = (ANDROID / "gradle/wrapper/gradle-wrapper.properties").read_text(encoding="utf-8")
    gradle = _match(r"gradle-([\d.]+)-bin", wrapper)
    assert (8, 13) <= _number(gradle) < (9,)
    readme = (ANDROID / "gradle/README.md").read_text(encoding="utf-8")
    assert all(v in readme for v in (gradle, CATALOG["versions"]["agp"], "9.1.43"))


# Modules ------------------------------------------------------------------------------------


def test_the_modules_equal_mavens() -> None:
    included = re.findall(r'":([\w-]+)"', _gradle("settings.gradle.kts"))
    assert tuple(included) == MODULES
    assert sorted(included) == sorted(str(each.text) for each in _pom("pom.xml").iter("module"))


@pytest.mark.parametrize("module", MODULES)
def test_a_module_has_the_same_dependencies_as_with_maven(module: str) -> None:
    script = _gradle(f"{module}/build.gradle.kts")
    ours = set(re.findall(r'(?:implementation|compileOnly)\(project\(":([\w-]+)"\)\)', script))
    assert ours == set(_module_dependencies(module))


def _module_dependencies(module: str) -> Iterator[str]:
    for each in _pom(f"{module}/pom.xml").iterfind("dependencies/dependency"):
        if each.findtext("groupId") in {"squeezebertmobile", "${project.groupId}"}:
            if each.findtext("scope") != "test":
                yield str(each.findtext("artifactId")).removeprefix("squeezebertmobile-")


@pytest.mark.parametrize("module", MODULES)
def test_both_builds_use_the_same_source_folders(module: str) -> None:
    """They are Gradle's defaults; Maven has settings for them."""
    own = _pom(f"{module}/pom.xml")
    kotlin = "kotlin" in _gradle(f"{module}/build.gradle.kts")
    for tag, kind in (("sourceDirectory", "main"), ("testSourceDirectory", "test")):
        path = own.findtext(f"build/{tag}") or _pom("pom.xml").findtext(f"build/{tag}")
        if kotlin or kind == "main":
            assert path == f"src/{kind}/{'kotlin' if kotlin else 'java'}"
    assert "srcDir" not in _gradle(f"{module}/build.gradle.kts")


@pytest.mark.parametrize("module", MODULES)
def test_both_builds_target_the_same_java_version(module: str) -> None:
    script = _gradle(f"{module}/build.gradle.kts")
    pom = _pom("pom.xml")
    expected = {str(each.text) for tag in ("jvmTarget", "release") for each in pom.iter(tag)}
    kinds = 3 if "kotlin" in script else 2
    assert {f"{version}" for version in re.findall(r"(?:VERSION|JVM)_(\d+)", script)} == expected
    assert len(re.findall(r"(?:VERSION|JVM)_\d+", script)) == kinds


# The app ------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", APP)
def test_the_app_has_the_same_name_and_version(name: str) -> None:
    ours = _match(rf'\b{name} = "?([\w.]+)"?', _gradle("app/build.gradle.kts"))
    assert ours == _property("app/pom.xml", APP[name])


@pytest.mark.parametrize("name", ["minSdk", "targetSdk", "compileSdk"])
def test_the_app_reads_its_sdk_levels_from_the_catalog(name: str) -> None:
    value = _match(rf"\b{name} = (.*)", _gradle("app/build.gradle.kts"))
    assert value == f"libs.versions.{name}.get().toInt()"


def test_the_manifest_omits_what_both_builds_add() -> None:
    manifest = ET.parse(ANDROID / "app/src/main/AndroidManifest.xml").getroot()
    assert "package" not in manifest.attrib
    assert not list(manifest.iter("uses-sdk"))
    android = "{http://schemas.android.com/apk/res/android}"
    assert not [key for key in manifest.attrib if key.startswith(f"{android}version")]


def test_both_builds_use_the_same_r8_rules() -> None:
    rules = _match(r'proguardFiles\("(.*)"\)', _gradle("app/build.gradle.kts"))
    assert (ANDROID / "app" / rules).is_file()
    assert rules in (ANDROID / "app/pom.xml").read_text(encoding="utf-8")


def test_the_app_supports_the_measured_abis() -> None:
    script = _gradle("app/build.gradle.kts")
    assert tuple(re.findall(r'"([^"]+)"', _match(r"abiFilters \+= (.*)", script))) == parts.ABIS


def test_the_tests_of_core_read_the_same_folder() -> None:
    path = _property("pom.xml", "expected").removeprefix("${maven.multiModuleProjectDirectory}/../")
    assert f'repository.resolve("{path}")' in _gradle("core/build.gradle.kts")
