"""An empty cache, an AAR, and programs in place of Maven and Java."""

from pathlib import Path

import pytest
from library_archives import ARM, ONNX_LIBRARIES, aar, script, zipped

from squeezebert_mobile.benchmarks.phone.libraries import cache as cache_module


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty cache, and no program on PATH."""
    (tmp_path / "bin").mkdir()
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    monkeypatch.setattr(cache_module, "cache_folder", lambda: tmp_path / "cache")
    return tmp_path / "cache" / "android"


@pytest.fixture
def onnx_aar(tmp_path: Path) -> Path:
    return aar(tmp_path / "onnx.aar", ONNX_LIBRARIES, ARM, "x86_64", "armeabi-v7a")


@pytest.fixture
def maven(tmp_path: Path) -> Path:
    """A folder of files that a script called mvn copies from, and where it says what it was told.

    It leaves the project's file that it was started beside there as well.
    """
    shelf = tmp_path / "shelf"
    shelf.mkdir()
    text = f"""\
for word in "$@"; do
  case "$word" in
    -Dartifact=*) artifact="${{word#-Dartifact=}}" ;;
    -DoutputDirectory=*) folder="${{word#-DoutputDirectory=}}" ;;
  esac
done
echo "$@" >> '{shelf}/told'
/bin/cp pom.xml '{shelf}/pom.xml'
rest="${{artifact#*:}}" name="${{rest%%:*}}" rest="${{rest#*:}}"
/bin/cp "{shelf}/$name-${{rest%%:*}}.${{rest#*:}}" "$folder/"
"""
    script(tmp_path / "bin" / "mvn", text)
    return shelf


@pytest.fixture
def executorch(tmp_path: Path) -> list[Path]:
    """All that ExecuTorch needs; and a java that makes a dex of its arguments."""
    java = f"""\
echo "$@" > '{tmp_path}/java.told'
while [ "$1" != --output ]; do shift; done
/bin/cp '{tmp_path}/dex.jar' "$2"
"""
    script(tmp_path / "bin" / "java", java)
    zipped(tmp_path / "dex.jar", {"classes.dex": b"dex\n"})
    own = {"libexecutorch.so": b"et", "libc++_shared.so": b"c++ of executorch"}
    other = {"libfbjni.so": b"fbjni", "libc++_shared.so": b"c++ of fbjni"}
    classes = {"classes.jar": b"classes"}
    loader = {"com/facebook/soloader/nativeloader/NativeLoader.class": b"class"}
    return [
        aar(tmp_path / "et.aar", own, ARM, "x86_64", **classes),
        aar(tmp_path / "fbjni.aar", other, ARM, "x86_64", **classes),
        zipped(tmp_path / "loader.jar", loader),
        zipped(tmp_path / "r8.jar", {"com/android/tools/r8/D8.class": b"class"}),
    ]
