"""What of a run on a phone is complete, by its journal."""

import pytest
from phone_events import CELL, LABELS, visits, warm_ups

from squeezebert_mobile.benchmarks.measure.schedule import Preset
from squeezebert_mobile.benchmarks.phone.resume import JournalView
from squeezebert_mobile.benchmarks.records.events import Event, Failed
from squeezebert_mobile.benchmarks.records.results import Failure

PRESET = Preset("short", runs=4, seconds=0.04, blocks=2, starts=1)


def test_every_visit_remains_until_it_was_made() -> None:
    made: list[Event] = []
    view = JournalView(made)
    for visit in visits():
        schedule = view.schedule(CELL, LABELS, PRESET)
        assert not schedule.is_complete
        remaining = schedule.remaining(visit.block)
        assert next(iter(remaining.items())) == (visit.place, visit.contender)
        made.append(visit)
    assert view.schedule(CELL, LABELS, PRESET).is_complete
    assert not view.schedule((2, 128), LABELS, PRESET).is_complete


@pytest.mark.parametrize(
    ("preset", "complete"),
    [
        (PRESET, True),
        (Preset("more runs", runs=5, seconds=0, blocks=2, starts=1), False),
        (Preset("longer", runs=1, seconds=0.041, blocks=2, starts=1), False),
        (Preset("more blocks", runs=1, seconds=0, blocks=3, starts=1), False),
    ],
)
def test_a_cell_is_complete_by_runs_seconds_and_blocks(preset: Preset, complete: bool) -> None:
    view = JournalView(list(visits()))
    assert view.schedule(CELL, LABELS, preset).is_complete is complete


def test_the_first_warm_up_says_how_many_runs_a_visit_has() -> None:
    view = JournalView([*warm_ups(20.0), *warm_ups(30.0)])
    assert view.typical_s(LABELS[0], CELL) == 0.02


def test_texts_have_a_warm_up_of_their_own() -> None:
    texts = [each.model_copy(update={"source": "text"}) for each in warm_ups(25.0)]
    view = JournalView([*warm_ups(20.0), *texts])
    assert view.typical_s(LABELS[0], CELL) == 0.02
    assert view.typical_s(LABELS[0], CELL, "text") == 0.025


def test_what_failed_on_texts_is_measured_on_ids() -> None:
    failure = Failure(contender=LABELS[0], stage="text", error="no answer")
    view = JournalView([Failed(failure=failure)])
    assert not view.failed and view.without_text == {LABELS[0]}


def test_a_failed_contender_is_left_out() -> None:
    failure = Failure(contender=LABELS[0], stage="load", error="too large")
    assert JournalView([Failed(failure=failure)]).failed == {LABELS[0]}
