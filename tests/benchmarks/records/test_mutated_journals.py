"""Fuzzing: mutated journals are read, reported and resumed, or refused in one line.

`make test` tries 500, `make fuzz` 100,000.
"""

import io
import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import fuzzing
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from phone_events import CELL, LABELS, RESULTS, begin, visits, warm_ups
from phone_results import STATE
from rich.console import Console  # noqa: TID251 - as callers have one

from squeezebert_mobile.benchmarks.measure.machine import machine_facts
from squeezebert_mobile.benchmarks.measure.schedule import Preset, runs_per_visit
from squeezebert_mobile.benchmarks.measure.unfinished_runs import results_of_journal
from squeezebert_mobile.benchmarks.phone.profile import collect
from squeezebert_mobile.benchmarks.phone.resume import JournalView, check_resumable
from squeezebert_mobile.benchmarks.profiles.trace import Trace
from squeezebert_mobile.benchmarks.records import bootstrap
from squeezebert_mobile.benchmarks.records.energy import (
    EnergyBlock,
    EnergyPlan,
    Reading,
)
from squeezebert_mobile.benchmarks.records.events import (
    Answered,
    Begin,
    BlockMeasured,
    Conditioned,
    End,
    EnergyMeasured,
    Event,
    Failed,
    NoEnergy,
    NotProfiled,
    PhoneStarted,
    Probed,
    Profiled,
    Started,
    WarmedUp,
)
from squeezebert_mobile.benchmarks.records.journal import Journal
from squeezebert_mobile.benchmarks.records.profile import Profile, RunRecord, Share
from squeezebert_mobile.benchmarks.records.reading import read_results
from squeezebert_mobile.benchmarks.records.results import Failure, Start
from squeezebert_mobile.benchmarks.report import print_table
from squeezebert_mobile.benchmarks.report.contents import report_page
from squeezebert_mobile.benchmarks.report.writers.markdown import as_markdown

_SETTINGS = RESULTS.settings.model_copy(
    update={
        "preset": "short",
        "runs": 4,
        "blocks": 2,
        "energy": EnergyPlan(source="battery", seconds=20, blocks=6),
    }
)
_PRESET = Preset("short", runs=4, seconds=_SETTINGS.seconds, blocks=2, starts=1)
_SHARES = tuple(Share(name=f"encoder.{index}", calls=2, ms=0.5) for index in range(3))
_PROFILE = Profile(
    contender=LABELS[0],
    threads=CELL[0],
    sequence_length=CELL[1],
    runs=20,
    run_ms=2,
    operators=_SHARES,
    layers=_SHARES,
)
_FAILURE = Failure(contender=LABELS[-1], stage="load", error="no memory")


def _energy(index: int) -> EnergyMeasured:
    begin, middle, end = (
        Reading(
            at_s=60.0 * index + 20 * part,
            rails_mj={"CPU": 1000.0 * (3 * index + part)},
            step_mj=0.5,
            charge_uah=3_000_000 - 500 * (3 * index + part),
            voltage_mv=4000,
        )
        for part in range(3)
    )
    block = EnergyBlock(
        begin=begin, middle=middle, end=end, answers=50, state=STATE, thermal_status=0
    )
    return EnergyMeasured(
        contender=LABELS[0], threads=CELL[0], sequence_length=CELL[1], index=index, block=block
    )


def _phone() -> list[Event]:
    label = LABELS[0]
    run = RunRecord(begin=5, duration=90, operators=(("/layers.0/MatMul", "MatMul", 6, 80),))
    return [
        begin().model_copy(update={"settings": _SETTINGS}),
        Answered(contender=label, answers=next(iter(RESULTS.answers.values()))),
        PhoneStarted(contender=label, start=next(iter(RESULTS.phone_starts.values()))[0]),
        Conditioned(threads=1, sequence_length=128, conditions=RESULTS.conditions[0]),
        *warm_ups(),
        *visits(2),
        Probed(threads=1, sequence_length=128, probe=RESULTS.probes[0]),
        *(_energy(index) for index in range(6)),
        NoEnergy(failure=_FAILURE),
        Profiled(profile=_PROFILE, runs=(run, run)),
    ]


def _host() -> list[Event]:
    sizes = dict.fromkeys(
        ("before_import", "after_import", "after_load", "after_runs", "peak"), 1 << 20
    )
    start = Start(
        import_ms=1.5,
        load_ms=2.5,
        first_run_ms=3.5,
        runs=5,
        **{f"{name}_bytes": size for name, size in sizes.items()},  # type: ignore[arg-type]
    )
    return [
        Begin(
            created="2026-11-23T08:00:00+00:00",
            settings=_SETTINGS,
            machine=machine_facts(),
            load_before=(0.5, 0.25, 0.0),
            contenders=RESULTS.contenders,
        ),
        *(Started(contender=label, start=start) for label in LABELS),
        *warm_ups(),
        Failed(failure=_FAILURE),
        *(
            BlockMeasured(
                threads=CELL[0],
                sequence_length=CELL[1],
                samples={label: (9.5, 10.5) for label in LABELS[:-1]},
            )
            for _ in range(2)
        ),
        Profiled(profile=_PROFILE),
        NotProfiled(failure=_FAILURE),
        End(load_after=(1.0, 0.5, 0.25)),
    ]


@st.composite
def _mutated(draw: st.DrawFn, events: Sequence[Event]) -> bytes:
    """A journal with one to three lines changed, doubled, moved or removed; or damaged bytes."""
    lines = [event.model_dump_json().encode() for event in events]
    for _ in range(draw(st.integers(1, 3))):
        at = draw(st.integers(0, len(lines) - 1))
        match draw(st.sampled_from(["change", "change", "change", "double", "move", "remove"])):
            case "change":
                try:
                    document = json.loads(lines[at])
                except ValueError:  # damaged by an earlier change
                    continue
                if isinstance(document, dict):
                    lines[at] = draw(fuzzing.mutated_json(document))
            case "double":
                lines.insert(draw(st.integers(0, len(lines))), lines[at])
            case "move":
                lines.insert(draw(st.integers(0, len(lines) - 1)), lines.pop(at))
            case "remove" if len(lines) > 1:
                del lines[at]
    data = b"\n".join(lines) + b"\n"
    return draw(fuzzing.mutated_bytes(data)) if draw(st.integers(0, 7)) == 7 else data


def _report(path: Path, *, written: bool) -> None:
    results = read_results(path)
    if not written:
        return
    print_table(results, Console(file=io.StringIO(), width=80))
    as_markdown(report_page([("results.json", results)]))


def _resume_on_host(path: Path, journal: Sequence[Event]) -> None:
    begun = journal[0]
    assert isinstance(begun, Begin)
    results_of_journal(path, _SETTINGS, RESULTS.contenders)


def _resume_on_phone(path: Path, journal: Sequence[Event]) -> None:
    """As a run does: warm up again, then make the visits that are left."""
    with Journal(path, resume=True) as log:
        begun = begin().model_copy(update={"settings": _SETTINGS})
        check_resumable(begun, log.events, path)
        view = JournalView(log.events)
        labels = [label for label in LABELS if label not in view.failed]
        for event in warm_ups():
            log.add(event)
        runs = {
            label: runs_per_visit(_PRESET, view.typical_s(label, CELL))
            for label in labels
            if any(isinstance(each, WarmedUp) and each.contender == label for each in log.events)
        }
        assert all(count < 100_000 for count in runs.values())
        assert len(view.energy_blocks(LABELS[0], CELL)) < 10
        for event in view.events:
            if isinstance(event, Profiled):
                collect(Trace(), [event])
        schedule = view.schedule(CELL, labels, _PRESET)
        for made, block in enumerate(schedule.blocks()):
            assert made < 10_000
            for place, label in schedule.remaining(block).items():
                schedule.record(block, place, label, [10.0] * runs[label])


@pytest.mark.parametrize(
    ("events", "resume"), [(_host, _resume_on_host), (_phone, _resume_on_phone)]
)
def test_mutated_journals(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    events: Callable[[], list[Event]],
    resume: Callable[[Path, list[Event]], None],
) -> None:
    monkeypatch.setattr(bootstrap, "_RESAMPLES", 5)
    journal, path = events(), tmp_path / "results.json.journal"
    outcomes: dict[tuple[str, bool], int] = {}

    def attempt(what: str, call: Callable[[], Any]) -> None:
        key = what, fuzzing.attempt(tmp_path, call)
        outcomes[key] = outcomes.get(key, 0) + 1

    @settings(max_examples=5 * settings().max_examples // 2)  # of two tests
    @given(_mutated(journal), st.integers(0, 7))
    def reads_or_rejects(data: bytes, eighth: int) -> None:
        path.write_bytes(data)
        attempt("report", lambda: _report(path, written=eighth == 0))  # which takes longest
        attempt("resume", lambda: resume(path, journal))

    reads_or_rejects()
    print(f"{events.__name__.strip('_')}: {outcomes}")
    assert len(outcomes) == 4  # both succeed, and both are refused
