"""What lies on the phone: everything of ours in one folder, and each file only once.

A file lies in a folder named by what is in it, so what an earlier run has left there is asked for
its SHA-256 and not sent again.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

from squeezebert_mobile.artifact import MANIFEST_FILE, read_manifest, sha256_of
from squeezebert_mobile.benchmarks.phone import parsing
from squeezebert_mobile.benchmarks.phone.adb import Device
from squeezebert_mobile.benchmarks.phone.errors import PhoneError

__all__ = [
    "HOME",
    "RUNNER",
    "Parcel",
    "artifact_parcel",
    "clean",
    "file_parcel",
    "open_to_apps",
    "push",
]

#: All that this package ever writes to a phone.
HOME = "/data/local/tmp/squeezebert-mobile"
#: The program that measures, built by `make runner`.
RUNNER = Path(__file__).with_name("runner.jar")

_READ_ONLY = 0o444  # from Android 14 on a jar that can be written is not run
_MARGIN = 16 << 20  # bytes to be left free
_HASH_SECONDS = 120.0  # for the SHA-256 of a file of 500 MB on a slow phone

Progress = Callable[[int, int], None]  # bytes done, bytes in all


@dataclass(frozen=True)
class Parcel:
    """Files that lie together in one folder on the phone."""

    folder: str  # on the phone
    files: Mapping[str, tuple[Path, str]]  # name there -> file here, its SHA-256

    @property
    def bytes(self) -> int:
        """Of all files."""
        return sum(path.stat().st_size for path, _ in self.files.values())


def file_parcel(kind: str, files: Mapping[str, Path]) -> Parcel:
    """A parcel of a few files; `kind` is the beginning of the folder's name."""
    found = {name: (path, sha256_of(path)) for name, path in files.items()}
    return Parcel(f"{HOME}/{kind}-{_digest(found)}", found)


def artifact_parcel(folder: Path) -> Parcel:
    """The parcel of an artifact that `read_artifact` has checked."""
    manifest = read_manifest(folder)
    found = {name: (folder / name, facts.sha256) for name, facts in manifest.files.items()}
    found[MANIFEST_FILE] = (folder / MANIFEST_FILE, sha256_of(folder / MANIFEST_FILE))
    return Parcel(f"{HOME}/artifact-{_digest(found)}", found)


def _digest(files: Mapping[str, tuple[Path, str]]) -> str:
    told = "\n".join(f"{checksum} {name}" for name, (_, checksum) in sorted(files.items()))
    return sha256(told.encode()).hexdigest()[:16]


def push(device: Device, parcels: list[Parcel], progress: Progress, *, copies: int = 1) -> None:
    """See that the phone has these files, and send those that it lacks.

    Args:
        device: The phone.
        parcels: What it is to have.
        progress: Called with the bytes sent, and the bytes to send.
        copies: How often the files will lie on the phone: what there must be room for.

    Raises:
        PhoneError: there is no room for them, or the phone refuses a file or damages it.
        PhoneGone: the phone does not answer.
    """
    _make_home(device)
    wanted = [
        (f"{parcel.folder}/{name}", path, checksum)
        for parcel in {parcel.folder: parcel for parcel in parcels}.values()
        for name, (path, checksum) in parcel.files.items()
    ]
    missing = [each for each in wanted if _checksum(device, each[0]) != each[2]]
    total = sum(path.stat().st_size for _, path, _ in missing)
    _check_room(device, copies * total)
    done = 0
    for remote, path, checksum in missing:
        # What is there is damaged, and cannot be written.
        device.run("rm", "-f", remote)
        device.push(path, remote, mode=_READ_ONLY, progress=_on_top(progress, done, total))
        done += path.stat().st_size
        if _checksum(device, remote) != checksum:
            raise PhoneError(
                f"the phone has damaged the file {remote!r} (its SHA-256 is another one); run "
                "squeezebert-mobile clean, and see that cable and storage are in order"
            )


def _on_top(progress: Progress, before: int, total: int) -> Callable[[int], None]:
    return lambda sent: progress(before + sent, total)


def open_to_apps(device: Device, parcels: list[Parcel]) -> None:
    """Let an app read what was pushed: adb's shell may have made the folders for itself alone."""
    device.run("chmod", "755", HOME, *(parcel.folder for parcel in parcels))


def clean(device: Device) -> int:
    """Remove all that is ours from the phone, and nothing else; tells how many bytes that was."""
    size = device.run("du", "-s", "-k", HOME).out.split()
    removed = device.run("rm", "-rf", HOME)
    if removed.code:
        raise PhoneError(
            f"the phone does not remove {HOME!r}: {removed.err.strip() or removed.out.strip()}; "
            "restart the phone, then run squeezebert-mobile clean again"
        )
    return 1024 * int(size[0]) if size and size[0].isdigit() else 0


def _make_home(device: Device) -> None:
    """Some makers let the shell write to parts of /data/local/tmp only."""
    made = device.run("mkdir", "-p", HOME)
    if made.code == 0:
        made = device.run("touch", f"{HOME}/.written")
    if made.code:
        raise PhoneError(
            f"the phone does not let adb write to {HOME!r}: "
            f"{made.err.strip() or made.out.strip() or made.code}; allow it in the developer "
            "options (some makers call it USB debugging with security settings)"
        )


def _check_room(device: Device, needed: int) -> None:
    free = parsing.free_bytes(device.run("df", "-k", HOME).out)
    if free is not None and needed and free < needed + _MARGIN:
        raise PhoneError(
            f"the phone has {free / 1e6:.0f} MB free, and {(needed + _MARGIN) / 1e6:.0f} MB are "
            "needed; make room on it, or run: squeezebert-mobile clean"
        )


def _checksum(device: Device, remote: str) -> str | None:
    found = device.run("sha256sum", remote, timeout=_HASH_SECONDS)
    # Of a name with a backslash or a line end the line begins with a backslash.
    return found.out.lstrip("\\")[:64] if found.code == 0 else None
