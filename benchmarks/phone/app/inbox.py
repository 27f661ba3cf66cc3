"""The sample app's inbox: an artifact is sent to the app as one zip file.

When the app comes to the foreground, it unpacks and checks the zip files in its inbox and removes
them. It only reads names that end with .zip, so a file is given that name once it is complete.
"""

import contextlib
import hashlib
import re
import shutil
import zipfile
from pathlib import Path

from pydantic import ValidationError

from squeezebert_mobile.artifact import MANIFEST_FILE, Manifest, replaced, sha256_of
from squeezebert_mobile.benchmarks.phone.adb.client import Device
from squeezebert_mobile.benchmarks.phone.adb.errors import PhoneError
from squeezebert_mobile.benchmarks.phone.adb.files import (
    HOME,
    FileSet,
    PushProgress,
    make_readable,
    push,
)
from squeezebert_mobile.benchmarks.phone.app.sample_app import in_app, run_as, start_activity
from squeezebert_mobile.errors import InputError
from squeezebert_mobile.files import atomic_file

__all__ = ["name_in_app", "name_of_zip", "push_to_app", "write_zip"]

_INBOX = "files/inbox"  # in the app's folder
_HOME_ACTIVITY = "HomeActivity"
_COPY_SECONDS = 300.0  # for 500 MB on a slow phone
_COPIES = 2  # one in our folder on the phone, one in the app's

#: Names of artifacts in the app, which it also uses for folders.
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
_OLDEST = (1980, 1, 1, 0, 0, 0)  # the earliest date of the zip format
_MODE = 0o644
_UNIX = 3  # the zip format's number of the system whose file modes are used


def name_in_app(folder: Path) -> str:
    """The artifact's name in the app: the folder's name, with other characters replaced."""
    plain = re.sub(r"[^A-Za-z0-9._-]", "_", folder.resolve().name).lstrip("._-")
    return plain[:64] or "artifact"


def name_of_zip(path: Path) -> str:
    """The artifact's name in the app, from the name of its zip file.

    Raises:
        InputError: the app does not accept files of that name.
    """
    if path.suffix != ".zip":
        raise InputError(f"--zip {str(path)!r} does not end with .zip; use a name that does")
    if not _NAME.fullmatch(path.stem):
        better = f"{name_in_app(path.with_suffix(''))}.zip"
        raise InputError(
            f"--zip {str(path)!r}: the app accepts names of at most 64 letters, digits, '.', '_' "
            f"and '-' that start with a letter or digit; use e.g. {better!r}"
        )
    return path.stem


def write_zip(
    folder: Path,
    manifest: Manifest,
    path: Path,
    *,
    remedy: str = "choose another file with --zip",
) -> None:
    """Write the files of an artifact that `read_artifact` has checked, uncompressed.

    The same artifact gives the same bytes. What was written is compared with the manifest.

    Args:
        folder: The artifact.
        manifest: Its manifest.
        path: The zip file; an existing one is replaced at the end.
        remedy: What the message advises if it cannot be written.

    Raises:
        BenchmarkError: the file cannot be written.
        ArtifactError: the artifact was replaced or removed meanwhile.
    """
    with atomic_file(path, what="zip file", remedy=remedy) as partial:
        with zipfile.ZipFile(partial, "w") as archive:
            for name in (MANIFEST_FILE, *sorted(manifest.files)):
                _add(archive, folder / name)
        _check_written(partial, folder, manifest)


def _add(archive: zipfile.ZipFile, file: Path) -> None:
    info = zipfile.ZipInfo(file.name, _OLDEST)
    info.create_system = _UNIX
    info.external_attr = _MODE << 16
    if not file.is_file():
        raise replaced(file)
    info.file_size = file.stat().st_size  # files above 2 GB need the zip64 format
    with file.open("rb") as source, archive.open(info, "w") as target:
        shutil.copyfileobj(source, target)


def _check_written(zip_file: Path, folder: Path, manifest: Manifest) -> None:
    """Check that a zip file has the artifact that `manifest` describes."""
    with zipfile.ZipFile(zip_file) as archive:
        try:
            written = Manifest.model_validate_json(archive.read(MANIFEST_FILE))
        except ValidationError:
            written = None
        if written != manifest:
            raise replaced(folder / MANIFEST_FILE)
        for name, facts in manifest.files.items():
            with archive.open(name) as file:
                checksum = hashlib.file_digest(file, "sha256").hexdigest()  # type: ignore[arg-type]
            if checksum != facts.sha256:
                raise replaced(folder / name)


def push_to_app(device: Device, archive: Path, name: str, progress: PushProgress) -> None:
    """Put a zip file into the app's inbox, and bring the app to the foreground.

    Args:
        device: The phone, after `check_app`.
        archive: A zip file that `write_zip` has written.
        name: The artifact's name in the app.
        progress: Called with the bytes sent and the bytes to send in total.

    Raises:
        PhoneError: there is not enough space, or the phone or the app's folder rejects the file.
        PhoneUnreachable: the phone does not answer.
    """
    folder = f"{HOME}/inbox-{name}"
    files = FileSet(folder, {f"{name}.zip": (archive, sha256_of(archive))})
    remote, arrived = f"{folder}/{name}.zip", f"{_INBOX}/{name}.zip"
    partial = f"{arrived}.part"
    try:
        push(device, [files], progress, copies=_COPIES)
        make_readable(device, [files])
        in_app(device, "mkdir", "-p", _INBOX)
        in_app(device, "cp", remote, partial, timeout=_COPY_SECONDS)
        in_app(device, "mv", "-f", partial, arrived)
    except BaseException:
        with contextlib.suppress(PhoneError):  # the first error is raised
            run_as(device, "rm", "-f", partial)
        raise
    finally:
        with contextlib.suppress(PhoneError):
            device.run("rm", "-rf", folder)
    try:
        start_activity(device, _HOME_ACTIVITY)
    except PhoneError as error:
        error.add_note(f"{name} is in the app's inbox; open the app to import it")
        raise
