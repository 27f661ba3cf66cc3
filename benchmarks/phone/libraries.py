"""The native libraries that the runner needs on a phone, and where they come from.

They are ONNX Runtime's and ExecuTorch's builds for Android, as their makers publish them: AARs, zip
files with jni/ABI/NAME.so and classes.jar. The user gives the file, or Maven gets it. What is
unpacked is kept in the cache under the file's SHA-256, with the SHA-256 of every library, which is
compared before it is used again.
"""

import functools
import hashlib
import json
import os
import re
import shutil
import subprocess
import tempfile
import zipfile
import zlib
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from squeezebert_mobile.artifact import sha256_of
from squeezebert_mobile.benchmarks.phone.dex import MIN_API, make_dex
from squeezebert_mobile.benchmarks.phone.errors import PhoneError
from squeezebert_mobile.cache import cache_folder
from squeezebert_mobile.errors import choose

__all__ = [
    "ABIS",
    "EXECUTORCH_JAR",
    "EXECUTORCH_VERSION",
    "ONNX_RUNTIME_VERSION",
    "R8_VERSION",
    "Libraries",
    "check_abi",
    "check_formats",
    "find_libraries",
]

#: That of the Java classes in runner.jar, which call the native library by its names.
ONNX_RUNTIME_VERSION = "1.29.0"
#: That of the Python package which exports (constraints.txt).
EXECUTORCH_VERSION = "1.5.1"
R8_VERSION = "9.5.28"
ABIS = ("arm64-v8a", "x86_64")
#: ExecuTorch's Java classes, for the runner's class path.
EXECUTORCH_JAR = "executorch.jar"

_MOST_BYTES = 200_000_000  # all that is taken out of an AAR; ONNX Runtime's are 30 MB
_MOST_SECONDS = 900  # for Maven and one file
_PLUGIN = "org.apache.maven.plugins:maven-dependency-plugin:3.8.1:copy"
_SUMS = "sha256.json"
_LIBRARY = re.compile(r"jni/([A-Za-z0-9_-]+)/(lib[A-Za-z0-9_.+-]+\.so)")
_CLASSES = "classes.jar"
#: The name of ONNX Runtime's symbol version, which its linker script sets.
_VERSION_IN_ONNX_RUNTIME = re.compile(rb"\0VERS_(\d+\.\d+\.\d+)\0")

#: Maven reads this instead of whatever project the user stands in; repositories are the user's.
_POM = """\
<project xmlns="http://maven.apache.org/POM/4.0.0">
  <modelVersion>4.0.0</modelVersion>
  <groupId>squeezebertmobile</groupId>
  <artifactId>libraries</artifactId>
  <version>1</version>
  <packaging>pom</packaging>
</project>
"""


@dataclass(frozen=True)
class Libraries:
    """What goes to the phone beside runner.jar."""

    files: dict[str, Path]  # name on the phone -> file in the cache
    sha256: dict[str, str]  # name on the phone -> checksum; for the results
    aars: dict[str, str]  # Maven's coordinates, for a given file its name in brackets -> checksum


@dataclass(frozen=True)
class _Part:
    """A published file."""

    group: str
    name: str
    version: str
    kind: str  # "aar" or "jar"
    sign: str  # the library or the class that it is recognised by
    libraries: tuple[str, ...] = ()  # those that must be in it

    @property
    def coordinates(self) -> str:
        return f"{self.group}:{self.name}:{self.version}"

    @property
    def file(self) -> str:
        return f"{self.name}-{self.version}.{self.kind}"

    @property
    def option(self) -> str:
        return f"--android-runtime FILE.{self.kind}"


_ONNX = _Part(
    "com.microsoft.onnxruntime",
    "onnxruntime-android",
    ONNX_RUNTIME_VERSION,
    "aar",
    "libonnxruntime.so",
    ("libonnxruntime.so", "libonnxruntime4j_jni.so"),
)
_EXECUTORCH = _Part(
    "org.pytorch",
    "executorch-android",
    EXECUTORCH_VERSION,
    "aar",
    "libexecutorch.so",
    ("libexecutorch.so",),
)
# The versions below are those that executorch-android asks for
# (pytorch/executorch, extension/android/executorch_android/build.gradle).
_FBJNI = _Part("com.facebook.fbjni", "fbjni", "0.7.0", "aar", "libfbjni.so", ("libfbjni.so",))
_NATIVELOADER = _Part(
    "com.facebook.soloader",
    "nativeloader",
    "0.10.5",
    "jar",
    "com/facebook/soloader/nativeloader/NativeLoader.class",
)
_R8 = _Part("com.android.tools", "r8", R8_VERSION, "jar", "com/android/tools/r8/D8.class")
#: A file that holds the signs of two is the first: ExecuTorch's may bring its own libfbjni.so.
_PARTS = (_ONNX, _EXECUTORCH, _FBJNI, _NATIVELOADER, _R8)
_NEEDED = {"onnx": (_ONNX,), "executorch": (_EXECUTORCH, _FBJNI, _NATIVELOADER, _R8)}


@dataclass(frozen=True)
class _Found:
    """A part that is here."""

    part: _Part
    path: Path
    sha256: str
    label: str  # how the results call it
    shown: str  # how messages call it


def check_abi(abi: str) -> None:
    """See that phones of this ABI are measured.

    Raises:
        PhoneError: they are not.
    """
    if abi in ABIS:
        return
    valid = " and ".join(ABIS)
    if abi.startswith("armeabi"):
        raise PhoneError(
            f"the phone's ABI is {abi}, 32-bit ARM, where int8 is up to four times slower "
            "(ONNX Runtime's issue 16426: 1925 ms instead of 491); take a phone whose Android is "
            f"64-bit: {valid} are measured"
        )
    raise PhoneError(f"the phone's ABI is {abi!r}; take another phone: {valid} are measured")


def check_formats(formats: Iterable[str]) -> set[str]:
    """See that phones run these formats; gives each once.

    Raises:
        PhoneError: one of them they do not.
    """
    wanted = set(formats)
    if "torchscript" in wanted:
        raise PhoneError(
            "TorchScript artifacts are not measured on phones: PyTorch Mobile, which ran them "
            "there, is no longer supported; export with --format onnx or executorch"
        )
    for each in sorted(wanted - _NEEDED.keys()):
        raise PhoneError(choose("format", each, _NEEDED))
    return wanted


def find_libraries(formats: Iterable[str], abi: str, given: Sequence[Path] = ()) -> Libraries:
    """Native libraries, and for ExecuTorch its classes, from given files, the cache, or Maven.

    Args:
        formats: Those of the artifacts: "onnx", "executorch".
        abi: The phone's, one of ABIS.
        given: Files of --android-runtime; each is recognised by what it holds.

    Raises:
        PhoneError: the format or the ABI has none, a file is not what it should be, or nothing
            brings it.
    """
    wanted = check_formats(formats)
    check_abi(abi)
    parts = [part for format in sorted(wanted) for part in _NEEDED[format]]
    found = _find(parts, given)
    files: dict[str, Path] = {}
    sums: dict[str, str] = {}
    for part in sorted(found, key=_PARTS.index):  # of a library that two hold, the first is taken
        if part.kind == "aar":
            folder, in_folder = _unpacked(found[part], abi)
            for name in in_folder.keys() - files.keys():
                files[name], sums[name] = folder / name, in_folder[name]
    if "executorch" in wanted:
        files[EXECUTORCH_JAR], sums[EXECUTORCH_JAR] = _executorch_jar(found)
    return Libraries(
        files=dict(sorted(files.items())),
        sha256=dict(sorted(sums.items())),
        aars={each.label: each.sha256 for each in found.values()},
    )


# Where the files come from -------------------------------------------------------------------


def _find(parts: Sequence[_Part], given: Sequence[Path]) -> dict[_Part, _Found]:
    found = _recognised(given)
    missing = [part for part in parts if part not in found and not _downloaded(part)]
    if missing and shutil.which("mvn") is None:
        names = " and ".join(part.coordinates for part in missing)
        options = " ".join(part.option for part in missing)
        raise PhoneError(
            f"there is no {names} here, and no Maven to get it; run: apt-get install maven, or "
            f"give it: {options}"
        )
    for part in parts:
        if part not in found:
            folder = _download_folder(part)
            sums = _kept(folder, functools.partial(_download, part))
            path = folder / part.file
            found[part] = _Found(part, path, sums[part.file], part.coordinates, part.coordinates)
    return {part: found[part] for part in parts}


def _recognised(given: Sequence[Path]) -> dict[_Part, _Found]:
    found: dict[_Part, _Found] = {}
    for path in given:
        part = _recognise(path)
        if part in found:
            raise PhoneError(
                f"{str(found[part].path)!r} and {str(path)!r} are both {part.group}:{part.name}; "
                "give one of them"
            )
        label = f"{part.group}:{part.name} ({path.name})"
        found[part] = _Found(part, path, sha256_of(path), label, repr(str(path)))
    return found


def _recognise(path: Path) -> _Part:
    if not path.is_file():
        raise PhoneError(f"no such file: {str(path)!r}; --android-runtime takes an AAR")
    names = _names(path)
    for part in _PARTS:
        if part.sign in names:
            return part
    signs = ", ".join(part.sign.rpartition("/")[2] for part in _PARTS)
    raise PhoneError(
        f"{str(path)!r} holds none of: {signs}; give the AAR of {_ONNX.coordinates} or of "
        f"{_EXECUTORCH.coordinates}"
    )


def _names(path: Path) -> set[str]:
    """What a zip file holds, and the bare names of its libraries."""
    try:
        with zipfile.ZipFile(path) as archive:
            names = archive.namelist()
    except (zipfile.BadZipFile, NotImplementedError, ValueError) as error:
        raise PhoneError(
            f"{str(path)!r} is not an AAR, or a damaged one: it cannot be read as a zip file; get "
            f"{_ONNX.coordinates} or {_EXECUTORCH.coordinates} again"
        ) from error
    except OSError as error:
        raise PhoneError(f"{str(path)!r} cannot be read: {error.strerror}") from error
    libraries = (_LIBRARY.fullmatch(name) for name in names)
    return {*names, *(match[2] for match in libraries if match)}


def _cache() -> Path:
    return cache_folder() / "android"


def _download_folder(part: _Part) -> Path:
    return _cache() / "maven" / part.group / f"{part.name}-{part.version}"


def _downloaded(part: _Part) -> bool:
    return part.file in (_whole(_download_folder(part)) or {})


def _download(part: _Part, folder: Path) -> None:
    """Let Maven put the file into `folder`."""
    maven = shutil.which("mvn")
    assert maven is not None  # _find has looked
    with tempfile.TemporaryDirectory() as name:
        Path(name, "pom.xml").write_text(_POM, encoding="utf-8")
        command = [os.path.abspath(maven), "-q", "-B", _PLUGIN]
        command.append(f"-Dartifact={part.coordinates}:{part.kind}")
        command.append(f"-DoutputDirectory={folder.absolute()}")
        try:
            done = subprocess.run(
                command,
                cwd=name,
                stdin=subprocess.DEVNULL,
                capture_output=True,
                text=True,
                errors="replace",
                timeout=_MOST_SECONDS,
            )
        except subprocess.TimeoutExpired:
            said = f"it did not end within {_MOST_SECONDS // 60} minutes"
        except OSError as error:
            said = f"it does not start: {error.strerror}"
        else:
            said = _error_of_maven(done.stdout, done.stderr) if done.returncode else ""
    if not said and not (folder / part.file).is_file():
        said = f"it left no {part.file}"
    if not said and part.sign not in _names(folder / part.file):
        said = f"what it brought holds no {part.sign}"
    if said:
        raise PhoneError(
            f"Maven did not get {part.coordinates}: {said}; run again where Maven reaches its "
            f"repositories, or give the file: {part.option}"
        )


def _error_of_maven(out: str, err: str) -> str:
    """The last line that says something: Maven's advice on its own options follows it."""
    lines = [
        re.sub(r"\x1b\[[0-9;]*m", "", line).strip() for line in (err + "\n" + out).splitlines()
    ]
    errors = [line.removeprefix("[ERROR]").strip() for line in lines if line.startswith("[ERROR]")]
    advice = (
        "To see the full",
        "Re-run Maven",
        "For more information",
        "After correcting",
        "[Help",
    )
    errors = [line for line in errors if line and not line.startswith(advice)]
    last = (errors or [line for line in lines if line] or ["it said nothing"])[-1]
    last = re.sub(r"^Failed to execute goal \S+ \(.*?\) on project [^:\s]+: ", "", last)
    return re.sub(r" -> \[Help \d+\]$", "", last)


# What is taken out of them -------------------------------------------------------------------


def _unpacked(found: _Found, abi: str) -> tuple[Path, dict[str, str]]:
    """The folder with the libraries for `abi`, and their checksums."""
    folder = _cache() / found.sha256 / abi
    sums = _kept(folder, lambda new: _unpack(found, abi, new))
    for name in found.part.libraries:
        if name not in sums:
            raise PhoneError(
                f"{found.shown} has no {name} for {abi}; give the AAR of {found.part.coordinates}"
            )
    if found.part is _ONNX:
        told = _VERSION_IN_ONNX_RUNTIME.search((folder / _ONNX.sign).read_bytes())
        version = told[1].decode() if told else ONNX_RUNTIME_VERSION
        if version != ONNX_RUNTIME_VERSION:
            raise PhoneError(
                f"{found.shown} is ONNX Runtime {version}, and the runner's Java classes are of "
                f"{ONNX_RUNTIME_VERSION}; give the AAR of {_ONNX.coordinates}"
            )
    return folder, sums


def _unpack(found: _Found, abi: str, folder: Path) -> None:
    """Only what is named jni/ABI/NAME.so: no other name can lead out of `folder`."""
    with zipfile.ZipFile(found.path) as archive:
        members = [(_LIBRARY.fullmatch(info.filename), info) for info in archive.infolist()]
        libraries = {match[2]: info for match, info in members if match and match[1] == abi}
        if not libraries:
            others = sorted({match[1] for match, _ in members if match})
            raise PhoneError(
                f"{found.shown} has no libraries for the phone's ABI, {abi}; it has them for: "
                f"{', '.join(others) or 'none'}; give the AAR of {found.part.coordinates}"
            )
        size = sum(info.file_size for info in libraries.values())
        _check_size(found, size)
        for name, info in libraries.items():
            _extract(found, archive, info, folder / name)


def _check_size(found: _Found, size: int) -> None:
    if size > _MOST_BYTES:
        raise PhoneError(
            f"{found.shown} would unpack to {size / 1e6:,.0f} MB, and at most "
            f"{_MOST_BYTES / 1e6:,.0f} MB are taken; give the AAR of {found.part.coordinates}"
        )


def _extract(found: _Found, archive: zipfile.ZipFile, info: zipfile.ZipInfo, to: Path) -> None:
    """No more than the size that the member tells: zipfile reads no further."""
    try:
        if info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
            raise zipfile.BadZipFile("it is neither stored nor deflated")
        with archive.open(info) as source, to.open("wb") as target:
            shutil.copyfileobj(source, target)
    except (zipfile.BadZipFile, zlib.error, EOFError, RuntimeError) as error:  # or encrypted
        raise PhoneError(
            f"{found.shown} is damaged, {info.filename} cannot be unpacked: {error}; get "
            f"{found.part.coordinates} again"
        ) from error


def _executorch_jar(found: dict[_Part, _Found]) -> tuple[Path, str]:
    """ExecuTorch's classes and those that it needs, as one dex in a jar."""
    sources = [found[part] for part in (_EXECUTORCH, _FBJNI, _NATIVELOADER)]
    key = json.dumps([MIN_API, found[_R8].sha256, *(each.sha256 for each in sources)])
    folder = _cache() / hashlib.sha256(key.encode()).hexdigest() / "dex"

    def make(new: Path) -> None:
        with tempfile.TemporaryDirectory() as name:
            jars = [_classes(each, Path(name)) for each in sources]
            make_dex(found[_R8].path, jars, new / EXECUTORCH_JAR)

    sums = _kept(folder, make)
    return folder / EXECUTORCH_JAR, sums[EXECUTORCH_JAR]


def _classes(found: _Found, folder: Path) -> Path:
    if found.part.kind == "jar":
        return found.path
    jar = folder / f"{found.part.name}.jar"
    with zipfile.ZipFile(found.path) as archive:
        try:
            info = archive.getinfo(_CLASSES)
        except KeyError:
            raise PhoneError(
                f"{found.shown} has no {_CLASSES}; give the AAR of {found.part.coordinates}"
            ) from None
        _check_size(found, info.file_size)
        _extract(found, archive, info, jar)
    return jar


# The cache -----------------------------------------------------------------------------------


def _kept(folder: Path, make: Callable[[Path], None]) -> dict[str, str]:
    """The checksums of a folder of the cache, which `make` fills anew unless it is whole.

    It is filled under another name and then renamed, so that no half of it is ever found.
    """
    sums = _whole(folder)
    if sums is not None:
        return sums
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=".", dir=_cache()) as name:
            new = Path(name, "new")
            new.mkdir()
            make(new)
            sums = {path.name: sha256_of(path) for path in sorted(new.iterdir())}
            (new / _SUMS).write_text(json.dumps(sums, indent=1), encoding="utf-8")
            faster = _whole(folder)  # another process has made the same
            if faster is not None:
                return faster
            if os.path.lexists(folder):  # damaged
                folder.rename(Path(name, "old"))
            new.rename(folder)
    except OSError as error:
        raise PhoneError(
            f"the cache cannot be written: {str(error.filename or folder)!r}: {error.strerror}; "
            "give it your own rights and 500 MB of space"
        ) from error
    return sums


def _whole(folder: Path) -> dict[str, str] | None:
    """The checksums of what is in the folder, if they are those that were recorded."""
    try:
        recorded = json.loads((folder / _SUMS).read_text(encoding="utf-8"))
        names = sorted(path.name for path in folder.iterdir() if path.name != _SUMS)
        sums = {name: sha256_of(folder / name) for name in names}
    except (OSError, ValueError, RecursionError):
        return None
    return sums if sums and sums == recorded else None
