"""What Gradle's files say, which is not run here, is what Maven's say, which is."""

import re
import tomllib
import xml.etree.ElementTree as ET
from collections.abc import Iterator
from pathlib import Path

import pytest

from squeezebert_mobile.benchmarks.phone.libraries import parts

ANDROID = Path(__file__).parents[1] / "android_demo"
CATALOG = tomllib.loads((ANDROID / "gradle/libs.versions.toml").read_text(encoding="utf-8"))
MODULES = ("executorch-stub", "core", "runner", "app")

#: Which version of the catalog stands in which pom.xml, and by which name.
VERSIONS = {
    "kotlin": ("pom.xml", "kotlin.version"),
    "onnxruntime": ("pom.xml", "onnxruntime.version"),
    "junit": ("pom.xml", "junit.version"),
    "minSdk": ("pom.xml", "min.api"),
    "targetSdk": ("app/pom.xml", "target.api"),
    "robolectric": ("app/pom.xml", "robolectric.version"),
}
#: What app/build.gradle.kts says itself.
APP = {
    "namespace": "app.id",
    "applicationId": "app.id",
    "versionCode": "version.code",
    "versionName": "version.name",
}
#: Android's versions, as Robolectric's jars are called, and their SDK numbers.
SDK = {"14": 34}


def _gradle(path: str) -> str:
    """A script without its comments."""
    text = (ANDROID / path).read_text(encoding="utf-8")
    return re.sub(r"(?<!:)//.*", "", text)


def _said(pattern: str, text: str) -> str:
    found = re.findall(pattern, text)
    assert len(found) == 1, (pattern, found)
    return str(found[0])


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
def test_a_version_is_mavens(name: str) -> None:
    assert CATALOG["versions"][name] == _property(*VERSIONS[name])


def test_the_other_versions() -> None:
    assert CATALOG["versions"].keys() - VERSIONS.keys() == {"agp", "executorch", "compileSdk"}
    assert CATALOG["versions"]["executorch"] == parts.EXECUTORCH_VERSION
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


def test_the_tools_go_together_by_the_published_tables() -> None:
    """Kotlin 2.4 asks for AGP from 8.5.2 and R8 from 9.1.29 on, AGP 8.13 for Gradle 8.13."""
    assert CATALOG["versions"]["kotlin"].startswith("2.4.")
    assert CATALOG["versions"]["agp"] == "8.13.2"
    assert _number(_said(r"tools:r8:([\d.]+)", _gradle("settings.gradle.kts"))) >= (9, 1, 29)
    wrapper = (ANDROID / "gradle/wrapper/gradle-wrapper.properties").read_text(encoding="utf-8")
    gradle = _said(r"gradle-([\d.]+)-bin", wrapper)
    assert (8, 13) <= _number(gradle) < (9,)
    readme = (ANDROID / "gradle/README.md").read_text(encoding="utf-8")
    assert all(v in readme for v in (gradle, CATALOG["versions"]["agp"], "9.1.43"))


# Modules ------------------------------------------------------------------------------------


def test_the_modules_are_mavens() -> None:
    included = re.findall(r'":([\w-]+)"', _gradle("settings.gradle.kts"))
    assert tuple(included) == MODULES
    assert sorted(included) == sorted(str(each.text) for each in _pom("pom.xml").iter("module"))


@pytest.mark.parametrize("module", MODULES)
def test_a_module_depends_on_the_modules_that_it_depends_on_with_maven(module: str) -> None:
    script = _gradle(f"{module}/build.gradle.kts")
    ours = set(re.findall(r'(?:implementation|compileOnly)\(project\(":([\w-]+)"\)\)', script))
    assert ours == set(_modules_asked_for(module))


def _modules_asked_for(module: str) -> Iterator[str]:
    for each in _pom(f"{module}/pom.xml").iterfind("dependencies/dependency"):
        if each.findtext("groupId") in {"squeezebertmobile", "${project.groupId}"}:
            if each.findtext("scope") != "test":
                yield str(each.findtext("artifactId"))


@pytest.mark.parametrize("module", MODULES)
def test_the_sources_lie_where_both_look(module: str) -> None:
    """Gradle looks in these folders unasked; Maven is told."""
    own = _pom(f"{module}/pom.xml")
    kotlin = "kotlin" in _gradle(f"{module}/build.gradle.kts")
    for tag, kind in (("sourceDirectory", "main"), ("testSourceDirectory", "test")):
        told = own.findtext(f"build/{tag}") or _pom("pom.xml").findtext(f"build/{tag}")
        if kotlin or kind == "main":
            assert told == f"src/{kind}/{'kotlin' if kotlin else 'java'}"
    assert "srcDir" not in _gradle(f"{module}/build.gradle.kts")


@pytest.mark.parametrize("module", MODULES)
def test_the_classes_are_for_the_same_java(module: str) -> None:
    script = _gradle(f"{module}/build.gradle.kts")
    pom = _pom("pom.xml")
    asked = {str(each.text) for tag in ("jvmTarget", "release") for each in pom.iter(tag)}
    kinds = 3 if "kotlin" in script else 2
    assert {f"{each}" for each in re.findall(r"(?:VERSION|JVM)_(\d+)", script)} == asked
    assert len(re.findall(r"(?:VERSION|JVM)_\d+", script)) == kinds


# The app ------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", APP)
def test_the_app_is_called_the_same(name: str) -> None:
    ours = _said(rf'\b{name} = "?([\w.]+)"?', _gradle("app/build.gradle.kts"))
    assert ours == _property("app/pom.xml", APP[name])


@pytest.mark.parametrize("name", ["minSdk", "targetSdk", "compileSdk"])
def test_the_app_takes_its_sdk_numbers_from_the_catalog(name: str) -> None:
    taken = _said(rf"\b{name} = (.*)", _gradle("app/build.gradle.kts"))
    assert taken == f"libs.versions.{name}.get().toInt()"


def test_the_manifest_leaves_to_both_builds_what_they_put_in() -> None:
    manifest = ET.parse(ANDROID / "app/src/main/AndroidManifest.xml").getroot()
    assert "package" not in manifest.attrib
    assert not list(manifest.iter("uses-sdk"))
    android = "{http://schemas.android.com/apk/res/android}"
    assert not [key for key in manifest.attrib if key.startswith(f"{android}version")]


def test_r8_shrinks_by_the_same_rules() -> None:
    rules = _said(r'proguardFiles\("(.*)"\)', _gradle("app/build.gradle.kts"))
    assert (ANDROID / "app" / rules).is_file()
    assert rules in (ANDROID / "app/pom.xml").read_text(encoding="utf-8")


def test_the_app_is_for_the_abis_that_are_measured() -> None:
    script = _gradle("app/build.gradle.kts")
    assert tuple(re.findall(r'"([^"]+)"', _said(r"abiFilters \+= (.*)", script))) == parts.ABIS


def test_the_tests_of_core_read_the_same_folder() -> None:
    told = _property("pom.xml", "expected").removeprefix("${maven.multiModuleProjectDirectory}/../")
    assert f'repository.resolve("{told}")' in _gradle("core/build.gradle.kts")
