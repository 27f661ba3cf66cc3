"""The journal of an earlier run that was killed before it wrote its results."""

import contextlib
import os
from collections.abc import Iterator, Sequence
from pathlib import Path

from squeezebert_mobile.benchmarks.records.events import (
    Begin,
    BlockMeasured,
    End,
    Event,
    PhoneStarted,
    Started,
    VisitMeasured,
)
from squeezebert_mobile.benchmarks.records.journal import Journal, check_not_in_use, kept
from squeezebert_mobile.benchmarks.records.reading import read_events, read_results
from squeezebert_mobile.benchmarks.records.results import ContenderFacts, Results, Settings
from squeezebert_mobile.errors import BenchmarkError, SqueezeBertMobileError

__all__ = [
    "check_journal",
    "is_measured",
    "keeping_measurements",
    "remove_empty_journal",
    "results_of_journal",
]

_MEASURED = (Started, BlockMeasured, PhoneStarted, VisitMeasured)


def check_journal(journal: Path | None, *, resume: bool) -> None:
    """Check that there is a journal to resume, or else none of which anything would be lost.

    This is about runs on this machine.

    The journal of an earlier run in which nothing was measured is removed.

    Raises:
        BenchmarkError: there is none, or there is one; the message says how to get its results. Or
            another run is writing it.
    """
    if resume:
        _check_there(journal)
    elif journal is not None and os.path.lexists(journal):
        check_not_in_use(journal)
        _remove_if_unmeasured(journal)


def _check_there(journal: Path | None) -> None:
    if journal is None:
        raise BenchmarkError(
            "--resume needs the results file of the interrupted run; name it with -o, or remove "
            "--resume"
        )
    if not journal.exists():
        raise BenchmarkError(
            f"there is no {str(journal)!r} to resume; remove --resume, or name the results file "
            "of the interrupted run with -o"
        )


def _remove_if_unmeasured(journal: Path) -> None:
    remove_empty_journal(journal)
    if not journal.exists():
        return
    events = read_events(journal)
    if not is_measured(events):
        journal.unlink()
        return
    name = repr(str(journal))
    begin = events[0]
    if isinstance(begin, Begin) and begin.phone is not None:
        how = "continue it with --resume and --target adb or app"
    elif isinstance(events[-1], End):
        how = "write its results with --resume"
    else:
        how = "squeezebert-mobile report reads what was measured"
    raise BenchmarkError(
        f"{name} has the measurements of a run whose results were not written; {how}, or remove "
        "the file and run again"
    )


def remove_empty_journal(journal: Path) -> None:
    """Remove the journal of a run that was killed before its first line was written."""
    if journal.is_file():
        check_not_in_use(journal)
        if b"\n" not in journal.read_bytes():
            journal.unlink()


def is_measured(events: Sequence[Event]) -> bool:
    """Whether anything was measured: a cold start or a block."""
    return any(isinstance(event, _MEASURED) for event in events)


@contextlib.contextmanager
def keeping_measurements(log: Journal, *, remedy: str) -> Iterator[None]:
    """After an error, say where the measurements are; a journal without any is removed.

    Args:
        log: The journal.
        remedy: What to do with it.
    """
    try:
        yield
    except SqueezeBertMobileError as error:
        if not is_measured(log.events):
            log.remove()
        elif log.path:
            error.add_note(kept(log.path, remedy))
        raise


def results_of_journal(
    journal: Path, settings: Settings, contenders: Sequence[ContenderFacts]
) -> Results:
    """The results of a complete run, from its journal.

    Raises:
        BenchmarkError: the run is not complete, it is another one, or the file is damaged.
    """
    events = read_events(journal)
    begin = events[0]
    assert isinstance(begin, Begin)
    name = repr(str(journal))
    if begin.phone is not None:
        raise BenchmarkError(f"{name} was measured on a phone; add --target adb or app")
    if (begin.settings, begin.contenders) != (settings, tuple(contenders)):
        raise BenchmarkError(
            f"cannot resume {name}: the settings or the artifacts differ from when the run began; "
            "use the same command, or start a new run with another file as -o"
        )
    if not isinstance(events[-1], End):
        raise BenchmarkError(
            f"the run of {name} was interrupted while measuring, and only runs on phones can be "
            "continued; squeezebert-mobile report reads what was measured, or remove the file and "
            "run again without --resume"
        )
    return read_results(journal)
