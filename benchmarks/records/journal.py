"""The journal file of a run: events are appended as they happen, and an interrupted run resumes."""

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import TextIO

from squeezebert_mobile.benchmarks.records.events import Event
from squeezebert_mobile.benchmarks.records.reading import read_events
from squeezebert_mobile.closeable import Closeable
from squeezebert_mobile.errors import BenchmarkError
from squeezebert_mobile.files import is_stream

__all__ = ["Journal", "journal_of", "keeping"]


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
            error.add_note(f"what was measured is kept in {str(journal)!r}; {remedy}")
        raise


class Journal(Closeable):
    """The events of a run so far; with a path, each is also appended to that file as a line.

    Args:
        path: The file; None keeps the events in memory only.
        resume: Continue the run in the existing file.

    Raises:
        BenchmarkError: the file exists already (with `resume`: does not exist), or cannot be
            written.
    """

    def __init__(self, path: Path | None = None, *, resume: bool = False) -> None:
        """Create the file, or read the one to resume."""
        self.events: list[Event] = []
        self._file: TextIO | None = None
        if path and resume:
            if not path.exists():
                raise BenchmarkError(
                    f"there is no {str(path)!r} to resume; remove --resume, or name the "
                    "results file of the interrupted run with -o"
                )
            self.events = read_events(path)
            _drop_incomplete_line(path)
        try:
            if path:
                path.parent.mkdir(parents=True, exist_ok=True)
                self._file = path.open("a" if resume else "x", encoding="utf-8", newline="\n")
        except FileExistsError as error:
            raise BenchmarkError(
                f"{error.filename!r} exists: it may hold measurements of an interrupted run; "
                "continue that run with --resume (on a phone), or move the file away and run again"
            ) from None
        except OSError as error:
            raise BenchmarkError(
                f"cannot write the journal {str(path)!r}: {error.strerror}; "
                "choose another place with -o"
            ) from None

    def add(self, event: Event) -> None:
        """Append an event."""
        self.events.append(event)
        if self._file:
            self._file.write(event.model_dump_json() + "\n")
            self._file.flush()

    def close(self) -> None:
        """Close the file."""
        if self._file:
            self._file.close()


def _drop_incomplete_line(path: Path) -> None:
    """Cut off an event that was not written completely: whatever follows the last line end."""
    whole = path.read_bytes().rpartition(b"\n")[0] + b"\n"
    with path.open("r+b") as file:
        file.truncate(len(whole))
