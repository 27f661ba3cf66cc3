"""The native libraries that the runner needs on a phone, and where they come from.

They are the Android builds of ONNX Runtime, ExecuTorch and LiteRT as published in AARs. The user
passes the files, or Maven downloads them. What is unpacked is cached under the SHA-256 of its
source.
"""

import hashlib
import json
import re
import shutil
import tempfile
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from squeezebert_mobile.artifact import sha256_of
from squeezebert_mobile.benchmarks.phone.adb.errors import PhoneError
from squeezebert_mobile.benchmarks.phone.libraries.archives import (
    Archive,
    extract_classes,
    extract_libraries,
    member_names,
)
from squeezebert_mobile.benchmarks.phone.libraries.cache import android_cache, cached
from squeezebert_mobile.benchmarks.phone.libraries.dex import MIN_API, make_dex
from squeezebert_mobile.benchmarks.phone.libraries.maven import download, is_downloaded
from squeezebert_mobile.benchmarks.phone.libraries.parts import (
    EXECUTORCH,
    FBJNI,
    KOTLIN,
    LITERT,
    NATIVELOADER,
    ONNX_RUNTIME,
    ONNX_RUNTIME_VERSION,
    PARTS,
    R8,
    REQUIRED_PARTS,
    RUNTIMES,
    Part,
    check_abi,
    check_formats,
)
from squeezebert_mobile.programs import MAVEN

__all__ = ["Libraries", "find_libraries"]


@dataclass(frozen=True)
class _Classes:
    """The Java classes of a runtime, as one dex file in a jar for the runner's class path."""

    runtime: str
    jar: str  # its name
    parts: tuple[Part, ...]


_CLASSES = {
    "executorch": _Classes("ExecuTorch", "executorch.jar", (EXECUTORCH, FBJNI, NATIVELOADER)),
    "litert": _Classes("LiteRT", "litert.jar", (LITERT, KOTLIN)),
}

#: The name of ONNX Runtime's symbol version, which its linker script sets.
_ONNX_RUNTIME_SYMBOL_VERSION = re.compile(rb"\0VERS_(\d+\.\d+\.\d+)\0")


@dataclass(frozen=True)
class Libraries:
    """The files that are pushed to the phone beside runner.jar."""

    files: dict[str, Path]  # name on the phone -> file in the cache
    sha256: dict[str, str]  # name on the phone -> checksum; for the results
    aars: dict[str, str]  # Maven coordinates (of a passed file also its name) -> checksum


def find_libraries(formats: Iterable[str], abi: str, given: Sequence[Path] = ()) -> Libraries:
    """Native libraries and a runtime's Java classes, from given files, the cache, or Maven.

    Args:
        formats: The formats of the artifacts: "onnx", "executorch", "litert".
        abi: The phone's ABI, one of ABIS.
        given: The files of --android-runtime; each is recognized by its contents.

    Raises:
        PhoneError: the format or the ABI is not supported, a file is damaged or of another
            version, or a file is missing and cannot be downloaded.
    """
    unique = check_formats(formats)
    check_abi(abi)
    archives = _locate(
        [part for format in sorted(unique) for part in REQUIRED_PARTS[format]], given
    )
    files: dict[str, Path] = {}
    checksums: dict[str, str] = {}
    for part in sorted(archives, key=PARTS.index):  # the first of two with the same library wins
        if part.kind == "aar":
            folder, in_folder = _unpacked(archives[part], abi)
            for name in in_folder.keys() - files.keys():
                files[name], checksums[name] = folder / name, in_folder[name]
    for classes in (_CLASSES[each] for each in _CLASSES if each in unique):
        files[classes.jar], checksums[classes.jar] = _jar(classes, archives)
    return Libraries(
        files=dict(sorted(files.items())),
        sha256=dict(sorted(checksums.items())),
        aars={archive.label: archive.sha256 for archive in archives.values()},
    )


# Sources ------------------------------------------------------------------------------------


def _locate(parts: Sequence[Part], given: Sequence[Path]) -> dict[Part, Archive]:
    archives = _recognize_all(given)
    missing = [part for part in parts if part not in archives and not is_downloaded(part)]
    if missing and shutil.which("mvn") is None:
        names = " and ".join(part.coordinates for part in missing)
        options = " ".join(part.option for part in missing)
        raise PhoneError(
            f"cannot download {names}: Maven is not installed; {MAVEN.remedy}, or add: {options}"
        )
    return {part: archives.get(part) or download(part) for part in parts}


def _recognize_all(given: Sequence[Path]) -> dict[Part, Archive]:
    archives: dict[Part, Archive] = {}
    for path in given:
        part = _recognize(path)
        if part in archives:
            raise PhoneError(
                f"{str(archives[part].path)!r} and {str(path)!r} are both "
                f"{part.group}:{part.name}; pass only one of them"
            )
        label = f"{part.group}:{part.name} ({path.name})"
        archives[part] = Archive(part, path, sha256_of(path), label, repr(str(path)))
    return archives


def _recognize(path: Path) -> Part:
    if not path.is_file():
        raise PhoneError(f"no such file: {str(path)!r}; --android-runtime expects an AAR")
    names = member_names(path)
    for part in PARTS:
        if part.marker in names:
            return part
    markers = ", ".join(part.marker.rpartition("/")[2] for part in PARTS)
    raise PhoneError(
        f"{str(path)!r} contains none of: {markers}; pass the AAR of one of: "
        f"{', '.join(part.coordinates for part in RUNTIMES)}"
    )


# Contents -----------------------------------------------------------------------------------


def _unpacked(aar: Archive, abi: str) -> tuple[Path, dict[str, str]]:
    """The folder with the libraries for `abi`, and their checksums."""
    folder = android_cache() / aar.sha256 / abi
    checksums = cached(folder, lambda new: extract_libraries(aar, abi, new))
    for name in aar.part.libraries:
        if name not in checksums:
            raise PhoneError(
                f"{aar.display_name} has no {name} for {abi}; pass the AAR of "
                f"{aar.part.coordinates}"
            )
    if aar.part is ONNX_RUNTIME:
        _check_onnx_runtime(aar, folder / ONNX_RUNTIME.marker)
    return folder, checksums


def _check_onnx_runtime(aar: Archive, library: Path) -> None:
    match = _ONNX_RUNTIME_SYMBOL_VERSION.search(library.read_bytes())
    version = match[1].decode() if match else ONNX_RUNTIME_VERSION
    if version != ONNX_RUNTIME_VERSION:
        raise PhoneError(
            f"{aar.display_name} is ONNX Runtime {version}, but the runner's Java classes are for "
            f"{ONNX_RUNTIME_VERSION}; pass the AAR of {ONNX_RUNTIME.coordinates}"
        )


def _jar(classes: _Classes, archives: dict[Part, Archive]) -> tuple[Path, str]:
    """A runtime's classes and their dependencies, as one dex file in a jar."""
    sources = [archives[part] for part in classes.parts]
    key = json.dumps([MIN_API, archives[R8].sha256, *(source.sha256 for source in sources)])
    folder = android_cache() / hashlib.sha256(key.encode()).hexdigest() / "dex"

    def make(new: Path) -> None:
        with tempfile.TemporaryDirectory() as name:
            jars = [extract_classes(source, Path(name)) for source in sources]
            make_dex(archives[R8].path, jars, new / classes.jar, runtime=classes.runtime)

    checksums = cached(folder, make)
    return folder / classes.jar, checksums[classes.jar]
