"""Where the phone's libraries come from: AARs that are made here, by scripts in Maven's place."""

import hashlib
import json
import re
import shutil
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path

import pack_runner
import pytest

from squeezebert_mobile.benchmarks.phone import dex, libraries
from squeezebert_mobile.benchmarks.phone.errors import PhoneError
from squeezebert_mobile.benchmarks.phone.libraries import Libraries, check_abi, find_libraries

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="the stand-ins are sh scripts")

ROOT = Path(__file__).parents[3]
ARM = "arm64-v8a"
ONNX = "com.microsoft.onnxruntime:onnxruntime-android:1.29.0"
EXECUTORCH = "org.pytorch:executorch-android:1.5.1"
FBJNI = "com.facebook.fbjni:fbjni:0.7.0"
NATIVELOADER = "com.facebook.soloader:nativeloader:0.10.5"
R8 = "com.android.tools:r8:9.5.28"
ONNX_LIBRARIES = {
    "libonnxruntime.so": b"ELF \0VERS_1.29.0\0",
    "libonnxruntime4j_jni.so": b"ELF of Java's",
}
#: Maven 3.8.7's own words, in colour.
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


def sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def zipped(path: Path, members: dict[str, bytes]) -> Path:
    path.parent.mkdir(exist_ok=True)
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return path


def aar(path: Path, contents: dict[str, bytes], *abis: str, **other: bytes) -> Path:
    members = {f"jni/{abi}/{name}": content for abi in abis for name, content in contents.items()}
    return zipped(path, {"AndroidManifest.xml": b"<manifest/>", **members, **other})


def script(path: Path, text: str) -> Path:
    path.parent.mkdir(exist_ok=True)
    path.write_text(f"#!/bin/sh\n{text}")
    path.chmod(0o755)
    return path


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty cache, and no program on PATH."""
    (tmp_path / "bin").mkdir()
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    monkeypatch.setattr(libraries, "cache_folder", lambda: tmp_path / "cache")
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


def contents(found: Libraries) -> dict[str, bytes]:
    return {name: path.read_bytes() for name, path in found.files.items()}


def refusal(*arguments: object) -> str:
    with pytest.raises(PhoneError) as caught:
        find_libraries(*arguments)  # type: ignore[arg-type]
    assert "\n" not in str(caught.value)
    return str(caught.value)


# The versions -------------------------------------------------------------------------------


def test_the_versions_are_those_of_the_runner_and_of_the_exporter() -> None:
    pom = (pack_runner.HERE / "pom.xml").read_text(encoding="utf-8")
    for name, version in (
        ("onnxruntime.version", libraries.ONNX_RUNTIME_VERSION),
        ("r8.version", libraries.R8_VERSION),
        ("min.api", dex.MIN_API),
    ):
        assert f"<{name}>{version}</{name}>" in pom
    constraints = (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()
    assert f"executorch=={libraries.EXECUTORCH_VERSION}" in constraints


def test_mavens_plugin_is_that_of_the_runners_build() -> None:
    pom = (pack_runner.HERE / "runner" / "pom.xml").read_text(encoding="utf-8")
    version = re.search(r"maven-dependency-plugin</artifactId>\s*<version>(.+)</version>", pom)
    assert version
    assert f":maven-dependency-plugin:{version[1]}:copy" in libraries._PLUGIN


# A given file -------------------------------------------------------------------------------


@pytest.mark.parametrize("abi", libraries.ABIS)
def test_a_given_file_is_unpacked_into_the_cache(onnx_aar: Path, cache: Path, abi: str) -> None:
    found = find_libraries(["onnx"], abi, [onnx_aar])
    aar_sum = sha256(onnx_aar.read_bytes())
    folder = cache / aar_sum / abi
    assert found.files == {name: folder / name for name in ONNX_LIBRARIES}
    assert contents(found) == ONNX_LIBRARIES
    assert found.sha256 == {name: sha256(content) for name, content in ONNX_LIBRARIES.items()}
    assert found.aars == {"com.microsoft.onnxruntime:onnxruntime-android (onnx.aar)": aar_sum}
    assert sorted(cache.iterdir()) == [cache / aar_sum]  # no draft is left


def test_what_is_in_the_cache_is_used_again(
    onnx_aar: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = find_libraries(["onnx"], ARM, [onnx_aar])
    monkeypatch.setattr(libraries, "_unpack", None)
    assert find_libraries(["onnx"], ARM, [onnx_aar]) == before


@pytest.mark.parametrize("damage", ["changed", "missing", "added", "record", "no record", "file"])
def test_a_damaged_cache_is_made_again(onnx_aar: Path, cache: Path, damage: str) -> None:
    before = find_libraries(["onnx"], ARM, [onnx_aar])
    library = before.files["libonnxruntime.so"]
    record = library.with_name("sha256.json")
    if damage == "changed":
        library.write_bytes(b"ELF \0VERS_1.29.1\0")
    elif damage == "missing":
        library.unlink()
    elif damage == "added":
        library.with_name("libother.so").touch()
    elif damage == "record":
        record.write_text('{"../../evil.so": 1}')
    elif damage == "no record":
        record.unlink()
    else:
        shutil.rmtree(library.parent)
        library.parent.touch()
    assert find_libraries(["onnx"], ARM, [onnx_aar]) == before
    assert contents(before) == ONNX_LIBRARIES
    assert sorted(path.name for path in library.parent.iterdir()) == [*ONNX_LIBRARIES, record.name]
    assert sorted(path.name for path in cache.iterdir()) == [library.parent.parent.name]


def test_another_process_may_be_faster(
    onnx_aar: Path, monkeypatch: pytest.MonkeyPatch, cache: Path
) -> None:
    unpack = libraries._unpack
    inodes = []

    def slowly(*arguments: object) -> None:
        monkeypatch.setattr(libraries, "_unpack", unpack)
        inodes.append(find_libraries(["onnx"], ARM, [onnx_aar]).files.popitem()[1].stat().st_ino)
        unpack(*arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(libraries, "_unpack", slowly)
    found = find_libraries(["onnx"], ARM, [onnx_aar])
    assert found.files.popitem()[1].stat().st_ino == inodes[0]
    assert len(list(cache.iterdir())) == 1


def test_no_name_leads_out_of_the_cache(tmp_path: Path, cache: Path) -> None:
    bad = [
        f"jni/{ARM}/../../../../evil.so",
        f"jni/{ARM}/lib/../../../evil.so",
        f"jni/{ARM}/..\\libevil.so",
        f"jni/{ARM}/deeper/libevil.so",
        f"jni/{ARM}/evil.so",
        f"jni/{ARM}/libevil.so\n",
        f"/jni/{ARM}/libevil.so",
        "../libevil.so",
    ]
    members = {f"jni/{ARM}/{name}": content for name, content in ONNX_LIBRARIES.items()}
    file = zipped(tmp_path / "bad.aar", {**members, **dict.fromkeys(bad, b"evil")})
    found = find_libraries(["onnx"], ARM, [file])
    assert found.files.keys() == ONNX_LIBRARIES.keys()
    assert not [path for path in tmp_path.rglob("*evil*")]
    names = {path.name for path in cache.rglob("*") if path.is_file()}
    assert names == {*ONNX_LIBRARIES, "sha256.json"}


def test_a_bomb_is_not_unpacked(
    onnx_aar: Path, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(libraries, "_MOST_BYTES", 10)
    assert refusal(["onnx"], ARM, [onnx_aar]) == (
        f"{str(onnx_aar)!r} would unpack to 0 MB, and at most 0 MB are taken; give the AAR of "
        f"{ONNX}"
    )
    assert not [path for path in cache.rglob("*") if path.is_file()]


def test_the_limit_is_far_above_what_libraries_have() -> None:
    assert libraries._MOST_BYTES == 200_000_000


@pytest.mark.parametrize("kind", ["sum", "encrypted", "bzip2"])
def test_a_damaged_member(tmp_path: Path, kind: str, cache: Path) -> None:
    path = tmp_path / "damaged.aar"
    method = zipfile.ZIP_BZIP2 if kind == "bzip2" else zipfile.ZIP_STORED
    with zipfile.ZipFile(path, "w", method) as archive:
        for name, content in ONNX_LIBRARIES.items():
            archive.writestr(f"jni/{ARM}/{name}", content)
    if kind == "sum":
        path.write_bytes(path.read_bytes().replace(b"ELF of", b"elf of"))
    if kind == "encrypted":
        content = bytearray(path.read_bytes())
        for at in [each.start() for each in re.finditer(b"PK\x01\x02", content)]:
            content[at + 8] |= 1
        path.write_bytes(content)
    why = {
        "sum": "Bad CRC-32 for file .*",
        "encrypted": "File .* is encrypted, password required for extraction",
        "bzip2": "it is neither stored nor deflated",
    }[kind]
    message = (
        rf"'\S+damaged\.aar' is damaged, jni/{ARM}/lib\w+\.so cannot be unpacked: {why}; get "
        rf"{re.escape(ONNX)} again"
    )
    assert re.fullmatch(message, refusal(["onnx"], ARM, [path]))
    assert not [path for path in cache.rglob("*") if path.is_file()]


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    path = tmp_path / "none.aar"
    expected = f"no such file: {str(path)!r}; --android-runtime takes an AAR"
    assert refusal(["onnx"], ARM, [path]) == expected


@pytest.mark.parametrize("content", [b"", b"<html>not found</html>", b"PK\x05\x06"])
def test_a_file_that_is_not_a_zip(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "page.aar"
    path.write_bytes(content)
    assert refusal(["onnx"], ARM, [path]) == (
        f"{str(path)!r} is not an AAR, or a damaged one: it cannot be read as a zip file; get "
        f"{ONNX} or {EXECUTORCH} again"
    )


def test_a_file_without_a_library(tmp_path: Path) -> None:
    path = aar(tmp_path / "other.aar", {"libtensorflow.so": b""}, ARM)
    assert refusal(["onnx"], ARM, [path]) == (
        f"{str(path)!r} holds none of: libonnxruntime.so, libexecutorch.so, libfbjni.so, "
        f"NativeLoader.class, D8.class; give the AAR of {ONNX} or of {EXECUTORCH}"
    )


def test_an_aar_without_the_phones_abi(tmp_path: Path) -> None:
    path = aar(tmp_path / "old.aar", ONNX_LIBRARIES, "armeabi-v7a", "x86")
    assert refusal(["onnx"], ARM, [path]) == (
        f"{str(path)!r} has no libraries for the phone's ABI, arm64-v8a; it has them for: "
        f"armeabi-v7a, x86; give the AAR of {ONNX}"
    )


def test_an_aar_without_javas_library(tmp_path: Path) -> None:
    path = aar(tmp_path / "c.aar", {"libonnxruntime.so": b""}, ARM)
    assert refusal(["onnx"], ARM, [path]) == (
        f"{str(path)!r} has no libonnxruntime4j_jni.so for arm64-v8a; give the AAR of {ONNX}"
    )


def test_an_aar_of_another_version(tmp_path: Path) -> None:
    other = ONNX_LIBRARIES | {"libonnxruntime.so": b"\0VERS_1.27.0\0"}
    path = aar(tmp_path / "old.aar", other, ARM)
    expected = (
        f"{str(path)!r} is ONNX Runtime 1.27.0, and the runner's Java classes are of 1.29.0; give "
        f"the AAR of {ONNX}"
    )
    assert refusal(["onnx"], ARM, [path]) == expected
    assert refusal(["onnx"], ARM, [path]) == expected  # from the cache as well
    unknown = ONNX_LIBRARIES | {"libonnxruntime.so": b"a build that does not tell"}
    assert find_libraries(["onnx"], ARM, [aar(tmp_path / "own.aar", unknown, ARM)]).files


def test_two_files_for_one_thing(tmp_path: Path, onnx_aar: Path) -> None:
    again = shutil.copy(onnx_aar, tmp_path / "again.aar")
    assert refusal(["onnx"], ARM, [onnx_aar, again]) == (
        f"{str(onnx_aar)!r} and {str(again)!r} are both "
        "com.microsoft.onnxruntime:onnxruntime-android; give one of them"
    )


def test_a_cache_that_cannot_be_written(onnx_aar: Path, cache: Path) -> None:
    cache.parent.touch()
    assert re.fullmatch(
        r"the cache cannot be written: '\S+': (Not a directory|File exists); give it your own "
        r"rights and 500 MB of space",
        refusal(["onnx"], ARM, [onnx_aar]),
    )


# Formats and ABIs ---------------------------------------------------------------------------


def test_no_format_needs_nothing() -> None:
    assert find_libraries([], ARM) == Libraries({}, {}, {})


def test_torchscript_is_refused(onnx_aar: Path) -> None:
    assert refusal(["onnx", "torchscript"], ARM, [onnx_aar]) == (
        "TorchScript artifacts are not measured on phones: PyTorch Mobile, which ran them there, "
        "is no longer supported; export with --format onnx or executorch"
    )


def test_an_unknown_format_is_refused() -> None:
    assert refusal(["onxx"], ARM) == (
        "unknown format 'onxx'; did you mean 'onnx'? choose from: executorch, onnx"
    )


@pytest.mark.parametrize("abi", ["armeabi-v7a", "armeabi"])
def test_32_bits_are_refused(onnx_aar: Path, abi: str) -> None:
    assert refusal(["onnx"], abi, [onnx_aar]) == (
        f"the phone's ABI is {abi}, 32-bit ARM, where int8 is up to four times slower (ONNX "
        "Runtime's issue 16426: 1925 ms instead of 491); take a phone whose Android is 64-bit: "
        "arm64-v8a and x86_64 are measured"
    )


@pytest.mark.parametrize("abi", ["x86", "riscv64", "", "../x"])
def test_another_abi_is_refused(abi: str) -> None:
    with pytest.raises(PhoneError) as caught:
        check_abi(abi)
    expected = f"the phone's ABI is {abi!r}; take another phone: arm64-v8a and x86_64 are measured"
    assert str(caught.value) == expected


# Maven --------------------------------------------------------------------------------------


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
    monkeypatch.setattr(libraries, "cache_folder", lambda: Path("here"))
    assert contents(find_libraries(["onnx"], ARM)) == ONNX_LIBRARIES


def test_a_damaged_download_is_got_again(maven: Path) -> None:
    aar(maven / "onnxruntime-android-1.29.0.aar", ONNX_LIBRARIES, ARM)
    before = find_libraries(["onnx"], ARM)
    libraries._download_folder(libraries._ONNX).joinpath(libraries._ONNX.file).write_bytes(b"PK")
    assert find_libraries(["onnx"], ARM) == before
    assert len((maven / "told").read_text().splitlines()) == 2


def test_a_given_file_goes_before_maven(maven: Path, onnx_aar: Path) -> None:
    assert find_libraries(["onnx"], ARM, [onnx_aar]).files
    assert not (maven / "told").exists()


def test_there_is_no_maven() -> None:
    assert refusal(["onnx"], ARM) == (
        f"there is no {ONNX} here, and no Maven to get it; run: apt-get install maven, or give "
        "it: --android-runtime FILE.aar"
    )


def test_there_is_no_maven_for_several(executorch: list[Path]) -> None:
    assert refusal(["executorch"], ARM, executorch[:1]) == (
        f"there is no {FBJNI} and {NATIVELOADER} and {R8} here, and no Maven to get it; run: "
        "apt-get install maven, or give it: --android-runtime FILE.aar --android-runtime FILE.jar "
        "--android-runtime FILE.jar"
    )


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (
            f"/bin/cat <<'END'\n{NOT_FOUND}END\nexit 1\n",
            f"Unable to find/resolve artifact. Could not find artifact {ONNX} in central",
        ),
        (
            "echo 'The JAVA_HOME variable is not defined correctly' >&2\nexit 1\n",
            "The JAVA_HOME variable is not defined correctly",
        ),
        ("exit 3\n", "it said nothing"),
        ("exit 0\n", "it left no onnxruntime-android-1.29.0.aar"),
        ("kill -9 $$\n", "it said nothing"),
    ],
)
def test_maven_fails(tmp_path: Path, cache: Path, text: str, said: str) -> None:
    script(tmp_path / "bin" / "mvn", text)
    assert refusal(["onnx"], ARM) == (
        f"Maven did not get {ONNX}: {said}; run again where Maven reaches its repositories, or "
        "give the file: --android-runtime FILE.aar"
    )
    assert not [path for path in cache.rglob("*") if path.is_file()]


def test_maven_brings_something_else(maven: Path, cache: Path) -> None:
    aar(maven / "onnxruntime-android-1.29.0.aar", {"libother.so": b""}, ARM)
    assert "what it brought holds no libonnxruntime.so; run again" in refusal(["onnx"], ARM)
    assert not [path for path in cache.rglob("*") if path.is_file()]


def test_maven_does_not_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    script(tmp_path / "bin" / "mvn", "exec /bin/sleep 60\n")
    monkeypatch.setattr(libraries, "_MOST_SECONDS", 0.2)
    assert ": it did not end within 0.0 minutes; run again" in refusal(["onnx"], ARM)


def test_maven_does_not_start(tmp_path: Path) -> None:
    script(tmp_path / "bin" / "mvn", "").write_text("#!/no/such/interpreter\n")
    assert ": it does not start: No such file or directory; run again" in refusal(["onnx"], ARM)


# ExecuTorch ---------------------------------------------------------------------------------


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
        f"{str(bare)!r} has no classes.jar; give the AAR of {EXECUTORCH}"
    )


def test_there_is_no_java(executorch: list[Path], tmp_path: Path) -> None:
    (tmp_path / "bin" / "java").unlink()
    assert refusal(["executorch"], ARM, executorch) == (
        "ExecuTorch's classes must be made into Android's by D8, and there is no Java for it; "
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
    failed = "D8 failed (exit 1) on ExecuTorch's classes: "
    assert java(f"printf '{said}' >&2; exit 1") == f"{failed}Error in b.jar:B.class: no class"
    assert java("echo 'no such option'; echo help; exit 1") == f"{failed}no such option"
    assert java("exit 1") == f"{failed}it said nothing"
    assert java("exit 0") == (
        "D8 made no classes.dex of: executorch-android.jar, fbjni.jar, loader.jar"
    )
    assert not list(cache.rglob("executorch.jar"))


def test_d8_does_not_start_or_end(
    java: Callable[[str], str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dex, "_MOST_SECONDS", 0.2)
    expected = "D8 did not end within 0.2 seconds; run it again"
    assert java("exec /bin/sleep 60\n") == expected
    path = tmp_path / "bin" / "java"
    monkeypatch.setattr(dex.shutil, "which", lambda name: f"{path}.none")
    assert java("") == f"'{path}.none' does not start: No such file or directory"


def test_the_record_is_plain_json(onnx_aar: Path) -> None:
    found = find_libraries(["onnx"], ARM, [onnx_aar])
    record = found.files["libonnxruntime.so"].with_name("sha256.json")
    assert json.loads(record.read_text()) == found.sha256
