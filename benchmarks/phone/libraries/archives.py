"""AARs and jars: zip files that contain jni/ABI/NAME.so and classes.jar."""

import re
import shutil
import zipfile
import zlib
from dataclasses import dataclass
from pathlib import Path

from squeezebert_mobile.benchmarks.phone.adb.errors import PhoneError
from squeezebert_mobile.benchmarks.phone.libraries.parts import RUNTIMES, Part

__all__ = ["Archive", "extract_classes", "extract_libraries", "member_names"]

_MAX_BYTES = 200_000_000  # unpacked from one AAR; ONNX Runtime's libraries are 30 MB
_LIBRARY = re.compile(r"jni/([A-Za-z0-9_-]+)/(lib[A-Za-z0-9_.+-]+\.so)")
_CLASSES = "classes.jar"


@dataclass(frozen=True)
class Archive:
    """A part as a file on this computer."""

    part: Part
    path: Path
    sha256: str
    label: str  # in the results
    display_name: str  # in messages


def member_names(path: Path) -> set[str]:
    """The names in a zip file, and of its native libraries also the name without folders.

    Raises:
        PhoneError: the file cannot be read as a zip file.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            names = archive.namelist()
    except (zipfile.BadZipFile, NotImplementedError, ValueError) as error:
        raise PhoneError(
            f"{str(path)!r} is not an AAR or is damaged: it cannot be read as a zip file; download "
            f"{', '.join(part.coordinates for part in RUNTIMES)} again"
        ) from error
    except OSError as error:
        raise PhoneError(f"{str(path)!r} cannot be read: {error.strerror}") from error
    libraries = (_LIBRARY.fullmatch(name) for name in names)
    return {*names, *(match[2] for match in libraries if match)}


def extract_libraries(aar: Archive, abi: str, folder: Path) -> None:
    """Extract the libraries for `abi` into `folder`.

    Only members named jni/ABI/NAME.so are extracted: no other name can lead out of `folder`.

    Raises:
        PhoneError: there are none for `abi`, they are too large, or the archive is damaged.
    """
    with zipfile.ZipFile(aar.path) as archive:
        members = [(_LIBRARY.fullmatch(info.filename), info) for info in archive.infolist()]
        libraries = {match[2]: info for match, info in members if match and match[1] == abi}
        if not libraries:
            others = sorted({match[1] for match, _ in members if match})
            raise PhoneError(
                f"{aar.display_name} has no libraries for the phone's ABI {abi}, only for: "
                f"{', '.join(others) or 'none'}; pass the AAR of {aar.part.coordinates}"
            )
        _check_size(aar, sum(info.file_size for info in libraries.values()))
        for name, info in libraries.items():
            _extract(aar, archive, info, folder / name)


def extract_classes(archive: Archive, folder: Path) -> Path:
    """The jar with the Java classes of a part, extracted into `folder` if it is in an AAR.

    Raises:
        PhoneError: there are no classes, they are too large, or the archive is damaged.
    """
    if archive.part.kind == "jar":
        return archive.path
    jar = folder / f"{archive.part.name}.jar"
    with zipfile.ZipFile(archive.path) as aar:
        try:
            info = aar.getinfo(_CLASSES)
        except KeyError:
            raise PhoneError(
                f"{archive.display_name} has no {_CLASSES}; pass the AAR of "
                f"{archive.part.coordinates}"
            ) from None
        _check_size(archive, info.file_size)
        _extract(archive, aar, info, jar)
    return jar


def _check_size(aar: Archive, size: int) -> None:
    if size > _MAX_BYTES:
        raise PhoneError(
            f"{aar.display_name} would unpack to {size / 1e6:,.0f} MB, more than the limit of "
            f"{_MAX_BYTES / 1e6:,.0f} MB; pass the AAR of {aar.part.coordinates}"
        )


def _extract(aar: Archive, archive: zipfile.ZipFile, info: zipfile.ZipInfo, to: Path) -> None:
    """Extract a member, at most the size that it declares: zipfile reads no further."""
    try:
        if info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
            raise zipfile.BadZipFile("it is neither stored nor deflated")
        with archive.open(info) as source, to.open("wb") as target:
            shutil.copyfileobj(source, target)
    except (zipfile.BadZipFile, zlib.error, EOFError, RuntimeError) as error:  # or encrypted
        raise PhoneError(
            f"{aar.display_name} is damaged: {info.filename} cannot be unpacked: {error}; download "
            f"{aar.part.coordinates} again"
        ) from error
