"""Private folders beside a file or folder that is being written; killed processes leave them."""

import contextlib
import glob
import os
import shutil
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from squeezebert_mobile.locks import lock

__all__ = ["partial_folder"]

_PREFIX_LENGTH = 40  # characters of a name in that of its partial folder: 255 bytes must suffice


@contextlib.contextmanager
def partial_folder(target: Path) -> Iterator[Path]:
    """A new, private folder beside `target`, which is removed at the end of the block.

    What is written in it has the permissions that the umask says. Folders that a killed process
    left there are removed.
    """
    prefix = _partial_prefix(target)
    _remove_abandoned(target.parent, prefix)
    with contextlib.ExitStack() as stack:
        locked = False
        while not locked:  # another process may take it for an abandoned one before it is locked
            folder = Path(tempfile.mkdtemp(prefix=prefix, dir=target.parent))
            with contextlib.suppress(FileNotFoundError):
                stack.enter_context(_locked(folder, wait=True))
                locked = folder.is_dir()
        try:
            yield folder
        finally:
            shutil.rmtree(folder, ignore_errors=True)


def _partial_prefix(target: Path) -> str:
    return f".{target.name[:_PREFIX_LENGTH]}.partial-"


def _remove_abandoned(parent: Path, prefix: str) -> None:
    for partial in parent.glob(f"{glob.escape(prefix)}*"):
        with contextlib.suppress(OSError), _locked(partial):
            if sys.platform != "win32" or time.time() - partial.stat().st_mtime > 24 * 3600:
                shutil.rmtree(partial, ignore_errors=True)


@contextlib.contextmanager
def _locked(folder: Path, *, wait: bool = False) -> Iterator[None]:
    """Lock `folder` until the block or the process ends; BlockingIOError if it is locked.

    Windows cannot lock a folder; there `_remove_abandoned` goes by the age of a partial folder.
    """
    if sys.platform == "win32":
        yield
        return
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    try:
        lock(handle, wait=wait)
        yield
    finally:
        os.close(handle)
