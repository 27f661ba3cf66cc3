"""Journals of runs on this machine that were killed, also after the end of the measurement."""

import os
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from commands import Cli
from phone_events import begin, visits

from squeezebert_mobile.benchmarks.measure import host
from squeezebert_mobile.benchmarks.measure.contenders import Contender
from squeezebert_mobile.benchmarks.measure.host import bench_on_host
from squeezebert_mobile.benchmarks.measure.schedule import Preset
from squeezebert_mobile.benchmarks.records.journal import journal_of
from squeezebert_mobile.benchmarks.records.reading import read_results
from squeezebert_mobile.benchmarks.records.results import Results
from squeezebert_mobile.errors import BenchmarkError

Bench = Callable[..., Results]


@pytest.fixture
def bench(pretend: Callable[..., Contender], short: Preset, tmp_path: Path) -> Bench:
    contenders = [pretend("A", 0.001)]

    def run(**changes: Any) -> Results:
        options: dict[str, Any] = {
            "output": tmp_path / "results.json",
            "preset": short,
            "threads": (1,),
            "sequence_lengths": None,
        }
        return bench_on_host(contenders, **options | changes)

    return run


@pytest.fixture
def journal(tmp_path: Path) -> Path:
    path = journal_of(tmp_path / "results.json")
    assert path
    return path


def _killed_after_the_end(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    def killed(*_: object, **__: object) -> None:
        raise SystemExit  # nothing after the journal's end is done

    with monkeypatch.context() as patched:
        patched.setattr(Results, "write", killed)
        with pytest.raises(SystemExit):
            bench()


def test_killed_after_the_end_its_results_are_written_with_resume(
    bench: Bench, journal: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _killed_after_the_end(bench, monkeypatch)
    kept = journal.read_bytes()
    with pytest.raises(BenchmarkError) as caught:
        bench()
    assert str(caught.value) == (
        f"{str(journal)!r} has the measurements of a run whose results were not written; write its "
        "results with --resume, or remove the file and run again"
    )
    assert journal.read_bytes() == kept
    monkeypatch.setattr(host, "measure_host", lambda *_, **__: pytest.fail("measured again"))
    results = bench(resume=True)
    assert results.complete and read_results(tmp_path / "results.json") == results
    assert not journal.exists()


def test_results_that_cannot_be_written_are_written_later(
    bench: Bench, journal: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(os, "replace", full)
        for resume in (False, True, True):
            with pytest.raises(BenchmarkError, match="No space left on device") as caught:
                bench(resume=resume)
            assert caught.value.__notes__ == [
                f"what was measured is kept in {str(journal)!r}; to write the results, run the "
                "same command with --resume"
            ]
    assert bench(resume=True).complete and not journal.exists()


@pytest.mark.parametrize(
    ("lines", "left"), [(0, ""), (0, '{"event":"beg'), (1, ""), (1, '{"event":"st')]
)
def test_a_journal_without_measurements_is_replaced(
    bench: Bench, journal: Path, monkeypatch: pytest.MonkeyPatch, lines: int, left: str
) -> None:
    _killed_after_the_end(bench, monkeypatch)
    whole = journal.read_text("utf-8").splitlines(keepends=True)
    journal.write_text("".join(whole[:lines]) + left, "utf-8")
    assert bench().complete


def test_an_interrupted_run_is_kept_until_it_is_removed(
    bench: Bench, journal: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _killed_after_the_end(bench, monkeypatch)
    whole = journal.read_text("utf-8").splitlines(keepends=True)
    journal.write_text("".join(whole[:-1]), "utf-8")
    kept = journal.read_bytes()
    with pytest.raises(BenchmarkError) as caught:
        bench()
    assert str(caught.value) == (
        f"{str(journal)!r} has the measurements of a run whose results were not written; "
        "squeezebert-mobile report reads what was measured, or remove the file and run again"
    )
    with pytest.raises(BenchmarkError) as caught:
        bench(resume=True)
    assert str(caught.value) == (
        f"the run of {str(journal)!r} was interrupted while measuring, and only runs on phones can "
        "be continued; squeezebert-mobile report reads what was measured, or remove the file and "
        "run again without --resume"
    )
    assert journal.read_bytes() == kept
    journal.unlink()
    assert bench().complete


def test_another_command_does_not_get_these_results(
    bench: Bench, journal: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _killed_after_the_end(bench, monkeypatch)
    with pytest.raises(BenchmarkError, match="the settings or the artifacts differ from when"):
        bench(resume=True, threads=(2,))
    assert journal.exists()


def test_a_journal_that_was_edited(
    bench: Bench, journal: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _killed_after_the_end(bench, monkeypatch)
    text = journal.read_text("utf-8")
    edited = re.sub(r'("event":"warm-up",.*"runs":)\d+', r"\g<1>0", text, count=1)
    assert edited != text
    journal.write_text(edited, "utf-8")
    with pytest.raises(BenchmarkError, match=r"is damaged at warm-up\.runs: Input should be"):
        bench(resume=True)
    assert journal.read_text("utf-8") == edited


def test_the_journal_of_a_phone(bench: Bench, journal: Path) -> None:
    events = [begin(), *visits()]
    journal.write_text("".join(f"{each.model_dump_json()}\n" for each in events), "utf-8")
    with pytest.raises(BenchmarkError, match="; continue it with --resume and --target adb or app"):
        bench()
    with pytest.raises(BenchmarkError, match="was measured on a phone; add --target adb or app"):
        bench(resume=True)
    assert journal.exists()


def test_a_damaged_journal_is_not_removed(bench: Bench, journal: Path) -> None:
    journal.write_text("what is this?\n")
    with pytest.raises(BenchmarkError, match="is not valid JSON"):
        bench()
    assert journal.exists()


def test_nothing_to_resume(bench: Bench, journal: Path) -> None:
    with pytest.raises(BenchmarkError) as caught:
        bench(resume=True)
    assert str(caught.value) == (
        f"there is no {str(journal)!r} to resume; remove --resume, or name the results file of the "
        "interrupted run with -o"
    )


def test_it_is_checked_before_a_baseline_is_exported(cli: Cli, tmp_path: Path) -> None:
    output = tmp_path / "results.json"
    code, _, err = cli("bench", tmp_path / "none", "--resume", "-o", output)
    assert code == 1 and err.startswith(f"error: there is no '{output}.journal' to resume; ")
    code, _, err = cli("bench", tmp_path / "none", "--resume")
    assert (code, err) == (
        1,
        "error: --resume needs the results file of the interrupted run; name it with -o, or remove "
        "--resume\n",
    )
    journal = Path(f"{output}.journal")
    journal.write_text("".join(f"{e.model_dump_json()}\n" for e in [begin(), *visits()]), "utf-8")
    code, _, err = cli("bench", tmp_path / "none", "-o", output)
    assert code == 1 and "has the measurements of a run whose results were not written" in err
