"""Atomic writes: a file or folder is written completely or not at all."""

import contextlib
import ctypes
import errno
import glob
import os
import re
import shutil
import stat
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
    "check_writable",
    "is_stream",
]

_MAX_LINKS = 40  # that are followed, as Linux does
#: Names of files that a process has open; they are written to, whatever they are.
_OPEN_FILES = ("/proc", "/dev/fd")


@contextlib.contextmanager
def atomic_file(
    path: Path, *, what: str, remedy: str = "choose another file with -o"
) -> Iterator[Path]:
    """A temporary path to write to; at the end of the block it replaces `path`.

    A stream (see `is_stream`) is never replaced: at the end of the block the content is written to
    it. If `path` is a link, the file that it points to is replaced.

    Args:
        path: The file, which may exist. Missing parent folders are created.
        what: What the file is, for the error message.
        remedy: What to do about it, for the error message.

    Raises:
        BenchmarkError: the file cannot be written.
    """
    check_writable(path, what=what, remedy=remedy)
    with contextlib.ExitStack() as stack:
        try:
            if is_stream(path):
                partial = Path(stack.enter_context(tempfile.TemporaryDirectory()), path.name)
                yield partial
                _append(partial, path)
                return
            target = path.resolve()
            partial = target.with_name(f".{target.name}.partial")
            stack.callback(_remove, partial)
            target.parent.mkdir(parents=True, exist_ok=True)
            yield partial
            os.replace(partial, target)
        except OSError as error:
            raise _not_written(path, error.strerror, what, remedy) from None


def _append(source: Path, stream: Path) -> None:
    own = re.fullmatch(r"/(?:proc/self|dev)/fd/(\d+)", str(_without_links(stream)))
    # Opening /dev/stdout again would write at the beginning of the file that it is redirected to.
    descriptor = os.dup(int(own[1])) if own else os.open(stream, os.O_WRONLY | os.O_APPEND)
    with source.open("rb") as content, open(descriptor, "wb") as target:
        shutil.copyfileobj(content, target)


def _remove(path: Path) -> None:
    with contextlib.suppress(OSError):
        path.unlink()


def _not_written(path: Path, reason: str | None, what: str, remedy: str) -> BenchmarkError:
    return BenchmarkError(f"cannot write the {what} to {str(path)!r}: {reason}; {remedy}")


def is_stream(path: Path) -> bool:
    """Whether `path` is a device, a pipe, a socket, or an open file of a process (/dev/stdout)."""
    try:
        mode = path.stat().st_mode
    except OSError:
        return False
    is_open = any(_without_links(path).is_relative_to(place) for place in _OPEN_FILES)
    return is_open or not (stat.S_ISREG(mode) or stat.S_ISDIR(mode))


def _without_links(path: Path) -> Path:
    """Where the links at `path` lead to; not beyond a file that a process has open."""
    path = path.absolute()
    for _ in range(_MAX_LINKS):
        if not path.is_symlink() or any(path.is_relative_to(place) for place in _OPEN_FILES):
            break
        path = path.parent / path.readlink()
    return path


def check_writable(path: Path, *, what: str, remedy: str = "choose another file with -o") -> None:
    """Check that `atomic_file` may write to `path`; the arguments are the same.

    Raises:
        BenchmarkError: it may not.
    """
    try:
        if stat.S_ISDIR(path.stat().st_mode):
            raise _not_written(path, os.strerror(errno.EISDIR), what, remedy)
    except FileNotFoundError:
        pass
    except OSError as error:
        raise _not_written(path, error.strerror, what, remedy) from None
    if is_stream(path):
        if not os.access(path, os.W_OK):
            raise _not_written(path, os.strerror(errno.EACCES), what, remedy)
        return
    parent = next(folder for folder in path.resolve().parents if folder.exists())
    if not os.access(parent, os.W_OK | os.X_OK):
        raise _not_written(path, os.strerror(errno.EACCES), what, remedy)


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
