"""Downloads with Maven; a script takes Maven's place."""

import re
import sys
from pathlib import Path

import pack_runner
import pytest
from library_archives import (
    ARM,
    FBJNI,
    NATIVELOADER,
    ONNX,
    ONNX_LIBRARIES,
    R8,
    aar,
    contents,
    refusal,
    script,
    sha256,
)

from squeezebert_mobile.benchmarks.phone.libraries import cache as cache_module
from squeezebert_mobile.benchmarks.phone.libraries import maven as maven_module
from squeezebert_mobile.benchmarks.phone.libraries import parts
from squeezebert_mobile.benchmarks.phone.libraries.lookup import find_libraries
from squeezebert_mobile.benchmarks.phone.libraries.maven import MAVEN_PLUGIN, download_folder

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="the stand-ins are sh scripts")

#: Output of Maven 3.8.7, in colour.
NOT_FOUND = f"""\
\x1b[0m[\x1b[1;31mERROR\x1b[m] Failed to execute goal \
org.apache.maven.plugins:maven-dependency-plugin:3.8.1:copy (default-cli) on project libraries: \
Unable to find/resolve artifact. Could not find artifact {ONNX} in central -> [Help 1]
[ERROR]
[ERROR] To see the full stack trace of the errors, re-run Maven with the -e switch.
[ERROR] Re-run Maven using the -X switch to enable full debug logging.
[ERROR]
[ERROR] For more information about the errors and possible solutions, please read the articles:
[ERROR] [Help 1] http://cwiki.apache.org/confluence/display/MAVEN/MojoExecutionException
"""


def test_mavens_plugin_is_that_of_the_runners_build() -> None:
    pom = (pack_runner.HERE / "runner" / "pom.xml").read_text(encoding="utf-8")
    version = re.search(r"maven-dependency-plugin</artifactId>\s*<version>(.+)</version>", pom)
    assert version
    assert f":maven-dependency-plugin:{version[1]}:copy" in MAVEN_PLUGIN


def test_maven_gets_the_file_once(maven: Path, cache: Path, tmp_path: Path) -> None:
    file = aar(maven / "onnxruntime-android-1.29.0.aar", ONNX_LIBRARIES, ARM, "x86_64")
    found = find_libraries(["onnx"], ARM)
    assert contents(found) == ONNX_LIBRARIES
    assert found.aars == {ONNX: sha256(file.read_bytes())}
    told = re.fullmatch(
        r"-q -B org\.apache\.maven\.plugins:maven-dependency-plugin:3\.8\.1:copy "
        rf"-Dartifact={ONNX}:aar -DoutputDirectory=(\S+)\n",
        (maven / "told").read_text(),
    )
    assert told and cache in Path(told[1]).parents
    assert "<artifactId>libraries</artifactId>" in (maven / "pom.xml").read_text()
    (tmp_path / "bin" / "mvn").unlink()  # from now on the cache is enough
    assert find_libraries(["onnx"], ARM) == found
    assert find_libraries(["onnx"], "x86_64").aars == found.aars


def test_the_cache_and_maven_may_be_named_from_here(
    maven: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Maven runs in another folder."""
    aar(maven / "onnxruntime-android-1.29.0.aar", ONNX_LIBRARIES, ARM)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PATH", "bin")
    monkeypatch.setattr(cache_module, "cache_folder", lambda: Path("here"))
    assert contents(find_libraries(["onnx"], ARM)) == ONNX_LIBRARIES


def test_a_damaged_download_is_got_again(maven: Path) -> None:
    aar(maven / "onnxruntime-android-1.29.0.aar", ONNX_LIBRARIES, ARM)
    before = find_libraries(["onnx"], ARM)
    (download_folder(parts.ONNX_RUNTIME) / parts.ONNX_RUNTIME.file).write_bytes(b"PK")
    assert find_libraries(["onnx"], ARM) == before
    assert len((maven / "told").read_text().splitlines()) == 2


def test_a_given_file_goes_before_maven(maven: Path, onnx_aar: Path) -> None:
    assert find_libraries(["onnx"], ARM, [onnx_aar]).files
    assert not (maven / "told").exists()


def test_maven_is_not_installed() -> None:
    assert refusal(["onnx"], ARM) == (
        f"cannot download {ONNX}: Maven is not installed; run: apt-get install maven, or add: "
        "--android-runtime FILE.aar"
    )


def test_there_is_no_maven_for_several(executorch: list[Path]) -> None:
    assert refusal(["executorch"], ARM, executorch[:1]) == (
        f"cannot download {FBJNI} and {NATIVELOADER} and {R8}: Maven is not installed; run: "
        "apt-get install maven, or add: --android-runtime FILE.aar --android-runtime FILE.jar "
        "--android-runtime FILE.jar"
    )


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (
            f"/bin/cat <<'END'\n{NOT_FOUND}END\nexit 1\n",
            f"Unable to find/resolve artifact. Could not find artifact {ONNX} in central",
        ),
        (
            "echo 'The JAVA_HOME variable is not defined correctly' >&2\nexit 1\n",
            "The JAVA_HOME variable is not defined correctly",
        ),
        ("exit 3\n", "no error message"),
        ("exit 0\n", "it did not save onnxruntime-android-1.29.0.aar"),
        ("kill -9 $$\n", "no error message"),
    ],
)
def test_maven_fails(tmp_path: Path, cache: Path, text: str, reason: str) -> None:
    script(tmp_path / "bin" / "mvn", text)
    assert refusal(["onnx"], ARM) == (
        f"Maven could not download {ONNX}: {reason}; run again with access to Maven's "
        "repositories, or pass the file: --android-runtime FILE.aar"
    )
    assert not [path for path in cache.rglob("*") if path.is_file()]


def test_maven_downloads_another_file(maven: Path, cache: Path) -> None:
    aar(maven / "onnxruntime-android-1.29.0.aar", {"libother.so": b""}, ARM)
    assert "the downloaded file does not contain libonnxruntime.so; run again" in refusal(
        ["onnx"], ARM
    )
    assert not [path for path in cache.rglob("*") if path.is_file()]


def test_maven_does_not_finish(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    script(tmp_path / "bin" / "mvn", "exec /bin/sleep 60\n")
    monkeypatch.setattr(maven_module, "_MAX_SECONDS", 0.2)
    assert ": it did not finish within 0.0 minutes; run again" in refusal(["onnx"], ARM)


def test_maven_does_not_start(tmp_path: Path) -> None:
    script(tmp_path / "bin" / "mvn", "").write_text("#!/no/such/interpreter\n")
    assert ": it cannot be started: No such file or directory; run again" in refusal(["onnx"], ARM)
