"""Atomic writes: a file or folder is written completely or not at all."""

import contextlib
import ctypes
import errno
import glob
import os
import shutil
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from squeezebert_mobile.errors import BenchmarkError, ExportError
from squeezebert_mobile.formats import MANIFEST_FILE

__all__ = [
    "atomic_file",
    "atomic_folder",
    "atomic_write",
    "check_replaceable",
]


@contextlib.contextmanager
def atomic_file(
    path: Path, *, what: str, remedy: str = "choose another file with -o"
) -> Iterator[Path]:
    """A temporary path to write to; at the end of the block it replaces `path`.

    Args:
        path: The file, which may exist. Missing parent folders are created.
        what: What the file is, for the error message.
        remedy: What to do about it, for the error message.

    Raises:
        BenchmarkError: the file cannot be written.
    """
    partial = path.with_name(f".{path.name}.partial")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        yield partial
        os.replace(partial, path)
    except OSError as error:
        raise BenchmarkError(
            f"cannot write the {what} to {str(path)!r}: {error.strerror}; {remedy}"
        ) from None
    finally:
        with contextlib.suppress(OSError):
            partial.unlink()


def atomic_write(path: Path, text: str, *, what: str) -> None:
    """Write `text` to `path` as UTF-8.

    Args:
        path: The file, which may exist. Missing parent folders are created.
        text: The content.
        what: What the file is, for the error message.

    Raises:
        BenchmarkError: the file cannot be written.
    """
    with atomic_file(path, what=what) as partial:
        partial.write_bytes(text.encode("utf-8"))


# Folders ------------------------------------------------------------------------------------


@contextlib.contextmanager
def atomic_folder(
    folder: Path, *, force: bool = False, marker: str = MANIFEST_FILE, what: str = "an artifact"
) -> Iterator[Path]:
    """A new, empty folder that replaces `folder` when the block ends without an error.

    Until then `folder` does not change. Temporary folders that a killed export left beside it are
    removed.

    Args:
        folder: The folder to write.
        force: Whether to replace an existing folder.
        marker: The file that a folder must contain to be replaced.
        what: What the folder is, for the error message.

    Raises:
        ExportError: `folder` exists without `force`, or is something else; or writing fails.
    """
    check_replaceable(folder, force=force, marker=marker, what=what)
    target = folder.absolute()
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        _remove_abandoned(target)
        partial = Path(tempfile.mkdtemp(prefix=_partial_prefix(target), dir=target.parent))
    except OSError as error:
        raise ExportError(f"cannot write to {str(target.parent)!r}: {error.strerror}") from None
    try:
        with _locked(partial):
            partial.chmod(0o755)  # mkdtemp creates a private folder; an artifact is an ordinary one
            yield partial
            _swap(partial, target)
    except BrokenPipeError:
        raise  # from the terminal, not from the disk
    except OSError as error:
        raise ExportError(
            f"cannot write {str(folder)!r}: {error.strerror or error}; nothing was written; "
            "free some space, or choose another folder with -o"
        ) from error
    finally:
        shutil.rmtree(partial, ignore_errors=True)


def check_replaceable(
    folder: Path, *, force: bool, marker: str = MANIFEST_FILE, what: str = "an artifact"
) -> None:
    """Check that `atomic_folder` may write to `folder`; the arguments are the same.

    Raises:
        ExportError: it may not.
    """
    if not (folder.exists() or folder.is_symlink()):
        parent = next((path for path in folder.absolute().parents if path.exists()), folder)
        if not parent.is_dir() or not os.access(parent, os.W_OK | os.X_OK):
            reason = errno.EACCES if parent.is_dir() else errno.ENOTDIR
            raise ExportError(f"cannot write to {str(parent)!r}: {os.strerror(reason)}")
        return
    if folder.is_symlink() or not folder.is_dir():
        raise ExportError(f"{str(folder)!r} is not a folder; choose another with -o")
    if not any(folder.iterdir()):
        return
    if not (folder / marker).is_file():
        raise ExportError(
            f"{str(folder)!r} is not {what} and was not changed; choose another folder with -o"
        )
    if not force:
        raise ExportError(
            f"{str(folder)!r} exists; replace it with --force, or choose another folder with -o"
        )


def _partial_prefix(target: Path) -> str:
    return f".{target.name}.partial-"


def _remove_abandoned(target: Path) -> None:
    for partial in target.parent.glob(f"{glob.escape(_partial_prefix(target))}*"):
        with contextlib.suppress(BlockingIOError), _locked(partial):
            if sys.platform != "win32" or time.time() - partial.stat().st_mtime > 24 * 3600:
                shutil.rmtree(partial, ignore_errors=True)


@contextlib.contextmanager
def _locked(folder: Path) -> Iterator[None]:
    """Lock `folder` until the block or the process ends; BlockingIOError if it is locked.

    Windows cannot lock a folder; there `_remove_abandoned` goes by the age of a partial folder.
    """
    if sys.platform == "win32":
        yield
        return
    import fcntl

    handle = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield
    finally:
        os.close(handle)


def _swap(partial: Path, target: Path) -> None:
    """Move `partial` to `target`; an existing folder there ends up at `partial`."""
    if not target.exists():
        partial.rename(target)
    elif not _exchange(partial, target):
        # Without an atomic exchange (Windows, some file systems) `target` is missing for a moment.
        aside = partial.with_name(partial.name + "-old")
        target.rename(aside)
        partial.rename(target)
        shutil.rmtree(aside, ignore_errors=True)


def _exchange(a: Path, b: Path) -> bool:
    """Exchange two folders atomically; False if the system cannot."""
    names = os.fsencode(a), os.fsencode(b)
    if sys.platform == "win32":
        return False
    libc = ctypes.CDLL(None, use_errno=True)
    if sys.platform == "linux" and hasattr(libc, "renameat2"):
        at_cwd, rename_exchange = -100, 2  # fcntl.h, linux/fs.h
        failed = libc.renameat2(at_cwd, names[0], at_cwd, names[1], rename_exchange)
    elif sys.platform == "darwin" and hasattr(libc, "renamex_np"):
        rename_swap = 2  # sys/stdio.h
        failed = libc.renamex_np(names[0], names[1], rename_swap)
    else:
        return False
    if failed and ctypes.get_errno() not in {errno.EINVAL, errno.ENOSYS, errno.ENOTSUP}:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()), str(b))
    return not failed
