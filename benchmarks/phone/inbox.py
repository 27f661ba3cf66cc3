"""An artifact as one zip file, and its way into the sample app's inbox.

The app reads what is in its inbox when it comes to the front: it unpacks it, checks it, and removes
the zip. It looks at names that end with .zip alone, so a file gets that name once it is whole.
"""

import contextlib
import re
import shutil
import zipfile
from pathlib import Path

from squeezebert_mobile.artifact import MANIFEST_FILE, Manifest, sha256_of
from squeezebert_mobile.benchmarks.phone.adb import Device
from squeezebert_mobile.benchmarks.phone.app import in_app, run_as, start_activity
from squeezebert_mobile.benchmarks.phone.errors import PhoneError
from squeezebert_mobile.benchmarks.phone.pushing import (
    HOME,
    Parcel,
    Progress,
    open_to_apps,
    push,
)
from squeezebert_mobile.errors import InputError
from squeezebert_mobile.files import atomic_file

__all__ = ["name_in_app", "name_of_zip", "push_to_app", "write_zip"]

_INBOX = "files/inbox"  # in the app's folder
_HOME_ACTIVITY = "HomeActivity"
_COPY_SECONDS = 300.0  # for 500 MB on a slow phone
_COPIES = 2  # one in our folder, then one in the app's

#: How the app calls an artifact: a folder of it has this name.
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
_OLDEST = (1980, 1, 1, 0, 0, 0)  # the first date that a zip file knows
_MODE = 0o644
_UNIX = 3  # the system that the mode is of


def name_in_app(folder: Path) -> str:
    """The name in the app of the artifact in `folder`: the folder's, as far as the app takes it."""
    plain = re.sub(r"[^A-Za-z0-9._-]", "_", folder.resolve().name).lstrip("._-")
    return plain[:64] or "artifact"


def name_of_zip(path: Path) -> str:
    """The name in the app of the artifact in the zip file `path`.

    Raises:
        InputError: the app takes no file of that name.
    """
    if path.suffix != ".zip":
        raise InputError(f"--zip {str(path)!r} does not end with .zip; give a name that does")
    if not _NAME.fullmatch(path.stem):
        better = f"{name_in_app(path.with_suffix(''))}.zip"
        raise InputError(
            f"--zip {str(path)!r}: the app takes letters, digits, '.', '_' and '-', at most 64, a "
            f"letter or digit first; call it {better!r}, say"
        )
    return path.stem


def write_zip(
    folder: Path,
    manifest: Manifest,
    path: Path,
    *,
    remedy: str = "choose another file with --zip",
) -> None:
    """Write the files of an artifact that `read_artifact` has checked, flat and uncompressed.

    The same artifact gives the same bytes.

    Args:
        folder: The artifact.
        manifest: Its manifest.
        path: The zip file; an older one is replaced at the end.
        remedy: What to do where it cannot be written.

    Raises:
        BenchmarkError: the file cannot be written.
    """
    with (
        atomic_file(path, what="zip file", remedy=remedy) as partial,
        zipfile.ZipFile(partial, "w") as archive,
    ):
        for name in (MANIFEST_FILE, *sorted(manifest.files)):
            _add(archive, folder / name)


def _add(archive: zipfile.ZipFile, file: Path) -> None:
    info = zipfile.ZipInfo(file.name, _OLDEST)
    info.create_system = _UNIX
    info.external_attr = _MODE << 16
    info.file_size = file.stat().st_size  # more than 2 GB need another form
    with file.open("rb") as source, archive.open(info, "w") as target:
        shutil.copyfileobj(source, target)


def push_to_app(device: Device, archive: Path, name: str, progress: Progress) -> None:
    """Put a zip file into the app's inbox, and bring the app to the front.

    Args:
        device: The phone, on which `check_app` has found the app.
        archive: What `write_zip` has written.
        name: The artifact's name in the app.
        progress: Called with the bytes sent, and the bytes to send.

    Raises:
        PhoneError: there is no room, or the phone or the app's folder refuses it.
        PhoneGone: the phone does not answer.
    """
    folder = f"{HOME}/inbox-{name}"
    parcel = Parcel(folder, {f"{name}.zip": (archive, sha256_of(archive))})
    remote, arrived = f"{folder}/{name}.zip", f"{_INBOX}/{name}.zip"
    partial = f"{arrived}.part"
    try:
        push(device, [parcel], progress, copies=_COPIES)
        open_to_apps(device, [parcel])
        in_app(device, "mkdir", "-p", _INBOX)
        in_app(device, "cp", remote, partial, timeout=_COPY_SECONDS)
        in_app(device, "mv", "-f", partial, arrived)
    except BaseException:
        with contextlib.suppress(PhoneError):  # what went wrong first is told
            run_as(device, "rm", "-f", partial)
        raise
    finally:
        with contextlib.suppress(PhoneError):
            device.run("rm", "-rf", folder)
    try:
        start_activity(device, _HOME_ACTIVITY)
    except PhoneError as error:
        error.add_note(f"{name} is in the app's inbox: open the app, and it reads it")
        raise
