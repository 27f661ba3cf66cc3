"""ExecuTorch's and LiteRT's libraries, and their classes as a dex file; a script is Java."""

import re
import shutil
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from library_archives import (
    ARM,
    EXECUTORCH,
    FBJNI,
    KOTLIN,
    LITERT,
    NATIVELOADER,
    ONNX,
    ONNX_LIBRARIES,
    R8,
    aar,
    contents,
    refusal,
    script,
    sha256,
    zipped,
)

from squeezebert_mobile.benchmarks.phone.libraries import dex
from squeezebert_mobile.benchmarks.phone.libraries.lookup import find_libraries

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="the stand-ins are sh scripts")


def test_executorchs_libraries_and_classes(executorch: list[Path], tmp_path: Path) -> None:
    found = find_libraries(["executorch"], ARM, executorch)
    dex_jar = (tmp_path / "dex.jar").read_bytes()
    assert contents(found) == {
        "executorch.jar": dex_jar,
        "libc++_shared.so": b"c++ of executorch",  # and not fbjni's, which is older
        "libexecutorch.so": b"et",
        "libfbjni.so": b"fbjni",
    }
    assert found.sha256["executorch.jar"] == sha256(dex_jar)
    assert sorted(found.aars) == [
        "com.android.tools:r8 (r8.jar)",
        "com.facebook.fbjni:fbjni (fbjni.aar)",
        "com.facebook.soloader:nativeloader (loader.jar)",
        "org.pytorch:executorch-android (et.aar)",
    ]
    assert re.fullmatch(
        rf"-cp {tmp_path}/r8\.jar com\.android\.tools\.r8\.D8 --release --min-api 26 --output "
        rf"\S+/executorch\.jar \S+/executorch-android\.jar \S+/fbjni\.jar {tmp_path}/loader\.jar\n",
        (tmp_path / "java.told").read_text(),
    )
    (tmp_path / "bin" / "java").unlink()  # from now on the cache is enough
    assert find_libraries(["executorch"], ARM, executorch) == found
    other = find_libraries(["executorch"], "x86_64", executorch)
    assert other.files["executorch.jar"] == found.files["executorch.jar"]


def test_litert_brings_kotlin(executorch: list[Path], tmp_path: Path) -> None:
    """Its classes call Kotlin's library, of which runner.jar has only a part."""
    libraries = {"libLiteRt.so": b"lite", "liblitert_jni.so": b"jni"}
    litert = aar(tmp_path / "lite.aar", libraries, ARM, **{"classes.jar": b"classes"})
    kotlin = zipped(tmp_path / "kotlin.jar", {"kotlin/Unit.class": b"class"})
    found = find_libraries(["litert"], ARM, [litert, kotlin, executorch[-1]])
    assert contents(found) == {"litert.jar": (tmp_path / "dex.jar").read_bytes(), **libraries}
    told = (tmp_path / "java.told").read_text()
    assert re.search(rf" --output \S+/litert\.jar \S+/litert\.jar {tmp_path}/kotlin\.jar\n", told)
    (tmp_path / "bin" / "java").unlink()
    others = [kotlin, executorch[-1]]
    again = aar(tmp_path / "again.aar", libraries, ARM, **{"classes.jar": b"others"})
    assert refusal(["litert"], ARM, [again, *others]).startswith(
        "Java is not installed, and D8 needs it to convert LiteRT's classes for Android; "
    )
    del libraries["libLiteRt.so"]
    partial = aar(tmp_path / "partial.aar", libraries, ARM, **{"classes.jar": b"classes"})
    assert refusal(["litert"], ARM, [partial, *others]) == (
        f"{str(partial)!r} has no libLiteRt.so for {ARM}; pass the AAR of {LITERT}"
    )
    assert refusal(["litert"], ARM, [litert]) == (
        f"cannot download {KOTLIN} and {R8}: Maven is not installed; run: apt-get install maven, "
        "or add: --android-runtime FILE.jar --android-runtime FILE.jar"
    )


def test_litert_comes_from_googles_repository(maven: Path, executorch: list[Path]) -> None:
    libraries = {"libLiteRt.so": b"lite", "liblitert_jni.so": b"jni"}
    aar(maven / "litert-2.3.0.aar", libraries, ARM, **{"classes.jar": b"classes"})
    zipped(maven / "kotlin-stdlib-2.4.21.jar", {"kotlin/Unit.class": b"class"})
    others = [zipped(maven / "kotlin.jar", {"kotlin/Unit.class": b"class"}), executorch[-1]]
    found = find_libraries(["litert"], ARM, others)
    assert LITERT in found.aars
    google = "<url>https://dl.google.com/dl/android/maven2/</url>"
    assert google in (maven / "pom.xml").read_text()
    find_libraries(["litert"], ARM, [executorch[-1]])  # Kotlin's library is in Maven Central
    assert google not in (maven / "pom.xml").read_text()


def test_maven_gets_all_that_executorch_needs(maven: Path, executorch: list[Path]) -> None:
    names = (
        "executorch-android-1.5.1.aar",
        "fbjni-0.7.0.aar",
        "nativeloader-0.10.5.jar",
        "r8-9.5.28.jar",
    )
    for path, name in zip(executorch, names, strict=True):
        shutil.copy(path, maven / name)
    aar(maven / "onnxruntime-android-1.29.0.aar", ONNX_LIBRARIES, ARM)
    found = find_libraries(["onnx", "executorch", "onnx"], ARM)
    assert set(found.aars) == {ONNX, EXECUTORCH, FBJNI, NATIVELOADER, R8}
    assert found.files.keys() == found.sha256.keys()
    assert list(found.files) == [
        "executorch.jar",
        "libc++_shared.so",
        "libexecutorch.so",
        "libfbjni.so",
        "libonnxruntime.so",
        "libonnxruntime4j_jni.so",
    ]


def test_an_aar_without_classes(executorch: list[Path], tmp_path: Path) -> None:
    bare = aar(tmp_path / "bare.aar", {"libexecutorch.so": b""}, ARM)
    assert refusal(["executorch"], ARM, [bare, *executorch[1:]]) == (
        f"{str(bare)!r} has no classes.jar; pass the AAR of {EXECUTORCH}"
    )


def test_java_is_not_installed(executorch: list[Path], tmp_path: Path) -> None:
    (tmp_path / "bin" / "java").unlink()
    assert refusal(["executorch"], ARM, executorch) == (
        "Java is not installed, and D8 needs it to convert ExecuTorch's classes for Android; "
        "run: apt-get install openjdk-17-jre-headless"
    )


@pytest.fixture
def java(tmp_path: Path, executorch: list[Path]) -> Callable[[str], str]:
    """What is said where java is this script."""

    def refused(text: str) -> str:
        script(tmp_path / "bin" / "java", text)
        return refusal(["executorch"], ARM, executorch)

    return refused


def test_d8_fails(java: Callable[[str], str], cache: Path) -> None:
    said = (
        "Warning in a.jar:\\n  no type\\nError in b.jar:B.class:\\n  no class\\nCompilation failed"
    )
    failed = "D8 failed (exit status 1) on ExecuTorch's classes: "
    assert java(f"printf '{said}' >&2; exit 1") == f"{failed}Error in b.jar:B.class: no class"
    assert java("echo 'no such option'; echo help; exit 1") == f"{failed}no such option"
    assert java("exit 1") == f"{failed}no error message"
    assert java("exit 0") == (
        "D8 wrote no classes.dex for: executorch-android.jar, fbjni.jar, loader.jar"
    )
    assert not list(cache.rglob("executorch.jar"))


def test_d8_does_not_start_or_finish(
    java: Callable[[str], str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dex, "_MAX_SECONDS", 0.2)
    expected = "D8 did not finish within 0.2 seconds; run again"
    assert java("exec /bin/sleep 60\n") == expected
    path = tmp_path / "bin" / "java"
    monkeypatch.setattr(dex.shutil, "which", lambda name: f"{path}.none")
    assert java("") == f"cannot start '{path}.none': No such file or directory"
