"""What a journal says of a run on a phone: what is done, what is missing, what is whole."""

import json
from collections.abc import Iterator

import pytest
from phone_results import PHONE, phone_results

from squeezebert_mobile.benchmarks.measure.schedule import Preset, block_order
from squeezebert_mobile.benchmarks.phone.done import Done
from squeezebert_mobile.benchmarks.records.assembly import assemble
from squeezebert_mobile.benchmarks.records.events import (
    Begin,
    Conditioned,
    Event,
    Failed,
    Probed,
    VisitMeasured,
    WarmedUp,
)
from squeezebert_mobile.benchmarks.records.phone import Conditions, Probe
from squeezebert_mobile.benchmarks.records.results import Failure

PRESET = Preset("short", runs=4, seconds=0.04, blocks=2, starts=1)
RESULTS = phone_results()
LABELS = [each.label for each in RESULTS.contenders]
CELL = (1, 128)


def begin() -> Begin:
    return Begin(
        created="2026-11-23T08:00:00+00:00",
        settings=RESULTS.settings,
        machine=None,
        load_before=None,
        contenders=RESULTS.contenders,
        phone=PHONE,
    )


def visits(blocks: int = 2, *, ms: float = 10.0, runs: int = 1) -> Iterator[VisitMeasured]:
    for index in range(blocks):
        for place, label in enumerate(block_order(LABELS, index)):
            yield VisitMeasured(
                threads=1,
                sequence_length=128,
                block=index,
                place=place,
                contender=label,
                samples=(ms,) * runs,
            )


def warm_ups(typical_ms: float = 10.0) -> list[WarmedUp]:
    return [
        WarmedUp(
            contender=label,
            threads=1,
            sequence_length=128,
            runs=8,
            stable=True,
            typical_ms=typical_ms,
        )
        for label in LABELS
    ]


def test_every_visit_is_missing_until_it_was_made() -> None:
    made: list[Event] = []
    done = Done(made, PRESET)
    for visit in visits():
        assert not done.is_done(CELL, LABELS)
        missing = done.missing(CELL, visit.block, LABELS)
        assert next(iter(missing.items())) == (visit.place, visit.contender)
        made.append(visit)
    assert done.is_done(CELL, LABELS)
    assert not done.is_done((2, 128), LABELS)


@pytest.mark.parametrize(
    ("preset", "done"),
    [
        (PRESET, True),
        (Preset("more runs", runs=5, seconds=0, blocks=2, starts=1), False),
        (Preset("longer", runs=1, seconds=0.041, blocks=2, starts=1), False),
        (Preset("more blocks", runs=1, seconds=0, blocks=3, starts=1), False),
    ],
)
def test_a_cell_is_done_by_runs_seconds_and_blocks(preset: Preset, done: bool) -> None:
    assert Done(list(visits()), preset).is_done(CELL, LABELS) is done


def test_the_first_warm_up_says_how_many_runs_a_visit_has() -> None:
    done = Done([*warm_ups(20.0), *warm_ups(30.0)], PRESET)
    assert done.typical_s(LABELS[0], CELL) == 0.02


def test_only_whole_blocks_are_measured() -> None:
    events = [begin(), *warm_ups(), *list(visits(3))[:-1]]
    found = assemble(events)
    assert (found.target, found.complete, found.phone) == ("adb", False, PHONE)
    assert [len(each.blocks) for each in found.measurements] == [2] * 4
    assert all(each.blocks == ((10.0, 10.0),) * 2 for each in found.measurements)


def test_a_journal_of_a_version_that_knew_no_app_is_of_adb() -> None:
    line = begin().model_dump(mode="json")
    assert line.pop("target") is None
    assert assemble([Begin.model_validate_json(json.dumps(line))]).target == "adb"
    assert assemble([begin().model_copy(update={"target": "app"})]).target == "app"


def test_who_failed_is_not_waited_for() -> None:
    failure = Failure(contender=LABELS[0], stage="load", error="too large")
    others = [each for each in visits() if each.contender != LABELS[0]]
    found = assemble([begin(), Failed(failure=failure), *warm_ups()[1:], *others])
    assert [each.contender for each in found.measurements] == LABELS[1:]
    assert Done([Failed(failure=failure)], PRESET).failed == {LABELS[0]}


def conditions(**changes: object) -> Conditioned:
    found = RESULTS.conditions[0].model_copy(update={"thermal_status": 0, **changes})
    return Conditioned(
        threads=1, sequence_length=128, conditions=Conditions.model_validate(found.model_dump())
    )


def probe(ms: float) -> Probed:
    return Probed(threads=1, sequence_length=128, probe=Probe(at_s=1, block=0, median_ms=ms))


@pytest.mark.parametrize(
    ("seen", "flag"),
    [
        ([conditions(), probe(4.0), probe(4.3)], None),
        ([conditions(), conditions(thermal_status=1)], "throttled"),
        ([probe(4.0), probe(4.5)], "clock changed"),
        ([conditions(plugged="usb"), conditions(plugged="unplugged")], "conditions changed"),
    ],
)
def test_a_phone_that_changed_is_flagged(seen: list[Event], flag: str | None) -> None:
    found = assemble([begin(), *warm_ups(), *visits(), *seen])
    raised = {each for measured in found.measurements for each in measured.flags}
    assert raised - {"few blocks"} == ({flag} if flag else set())
