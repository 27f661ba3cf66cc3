"""The journal file of a run: events are appended as they happen, and an interrupted run resumes."""

import contextlib
import os
import sys
from collections.abc import Iterator
from pathlib import Path

from squeezebert_mobile.benchmarks.records.events import Event
from squeezebert_mobile.benchmarks.records.reading import read_events
from squeezebert_mobile.closeable import Closeable
from squeezebert_mobile.errors import BenchmarkError
from squeezebert_mobile.files import check_regular, is_stream
from squeezebert_mobile.locks import lock

__all__ = ["Journal", "check_not_in_use", "journal_of", "keeping", "kept", "opened"]


def journal_of(output: Path) -> Path | None:
    """The journal of a run with results at `output`; None if that is a stream."""
    return None if is_stream(output) else output.with_name(f"{output.name}.journal")


@contextlib.contextmanager
def keeping(journal: Path | None, remedy: str) -> Iterator[None]:
    """Add to an error that what was measured is kept in `journal`, and what to do with it."""
    try:
        yield
    except BenchmarkError as error:
        if journal:
            error.add_note(kept(journal, remedy))
        raise


def kept(journal: Path, remedy: str) -> str:
    """The note that what was measured is kept in `journal`, and what to do with it."""
    return f"what was measured is kept in {str(journal)!r}; {remedy}"


class Journal(Closeable):
    """The events of a run so far; with a path, each is also appended to that file as a line.

    The file is locked until the journal is closed. If it is removed or cut meanwhile, it is written
    again.

    Args:
        path: The file; None keeps the events in memory only.
        resume: Continue the run in the existing file.

    Raises:
        BenchmarkError: the file exists already (with `resume`: does not exist), cannot be written,
            or belongs to a run that has not ended.
    """

    def __init__(  # noqa: D107
        self, path: Path | None = None, *, resume: bool = False
    ) -> None:
        self.events: list[Event] = []
        self.path = path
        self._file: int | None = None
        self._size = 0
        if path is None:
            return
        with _errors_named(path):
            try:
                if not resume:
                    path.parent.mkdir(parents=True, exist_ok=True)
                self._file = _open_locked(path, new=not resume)
            except FileExistsError:
                raise BenchmarkError(
                    f"{str(path)!r} exists: it may hold measurements of an interrupted run; "
                    "continue that run with --resume (on a phone), or move the file away and run "
                    "again"
                ) from None
            except FileNotFoundError:
                if not resume:
                    raise
                raise BenchmarkError(
                    f"there is no {str(path)!r} to resume; remove --resume, or name the "
                    "results file of the interrupted run with -o"
                ) from None
            try:
                self._size = self._read(path) if resume else 0
                os.ftruncate(self._file, self._size)
            except BaseException:
                self.close()
                raise

    def _read(self, path: Path) -> int:
        """Read the events of the file; returns their size without an incomplete last line."""
        self.events = read_events(path)
        return len(path.read_bytes().rpartition(b"\n")[0]) + 1

    def add(self, event: Event) -> None:
        """Append an event.

        Raises:
            BenchmarkError: the file cannot be written, or was replaced by another one.
        """
        self.events.append(event)
        if self.path and self._file is not None:
            with _errors_named(self.path):
                events = [event] if self._is_whole(self.path) else self._restore(self.path)
                self._write(b"".join(line.model_dump_json().encode() + b"\n" for line in events))

    def cut(self, count: int) -> None:
        """Keep the first `count` events only.

        Raises:
            BenchmarkError: the file cannot be read or cut.
        """
        del self.events[count:]
        if self.path and self._file is not None:
            with _errors_named(self.path):
                lines = self.path.read_bytes().split(b"\n")[:count]
                self._size = sum(len(line) + 1 for line in lines)
                os.ftruncate(self._file, self._size)

    def _is_whole(self, path: Path) -> bool:
        """Whether the file is still there, with all that was written to it."""
        assert self._file is not None
        try:
            there = path.stat()
        except (FileNotFoundError, NotADirectoryError):
            return False
        if not os.path.samestat(there, os.fstat(self._file)):
            raise BenchmarkError(
                f"the journal {str(path)!r} was replaced by another file during the run; end the "
                "program that writes it, and run again with another file as -o"
            )
        return there.st_size == self._size

    def _restore(self, path: Path) -> list[Event]:
        """Empty the file, or create it again; returns the events to write."""
        assert self._file is not None
        if not path.exists():
            path.parent.mkdir(parents=True, exist_ok=True)
            created = _open_locked(path, new=True)
            os.close(self._file)
            self._file = created
        os.ftruncate(self._file, 0)
        self._size = 0
        return self.events

    def _write(self, data: bytes) -> None:
        assert self._file is not None
        while data:
            written = os.write(self._file, data)
            self._size += written
            data = data[written:]

    def remove(self) -> None:
        """Remove the file, if it is still there, and close the journal."""
        if self.path and self._file is not None:
            with contextlib.suppress(OSError):  # it is gone, or its folder is
                is_ours = os.path.samestat(self.path.stat(), os.fstat(self._file))
                if sys.platform == "win32":  # which cannot remove an open file
                    self.close()
                if is_ours:
                    self.path.unlink()
        self.close()

    def close(self) -> None:
        """Close the file; another process may then resume the run."""
        if self._file is not None:
            os.close(self._file)
            self._file = None


@contextlib.contextmanager
def opened(journal: Journal | Path | None) -> Iterator[Journal]:
    """A journal that the caller has opened, or the one at a path, which is closed at the end."""
    if isinstance(journal, Journal):
        yield journal
    else:
        with Journal(journal) as log:
            yield log


def _open_locked(path: Path, *, new: bool) -> int:
    """Open a journal to append to it, and lock it.

    Args:
        path: The file.
        new: Create it.

    Raises:
        FileExistsError: `new`, and it exists.
        FileNotFoundError: not `new`, and it does not exist.
        BenchmarkError: another process has locked it.
    """
    if path.exists():
        check_regular(path)
        _refuse_locked(path)
    how = os.O_CREAT | os.O_EXCL if new else 0
    binary = getattr(os, "O_BINARY", 0)
    while True:
        file = os.open(path, os.O_RDWR | os.O_APPEND | how | binary, 0o666)
        try:
            _lock(file, path)
            # The process that had locked it may have removed it since it was opened.
            if path.exists() and os.path.samestat(path.stat(), os.fstat(file)):
                return file
        except BaseException:
            os.close(file)
            raise
        os.close(file)


def check_not_in_use(path: Path) -> None:
    """Check that no other process writes the journal at `path`.

    Raises:
        BenchmarkError: one does, or it cannot be opened.
    """
    with _errors_named(path):
        check_regular(path)
        _refuse_locked(path)


def _refuse_locked(path: Path) -> None:
    file = os.open(path, os.O_RDWR | getattr(os, "O_BINARY", 0))
    try:
        _lock(file, path)
    finally:
        os.close(file)


def _lock(file: int, path: Path) -> None:
    try:
        lock(file)
    except BlockingIOError:
        raise BenchmarkError(
            f"another benchmark is writing {str(path)!r}; wait until it ends, or choose another "
            "file with -o"
        ) from None


@contextlib.contextmanager
def _errors_named(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise BenchmarkError(
            f"cannot write the journal {str(path)!r}: {error.strerror}; free some space there, or "
            "choose another place with -o"
        ) from None
