"""Files: bounded reads, and atomic writes of files and folders.

What is read is a regular file of limited size. What is written is complete or not there at all.
"""

import contextlib
import ctypes
import errno
import os
import re
import shutil
import stat
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from squeezebert_mobile.errors import BenchmarkError, ExportError, InputError, is_unicode
from squeezebert_mobile.formats import MANIFEST_FILE
from squeezebert_mobile.partial_folders import partial_folder
from squeezebert_mobile.renames import rename

__all__ = [
    "MAX_DATA_BYTES",
    "MAX_DOCUMENT_BYTES",
    "atomic_file",
    "atomic_folder",
    "atomic_write",
    "check_new",
    "check_regular",
    "check_replaceable",
    "check_writable",
    "is_stream",
    "read_regular",
]

#: The largest JSON document, vocabulary or text file that is read.
MAX_DOCUMENT_BYTES = 64 << 20
#: The largest file of labelled examples, results file or journal that is read.
MAX_DATA_BYTES = 1 << 30

_MAX_LINKS = 40  # that are followed, as Linux does
#: Names of files that a process has open; they are written to, whatever they are.
_OPEN_FILES = ("/proc", "/dev/fd")
_CHUNK_BYTES = 1 << 20
#: What a path may be instead of a regular file.
_KINDS = {
    stat.S_IFIFO: "a named pipe",
    stat.S_IFCHR: "a device",
    stat.S_IFBLK: "a device",
    stat.S_IFSOCK: "a socket",
}


# Reading ------------------------------------------------------------------------------------


def read_regular(path: Path, limit: int = MAX_DOCUMENT_BYTES) -> bytes:
    """The content of a regular file, or of a pipe that this process was started with (/dev/fd/63).

    A named pipe could block for ever, and a device may have no end.

    Args:
        path: The file.
        limit: The most bytes that it may have.

    Raises:
        OSError: it cannot be read, is something else, or is larger; `strerror` says why.
    """
    wait = getattr(os, "O_NONBLOCK", 0) if _own_descriptor(path) is None else 0
    check_regular(path)  # opening a device may have effects
    handle = os.open(path, os.O_RDONLY | wait | getattr(os, "O_BINARY", 0))
    with open(handle, "rb") as file:
        status = os.fstat(handle)
        _check_kind(path, status.st_mode)
        size, chunks = 0, list[bytes]()
        while size <= limit and (chunk := file.read(_CHUNK_BYTES)):
            chunks.append(chunk)
            size += len(chunk)
    if size > limit:
        reason = f"it is larger than {limit >> 20} MiB, the most that is read"
        raise OSError(errno.EFBIG, reason, str(path))
    return b"".join(chunks)


def check_regular(path: Path) -> None:
    """Check that `read_regular` may open `path`.

    Raises:
        OSError: it does not exist, or is not a regular file; `strerror` says why.
    """
    _check_kind(path, path.stat().st_mode)


def _check_kind(path: Path, mode: int) -> None:
    if stat.S_ISDIR(mode):
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(path))
    is_own_pipe = stat.S_ISFIFO(mode) and _own_descriptor(path) is not None
    if not (stat.S_ISREG(mode) or is_own_pipe):
        kind = _KINDS.get(stat.S_IFMT(mode), "special")
        raise OSError(errno.EINVAL, f"it is {kind}, not a regular file", str(path))


def _own_descriptor(path: Path) -> int | None:
    """The number of the open file that `path` names, such as 0 for /dev/stdin."""
    found = re.fullmatch(r"/(?:proc/self|dev)/fd/(\d+)", str(_without_links(path)))
    return int(found[1]) if found else None


# Files --------------------------------------------------------------------------------------


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
    try:
        if is_stream(path):
            with tempfile.TemporaryDirectory() as folder:
                partial = Path(folder, path.name)
                yield partial
                _append(partial, path)
            return
        target = path.resolve()
        target.parent.mkdir(parents=True, exist_ok=True)
        with partial_folder(target) as folder:
            partial = folder / target.name
            yield partial
            if target.exists():
                shutil.copymode(target, partial)  # as if it were written to
            rename(partial, target)
    except OSError as error:
        raise _not_written(path, error.strerror, what, remedy) from None


def _append(source: Path, stream: Path) -> None:
    own = _own_descriptor(stream)
    # Opening /dev/stdout again would write at the beginning of the file that it is redirected to.
    descriptor = os.open(stream, os.O_WRONLY | os.O_APPEND) if own is None else os.dup(own)
    with source.open("rb") as content, open(descriptor, "wb") as target:
        shutil.copyfileobj(content, target)


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


def check_new(path: Path, *, force: bool, option: str = "-o") -> None:
    """Check that no file is at `path` that would be replaced; a stream is written to.

    Raises:
        InputError: there is one, and `force` is not given.
    """
    if not force and os.path.exists(path) and not is_stream(path):  # a name may be too long
        raise InputError(
            f"{str(path)!r} exists; replace it with --force, or choose another file with {option}"
        )


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
    with contextlib.ExitStack() as stack:
        try:
            target.parent.mkdir(parents=True, exist_ok=True)
            partial = stack.enter_context(partial_folder(target)) / target.name
            partial.mkdir()  # with the permissions of any new folder, unlike its parent
        except OSError as error:
            raise ExportError(f"cannot write to {str(target.parent)!r}: {error.strerror}") from None
        try:
            yield partial
            # Meanwhile another process may have written there.
            check_replaceable(folder, force=force, marker=marker, what=what)
            try:
                _move(partial, target, force=force)
            except FileExistsError:
                check_replaceable(folder, force=force, marker=marker, what=what)
                raise
        except BrokenPipeError:
            raise  # from the terminal, not from the disk
        except OSError as error:
            raise ExportError(
                f"cannot write {str(folder)!r}: {error.strerror or error}; nothing was written; "
                "free some space, or choose another folder with -o"
            ) from error


def check_replaceable(
    folder: Path, *, force: bool, marker: str = MANIFEST_FILE, what: str = "an artifact"
) -> None:
    """Check that `atomic_folder` may write to `folder`; the arguments are the same.

    Raises:
        ExportError: it may not.
    """
    if not is_unicode(str(folder)):
        raise ExportError(
            f"{str(folder)!r} has bytes that are not UTF-8, and the libraries that write and read "
            "models need UTF-8; choose another folder with -o"
        )
    try:
        folder.lstat()
    except (FileNotFoundError, NotADirectoryError):
        parent = next((path for path in folder.absolute().parents if path.exists()), folder)
        if not parent.is_dir() or not os.access(parent, os.W_OK | os.X_OK):
            reason = errno.EACCES if parent.is_dir() else errno.ENOTDIR
            message = f"cannot write to {str(parent)!r}: {os.strerror(reason)}"
            raise ExportError(message) from None
        return
    except OSError as error:
        raise ExportError(f"cannot write to {str(folder)!r}: {error.strerror}") from None
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


def _move(partial: Path, target: Path, *, force: bool) -> None:
    """Move `partial` to `target`; an existing folder there ends up at `partial`.

    Raises:
        FileExistsError: without `force`, `target` is a folder that is not empty.
    """
    if target.exists() and force:
        if not _exchange(partial, target):
            # Without an atomic exchange (Windows, some file systems) it is missing for a moment.
            aside = partial.with_name("old")
            rename(target, aside)
            try:
                rename(partial, target)
            except OSError:
                rename(aside, target)
                raise
        return
    try:
        if sys.platform == "win32" and target.exists():
            target.rmdir()
        rename(partial, target)  # an empty folder is replaced
    except OSError as error:
        if error.errno == errno.ENOTEMPTY:
            raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), str(target)) from None
        raise


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
