"""The cache of downloaded and unpacked files.

Each folder has a file with the SHA-256 of every other file in it, which is compared before the
folder is used again.
"""

import json
import os
import tempfile
from collections.abc import Callable
from pathlib import Path

from squeezebert_mobile.artifact import sha256_of
from squeezebert_mobile.benchmarks.phone.adb.errors import PhoneError
from squeezebert_mobile.cache import cache_folder
from squeezebert_mobile.renames import rename

__all__ = ["android_cache", "cached", "verified_checksums"]

_CHECKSUMS = "sha256.json"


def android_cache() -> Path:
    """The folder of everything that is cached for phones."""
    return cache_folder() / "android"


def cached(folder: Path, make: Callable[[Path], None]) -> dict[str, str]:
    """The checksums of a folder in the cache; `make` fills it unless it is there and undamaged.

    The folder is filled under another name and then renamed, so it is never seen incomplete.

    Raises:
        PhoneError: the cache cannot be written.
    """
    checksums = verified_checksums(folder)
    if checksums is not None:
        return checksums
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=".", dir=android_cache()) as name:
            new = Path(name, "new")
            new.mkdir()
            make(new)
            checksums = {path.name: sha256_of(path) for path in sorted(new.iterdir())}
            (new / _CHECKSUMS).write_text(json.dumps(checksums, indent=1), encoding="utf-8")
            concurrent = verified_checksums(folder)  # another process has made the same folder
            if concurrent is not None:
                return concurrent
            if os.path.lexists(folder):  # damaged
                rename(folder, Path(name, "old"))
            rename(new, folder)
    except OSError as error:
        raise PhoneError(
            f"cannot write the cache: {str(error.filename or folder)!r}: {error.strerror}; make "
            "it writable, with 500 MB of free space"
        ) from error
    return checksums


def verified_checksums(folder: Path) -> dict[str, str] | None:
    """The checksums of the files in the folder; None unless they equal the recorded ones."""
    try:
        recorded = json.loads((folder / _CHECKSUMS).read_text(encoding="utf-8"))
        names = sorted(path.name for path in folder.iterdir() if path.name != _CHECKSUMS)
        checksums = {name: sha256_of(folder / name) for name in names}
    except (OSError, ValueError, RecursionError):
        return None
    return checksums if checksums and checksums == recorded else None
