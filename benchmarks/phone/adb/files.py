"""Files on the phone: everything is in one folder, and each file is there only once.

The folder of a file is named by its contents, so a file that an earlier run left there is compared
by its SHA-256 and not sent again.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

from squeezebert_mobile.artifact import check_unchanged, sha256_of
from squeezebert_mobile.benchmarks.phone.adb import parsing
from squeezebert_mobile.benchmarks.phone.adb.client import Device
from squeezebert_mobile.benchmarks.phone.adb.errors import PhoneError

__all__ = [
    "ALLOW_IN_DEVELOPER_OPTIONS",
    "HOME",
    "FileSet",
    "PushProgress",
    "artifact_files",
    "clean",
    "file_set",
    "make_home",
    "make_readable",
    "push",
]

#: The only folder on a phone that this package writes to, apart from the sample app's own.
HOME = "/data/local/tmp/squeezebert-mobile"
#: What to do if Android does not let adb's shell write files or start activities.
ALLOW_IN_DEVELOPER_OPTIONS = (
    "allow it in the developer options (some manufacturers call it USB debugging with security "
    "settings)"
)

_READ_ONLY = 0o444  # from Android 14 on, a writable jar is not executed
_MARGIN = 16 << 20  # bytes to leave free
_HASH_SECONDS = 120.0  # for the SHA-256 of a file of 500 MB on a slow phone
_SHOWN = 200  # characters of a program's output in a message

PushProgress = Callable[[int, int], None]  # bytes sent, total bytes


@dataclass(frozen=True)
class FileSet:
    """Files in one folder on the phone."""

    folder: str  # on the phone
    files: Mapping[str, tuple[Path, str]]  # name -> local file and its SHA-256


def file_set(kind: str, files: Mapping[str, Path]) -> FileSet:
    """A few files; `kind` is the first part of the folder's name."""
    entries = {name: (path, sha256_of(path)) for name, path in files.items()}
    return FileSet(f"{HOME}/{kind}-{_digest(entries)}", entries)


def artifact_files(folder: Path, checksums: Mapping[str, str]) -> FileSet:
    """The files of an artifact, with the checksums from `read_with_checksums`."""
    entries = {name: (folder / name, checksum) for name, checksum in checksums.items()}
    return FileSet(f"{HOME}/artifact-{_digest(entries)}", entries)


def _digest(files: Mapping[str, tuple[Path, str]]) -> str:
    lines = "\n".join(f"{checksum} {name}" for name, (_, checksum) in sorted(files.items()))
    return sha256(lines.encode()).hexdigest()[:16]


def push(
    device: Device, file_sets: list[FileSet], progress: PushProgress, *, copies: int = 1
) -> None:
    """Send the files that are missing or damaged on the phone.

    Args:
        device: The phone.
        file_sets: The files that it must have.
        progress: Called with the bytes sent and the bytes to send in total.
        copies: How many copies the phone must have space for.

    Raises:
        PhoneError: there is not enough space, or a file is rejected or damaged on the way.
        ArtifactError: a file is no longer the one that it was when its checksum was taken.
        PhoneUnreachable: the phone does not answer.
    """
    make_home(device)
    required = [
        (f"{file_set.folder}/{name}", path, checksum)
        for file_set in {file_set.folder: file_set for file_set in file_sets}.values()
        for name, (path, checksum) in file_set.files.items()
    ]
    missing = [file for file in required if _checksum(device, file[0]) != file[2]]
    for _, path, checksum in missing:
        check_unchanged(path.parent, {path.name: checksum})
    total = sum(path.stat().st_size for _, path, _ in missing)
    _check_space(device, copies * total)
    done = 0
    for remote, path, checksum in missing:
        # An existing file is damaged, and read-only.
        device.run("rm", "-f", remote)
        size = path.stat().st_size
        device.push(path, remote, mode=_READ_ONLY, progress=_offset(progress, done, total))
        done += size
        _check_arrived(device, path, remote, checksum)


def _offset(progress: PushProgress, sent_before: int, total: int) -> Callable[[int], None]:
    return lambda sent: progress(sent_before + sent, total)


def make_readable(device: Device, file_sets: list[FileSet]) -> None:
    """Make pushed files readable for apps: adb's shell may have created the folders as private."""
    device.run("chmod", "755", HOME, *(file_set.folder for file_set in file_sets))


def clean(device: Device) -> int:
    """Remove our files from the phone, and nothing else; returns how many bytes they took."""
    size = device.run("du", "-s", "-k", HOME).out.split()
    removed = device.run("rm", "-rf", HOME)
    if removed.code:
        raise PhoneError(
            f"the phone could not remove {HOME!r}: {removed.err.strip() or removed.out.strip()}; "
            "restart the phone, then run squeezebert-mobile clean again"
        )
    return 1024 * (parsing.whole_number(size[0]) or 0) if size else 0


def make_home(device: Device) -> None:
    """Create our folder on the phone.

    Raises:
        PhoneError: the shell may not; some manufacturers restrict it to parts of /data/local/tmp.
        PhoneUnreachable: the phone does not answer.
    """
    result = device.run("mkdir", "-p", HOME)
    if result.code == 0:
        result = device.run("touch", f"{HOME}/.written")
    if result.code:
        raise PhoneError(
            f"adb may not write to {HOME!r} on the phone: "
            f"{result.err.strip() or result.out.strip() or result.code}; "
            f"{ALLOW_IN_DEVELOPER_OPTIONS}"
        )


def _check_space(device: Device, needed: int) -> None:
    free = parsing.free_bytes(device.run("df", "-k", HOME).out)
    if free is not None and needed and free < needed + _MARGIN:
        raise PhoneError(
            f"the phone has {free / 1e6:.0f} MB free, but {(needed + _MARGIN) / 1e6:.0f} MB are "
            "needed; free some space on it, or run: squeezebert-mobile clean"
        )


def _check_arrived(device: Device, path: Path, remote: str, checksum: str) -> None:
    result = device.run("sha256sum", remote, timeout=_HASH_SECONDS)
    found = parsing.sha256(result.out)
    if found is None:
        why = result.err.strip() or result.out.strip() or f"exit status {result.code}"
        raise PhoneError(
            f"the phone cannot compute the SHA-256 of {remote!r}: {why[:_SHOWN]}; measuring "
            "requires the sha256sum that Android has had since version 8: restart the phone, or "
            "use another one"
        )
    if found != checksum:
        check_unchanged(path.parent, {path.name: checksum})  # while it was sent
        raise PhoneError(
            f"the file {remote!r} is damaged on the phone (its SHA-256 differs); run "
            "squeezebert-mobile clean, then check the cable and the phone's storage"
        )


def _checksum(device: Device, remote: str) -> str | None:
    return parsing.sha256(device.run("sha256sum", remote, timeout=_HASH_SECONDS).out)
