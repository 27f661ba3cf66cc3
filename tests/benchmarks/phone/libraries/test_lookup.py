"""The phone's libraries from given files and from the cache; formats and ABIs."""

import json
import re
import shutil
import sys
import zipfile
from pathlib import Path

import pack_runner
import pytest
from library_archives import (
    ARM,
    EXECUTORCH,
    LITERT,
    ONNX,
    ONNX_LIBRARIES,
    aar,
    contents,
    refusal,
    sha256,
    zipped,
)

from squeezebert_mobile.benchmarks.phone.adb.errors import PhoneError
from squeezebert_mobile.benchmarks.phone.libraries import archives, dex, lookup, parts
from squeezebert_mobile.benchmarks.phone.libraries.lookup import Libraries, find_libraries
from squeezebert_mobile.benchmarks.phone.libraries.parts import check_abi

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="the stand-ins are sh scripts")

ROOT = Path(__file__).parents[4]


# The versions -------------------------------------------------------------------------------


def test_the_versions_are_those_of_the_runner_and_of_the_exporter() -> None:
    pom = (pack_runner.HERE / "pom.xml").read_text(encoding="utf-8")
    for name, version in (
        ("onnxruntime.version", parts.ONNX_RUNTIME_VERSION),
        ("r8.version", parts.R8_VERSION),
        ("kotlin.version", parts.KOTLIN_VERSION),
        ("min.api", dex.MIN_API),
    ):
        assert f"<{name}>{version}</{name}>" in pom
    constraints = (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()
    assert f"executorch=={parts.EXECUTORCH_VERSION}" in constraints
    assert f"ai-edge-litert=={parts.LITERT_VERSION}" in constraints


# A given file -------------------------------------------------------------------------------


@pytest.mark.parametrize("abi", parts.ABIS)
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
    monkeypatch.setattr(lookup, "extract_libraries", None)
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
    unpack = lookup.extract_libraries
    inodes = []

    def slowly(*arguments: object) -> None:
        monkeypatch.setattr(lookup, "extract_libraries", unpack)
        inodes.append(find_libraries(["onnx"], ARM, [onnx_aar]).files.popitem()[1].stat().st_ino)
        unpack(*arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(lookup, "extract_libraries", slowly)
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
    monkeypatch.setattr(archives, "_MAX_BYTES", 10)
    assert refusal(["onnx"], ARM, [onnx_aar]) == (
        f"{str(onnx_aar)!r} would unpack to 0 MB, more than the limit of 0 MB; pass the AAR of "
        f"{ONNX}"
    )
    assert not [path for path in cache.rglob("*") if path.is_file()]


def test_the_limit_is_far_above_what_libraries_have() -> None:
    assert archives._MAX_BYTES == 200_000_000


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
        rf"'\S+damaged\.aar' is damaged: jni/{ARM}/lib\w+\.so cannot be unpacked: {why}; "
        rf"download {re.escape(ONNX)} again"
    )
    assert re.fullmatch(message, refusal(["onnx"], ARM, [path]))
    assert not [path for path in cache.rglob("*") if path.is_file()]


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    path = tmp_path / "none.aar"
    expected = f"no such file: {str(path)!r}; --android-runtime expects an AAR"
    assert refusal(["onnx"], ARM, [path]) == expected


@pytest.mark.parametrize("content", [b"", b"<html>not found</html>", b"PK\x05\x06"])
def test_a_file_that_is_not_a_zip(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "page.aar"
    path.write_bytes(content)
    assert refusal(["onnx"], ARM, [path]) == (
        f"{str(path)!r} is not an AAR or is damaged: it cannot be read as a zip file; download "
        f"{ONNX}, {EXECUTORCH}, {LITERT} again"
    )


def test_a_file_without_a_library(tmp_path: Path) -> None:
    path = aar(tmp_path / "other.aar", {"libtensorflow.so": b""}, ARM)
    assert refusal(["onnx"], ARM, [path]) == (
        f"{str(path)!r} contains none of: libonnxruntime.so, libexecutorch.so, "
        "liblitert_jni.so, libfbjni.so, NativeLoader.class, Unit.class, D8.class; pass the AAR of "
        f"one of: {ONNX}, {EXECUTORCH}, {LITERT}"
    )


def test_an_aar_without_the_phones_abi(tmp_path: Path) -> None:
    path = aar(tmp_path / "old.aar", ONNX_LIBRARIES, "armeabi-v7a", "x86")
    assert refusal(["onnx"], ARM, [path]) == (
        f"{str(path)!r} has no libraries for the phone's ABI arm64-v8a, only for: "
        f"armeabi-v7a, x86; pass the AAR of {ONNX}"
    )


def test_an_aar_without_javas_library(tmp_path: Path) -> None:
    path = aar(tmp_path / "c.aar", {"libonnxruntime.so": b""}, ARM)
    assert refusal(["onnx"], ARM, [path]) == (
        f"{str(path)!r} has no libonnxruntime4j_jni.so for arm64-v8a; pass the AAR of {ONNX}"
    )


def test_an_aar_of_another_version(tmp_path: Path) -> None:
    other = ONNX_LIBRARIES | {"libonnxruntime.so": b"\0VERS_1.27.0\0"}
    path = aar(tmp_path / "old.aar", other, ARM)
    expected = (
        f"{str(path)!r} is ONNX Runtime 1.27.0, but the runner's Java classes are for 1.29.0; "
        f"pass the AAR of {ONNX}"
    )
    assert refusal(["onnx"], ARM, [path]) == expected
    assert refusal(["onnx"], ARM, [path]) == expected  # from the cache as well
    unknown = ONNX_LIBRARIES | {"libonnxruntime.so": b"a build that does not tell"}
    assert find_libraries(["onnx"], ARM, [aar(tmp_path / "own.aar", unknown, ARM)]).files


def test_two_files_for_one_thing(tmp_path: Path, onnx_aar: Path) -> None:
    again = shutil.copy(onnx_aar, tmp_path / "again.aar")
    assert refusal(["onnx"], ARM, [onnx_aar, again]) == (
        f"{str(onnx_aar)!r} and {str(again)!r} are both "
        "com.microsoft.onnxruntime:onnxruntime-android; pass only one of them"
    )


def test_a_cache_that_cannot_be_written(onnx_aar: Path, cache: Path) -> None:
    cache.parent.touch()
    assert re.fullmatch(
        r"cannot write the cache: '\S+': (Not a directory|File exists); make it writable, with "
        r"500 MB of free space",
        refusal(["onnx"], ARM, [onnx_aar]),
    )


# Formats and ABIs ---------------------------------------------------------------------------


def test_no_format_needs_nothing() -> None:
    assert find_libraries([], ARM) == Libraries({}, {}, {})


def test_torchscript_is_refused(onnx_aar: Path) -> None:
    assert refusal(["onnx", "torchscript"], ARM, [onnx_aar]) == (
        "TorchScript artifacts cannot be measured on phones: PyTorch Mobile, which ran them "
        "there, is no longer supported; export with --format onnx, executorch or litert"
    )


def test_an_unknown_format_is_refused() -> None:
    assert refusal(["onxx"], ARM) == (
        "unknown format 'onxx'; did you mean 'onnx'? choose from: executorch, litert, onnx"
    )


@pytest.mark.parametrize("abi", ["armeabi-v7a", "armeabi"])
def test_32_bits_are_refused(onnx_aar: Path, abi: str) -> None:
    assert refusal(["onnx"], abi, [onnx_aar]) == (
        f"the phone's ABI is {abi}, 32-bit ARM, where int8 is up to four times slower (ONNX "
        "Runtime's issue 16426: 1925 ms instead of 491); use a phone with 64-bit Android: "
        "arm64-v8a or x86_64"
    )


@pytest.mark.parametrize("abi", ["x86", "riscv64", "", "../x"])
def test_another_abi_is_refused(abi: str) -> None:
    with pytest.raises(PhoneError) as caught:
        check_abi(abi)
    expected = f"the phone's ABI {abi!r} is not supported; use a phone with arm64-v8a or x86_64"
    assert str(caught.value) == expected


def test_the_record_is_plain_json(onnx_aar: Path) -> None:
    found = find_libraries(["onnx"], ARM, [onnx_aar])
    record = found.files["libonnxruntime.so"].with_name("sha256.json")
    assert json.loads(record.read_text()) == found.sha256
