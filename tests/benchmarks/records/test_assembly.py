"""Results assembled from the events of a run on a phone."""

import json

import pytest
from phone_events import LABELS, RESULTS, begin, visits, warm_ups
from phone_results import PHONE

from squeezebert_mobile.benchmarks.records.assembly import assemble
from squeezebert_mobile.benchmarks.records.events import (
    Begin,
    Conditioned,
    Event,
    Failed,
    Probed,
)
from squeezebert_mobile.benchmarks.records.phone import Conditions, Probe
from squeezebert_mobile.benchmarks.records.results import Failure


def test_only_whole_blocks_are_measured() -> None:
    events = [begin(), *warm_ups(), *list(visits(3))[:-1]]
    found = assemble(events)
    assert (found.target, found.complete, found.phone) == ("adb", False, PHONE)
    assert [len(each.blocks) for each in found.measurements] == [2] * 4
    assert all(each.blocks == ((10.0, 10.0),) * 2 for each in found.measurements)


def test_a_journal_without_a_target_was_measured_over_adb() -> None:
    line = begin().model_dump(mode="json")
    assert line.pop("target") is None
    assert assemble([Begin.model_validate_json(json.dumps(line))]).target == "adb"
    assert assemble([begin().model_copy(update={"target": "app"})]).target == "app"


def test_a_failed_contender_is_left_out() -> None:
    failure = Failure(contender=LABELS[0], stage="load", error="too large")
    others = [each for each in visits() if each.contender != LABELS[0]]
    found = assemble([begin(), Failed(failure=failure), *warm_ups()[1:], *others])
    assert [each.contender for each in found.measurements] == LABELS[1:]


def test_what_was_measured_before_a_contender_failed_is_kept_for_the_others() -> None:
    failure = Failure(contender=LABELS[0], stage="run", error="no memory")
    found = assemble([begin(), *warm_ups(), *visits(), Failed(failure=failure)])
    assert [each.contender for each in found.measurements] == LABELS[1:]
    assert all(each.blocks == ((10.0, 10.0),) * 2 for each in found.measurements)


def test_text_and_ids_are_apart() -> None:
    """Their blocks, the failures and the phone's state."""
    failure = Failure(contender=LABELS[0], stage="text", error="no answer")
    text = [
        event.model_copy(update={"source": "text"})
        for event in (*warm_ups(), conditions(thermal_status=2), *visits(ms=12.0))
    ]
    ids = [*warm_ups(), conditions(), *visits(ms=10.0)]
    found = assemble([begin(), *ids, *text, Failed(failure=failure)])
    assert [each.contender for each in found.measurements] == LABELS
    assert all(each.latency.median_ms == 10 for each in found.measurements)
    assert not any("throttled" in each.flags for each in found.measurements)
    assert [each.contender for each in found.from_text] == LABELS[1:]
    assert all(each.latency.median_ms == 12 for each in found.from_text)
    assert all("throttled" in each.flags for each in found.from_text)
    assert [each.stage for each in found.failures] == ["text"]


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
