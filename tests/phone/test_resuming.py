"""Journals of a phone that were edited, are in use, or are on a full disk."""

import json
import re
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from phone_run import Run

from squeezebert_mobile.benchmarks.measure.schedule import Preset
from squeezebert_mobile.benchmarks.records.events import VisitMeasured, WarmedUp
from squeezebert_mobile.benchmarks.records.journal import Journal
from squeezebert_mobile.benchmarks.records.reading import read_events
from squeezebert_mobile.errors import BenchmarkError

pytestmark = [
    pytest.mark.phone,
    pytest.mark.timeout(60),
    pytest.mark.skipif(
        sys.platform == "win32", reason="the stand-in's commands need a POSIX shell"
    ),
]


def _stop() -> None:
    raise KeyboardInterrupt


def _interrupted(run: Run) -> None:
    """A run that was interrupted after its first block."""
    run.phone.pretend(latency_ms={"*": 1.0})
    assert not run.measure(at="1 thread", nth=2, do=_stop).complete


def _edit(journal: Path, kind: str, **fields: Any) -> None:
    """Change fields of the last event of a kind."""
    lines = journal.read_text().splitlines()
    place = max(index for index, line in enumerate(lines) if json.loads(line)["event"] == kind)
    lines[place] = json.dumps(json.loads(lines[place]) | fields)
    journal.write_text("\n".join(lines) + "\n")


def _fail_everything(journal: Path) -> None:
    with journal.open("a") as file:
        for label in ("ours", "theirs"):
            failure = {"contender": label, "stage": "run", "error": "no memory"}
            file.write(json.dumps({"event": "failure", "failure": failure}) + "\n")


def _repeat(journal: Path) -> None:
    text = journal.read_text()
    visit = next(line for line in text.splitlines() if json.loads(line)["event"] == "visit")
    journal.write_text(f"{text}{visit}\n")


EDITS: dict[str, tuple[Callable[[Path], None], str]] = {
    "block 1000000": (
        lambda path: _edit(path, "visit", block=1_000_000),
        "cannot resume .*: it has place 3 of block 1000000 after block 0, so it was not written by "
        "bench; start a new run with another file as -o",
    ),
    "block -1": (lambda path: _edit(path, "visit", block=-1), "it has place 3 of block -1 after"),
    "place 4": (lambda path: _edit(path, "visit", place=4), "it has place 4 of block 0 after bloc"),
    "place -1": (lambda path: _edit(path, "visit", place=-1), "it has place -1 of block 0 after"),
    "twice": (_repeat, "it has place 0 of block 0 twice"),
    "unknown": (
        lambda path: _edit(path, "visit", contender="other"),
        "it has a visit of 'other', which is not measured",
    ),
    "typical 0": (
        lambda path: _edit(path, "warm-up", typical_ms=0),
        "is damaged at warm-up.typical_ms: Input should be greater than 0",
    ),
    "typical -1": (lambda path: _edit(path, "warm-up", typical_ms=-1), "greater than 0"),
    "typical infinite": (
        lambda path: _edit(path, "warm-up", typical_ms=float("inf")),
        "is damaged at warm-up.typical_ms: Input should be a finite number",
    ),
    "no samples": (
        lambda path: _edit(path, "visit", samples=[]),
        "is damaged at visit.samples: Tuple should have at least 1 item",
    ),
    "negative samples": (
        lambda path: _edit(path, "visit", samples=[-5.0, -5.0]),
        r"is damaged at visit.samples\.0: Input should be greater than or equal to 0",
    ),
    "NaN": (
        lambda path: _edit(path, "visit", samples=[float("nan")]),
        "is damaged at visit.samples.0: Input should be a finite number",
    ),
    "all failed": (
        _fail_everything,
        "cannot resume .*: every artifact in it has failed; start a new run with another file as",
    ),
}


def test_an_edited_journal_is_refused(run: Run) -> None:
    _interrupted(run)
    kept = run.journal.read_bytes()
    for edit, message in EDITS.values():
        edit(run.journal)
        before = run.journal.read_bytes()
        with pytest.raises(BenchmarkError) as caught:
            run.measure(resume=True)
        assert re.search(message, str(caught.value)) and "\n" not in str(caught.value)
        assert run.journal.read_bytes() == before
        run.journal.write_bytes(kept)
    assert run.measure(resume=True).complete  # as it was written


@pytest.mark.parametrize("typical_ms", [1e-300, 1e-6, 1e-3])
def test_an_edited_warm_up_ends(run: Run, typical_ms: float) -> None:
    """Its runs per visit would take for ever: the warm-up of the resumed run counts."""
    preset = Preset("seconds", runs=4, seconds=0.05, blocks=2, starts=1)
    run.phone.pretend(latency_ms={"*": 1.0})
    assert not run.measure(at="1 thread", nth=2, do=_stop, preset=preset).complete
    _edit(run.journal, "warm-up", typical_ms=typical_ms)
    assert run.measure(resume=True, preset=preset).complete


def test_two_resume_at_once(run: Run) -> None:
    _interrupted(run)
    messages: list[str] = []

    def second() -> None:
        with pytest.raises(BenchmarkError) as caught:
            run.measure(resume=True)
        messages.append(str(caught.value))

    assert run.measure(resume=True, at="1 thread", do=second).complete
    assert messages == [
        f"another benchmark is writing {str(run.journal)!r}; wait until it ends, or choose another "
        "file with -o"
    ]
    visits = [event for event in run.events if isinstance(event, VisitMeasured)]
    assert len({(event.block, event.place) for event in visits}) == len(visits)


def test_a_new_run_while_one_is_measured(run: Run) -> None:
    def second() -> None:
        with pytest.raises(BenchmarkError, match="another benchmark is writing"):
            run.measure()

    assert run.measure(at="1 thread", do=second).complete


def test_a_full_disk_keeps_what_was_measured(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    run.phone.pretend(latency_ms={"*": 1.0})

    def fill() -> None:
        monkeypatch.setattr(Journal, "_write", _full)

    with pytest.raises(BenchmarkError) as caught:
        run.measure(at="1 thread", nth=2, do=fill)
    assert str(caught.value) == (
        f"cannot write the journal {str(run.journal)!r}: No space left on device; free some space "
        "there, or choose another place with -o"
    )
    assert caught.value.__notes__ == [
        f"what was measured is kept in {str(run.journal)!r}; to continue, run the same command "
        "with --resume"
    ]
    monkeypatch.undo()
    kept = len(read_events(run.journal))
    results = run.measure(resume=True)
    assert results.complete and run.events[:kept] == read_events(run.journal)[:kept]
    assert {len(each.blocks) for each in results.measurements} == {2}


def _full(*_: object) -> int:
    raise OSError(28, "No space left on device")


@pytest.mark.parametrize("remove", ["journal", "folder"])
def test_a_journal_that_is_removed_is_written_again(run: Run, remove: str) -> None:
    run.phone.pretend(latency_ms={"*": 1.0})
    place = run.folder / "new" / "phone.json.journal"

    def removed() -> None:
        place.unlink()
        if remove == "folder":
            place.parent.rmdir()

    run.measure(journal=place, at="1 thread", nth=1, do=removed)
    assert any(isinstance(event, WarmedUp) for event in read_events(place))
    assert run.measure(journal=place, resume=True).complete
