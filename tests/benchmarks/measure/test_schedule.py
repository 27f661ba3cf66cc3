import json
from collections import Counter
from pathlib import Path

import pytest

from squeezebert_mobile.benchmarks.measure import schedule
from squeezebert_mobile.benchmarks.measure.contenders import CHOICES
from squeezebert_mobile.benchmarks.measure.schedule import (
    PRESETS,
    Preset,
    Schedule,
    block_order,
    get_preset,
    planned_seconds,
    runs_per_visit,
)
from squeezebert_mobile.errors import BenchmarkError


def test_two_contenders_alternate_as_abba_and_baab():
    assert "".join(block_order("AB", 0)) == "ABBA"
    assert "".join(block_order("AB", 1)) == "BAAB"
    assert "".join(block_order("AB", 2)) == "ABBA"


def test_three_contenders_run_there_and_back_and_take_turns_to_begin():
    assert ["".join(block_order("ABC", i)) for i in range(3)] == ["ABCCBA", "BCAACB", "CABBAC"]


@pytest.mark.parametrize("labels", ["A", "AB", "ABC", "ABCDEFGH"])
@pytest.mark.parametrize("index", range(9))
def test_in_every_block_each_contender_has_the_same_mean_position(labels, index):
    order = block_order(labels, index)
    assert Counter(order) == dict.fromkeys(labels, 2)
    sums = {label: sum(i for i, each in enumerate(order) if each == label) for label in labels}
    assert set(sums.values()) == {2 * len(labels) - 1}


def test_over_a_round_of_blocks_each_contender_begins_once():
    assert sorted(block_order("ABCD", i)[0] for i in range(4)) == list("ABCD")


def test_the_presets_are_the_documented_ones():
    assert {name: (each.runs, each.seconds) for name, each in PRESETS.items()} == {
        "rapid": (64, 6),
        "quick": (128, 10),
        "normal": (1024, 60),
    }


def test_unknown_preset():
    with pytest.raises(BenchmarkError, match="unknown preset 'quik'; did you mean 'quick'?"):
        get_preset("quik")


FIVE = Preset("five", runs=20, seconds=1.0, blocks=5, starts=1)


def test_a_fast_contender_runs_more_often_so_that_both_get_their_seconds():
    assert runs_per_visit(FIVE, 0.001) == 100  # 1 s / 1 ms / 10 visits
    assert runs_per_visit(FIVE, 0.500) == 2  # 20 runs / 10 visits


def test_the_plan_counts_lead_ins():
    assert planned_seconds(FIVE, {"slow": 0.5}) == pytest.approx(0.5 * 2 * (2 + 1))


def test_a_schedule_ends_when_every_contender_has_its_blocks_runs_and_seconds():
    preset = Preset("two", runs=8, seconds=0.1, blocks=2, starts=1)
    plan = Schedule("AB", preset)
    visited = []
    for block in plan.blocks():
        for place, label in plan.remaining(block).items():
            assert not plan.is_complete
            visited.append(label)
            plan.record(block, place, label, [10.0, 10.0])
    # Two blocks give 8 runs, but 80 ms; a third one gives 120 ms.
    assert "".join(visited) == "ABBABAABABBA"
    assert plan.is_complete


def test_a_schedule_goes_on_with_the_visits_that_are_missing():
    plan = Schedule("AB", Preset("two", runs=1, seconds=0.0, blocks=2, starts=1))
    for block, place, label in [(0, 0, "A"), (0, 1, "B"), (0, 2, "B"), (0, 3, "A"), (1, 0, "B")]:
        plan.record(block, place, label, [1.0])
    assert plan.remaining(0) == {}
    assert plan.remaining(1) == {1: "A", 2: "A", 3: "B"}
    assert next(plan.blocks()) == 1


# The constants that the Kotlin code has too -------------------------------------------------

GOLDEN = json.loads((Path(__file__).parents[2] / "golden/schedule.json").read_text())


def test_the_constants_are_those_of_the_golden_file():
    warm_up = GOLDEN["warm_up"]
    assert schedule.DEFAULT_SEQUENCE_LENGTH == GOLDEN["default_sequence_length"]
    assert schedule.LEAD_IN_RUNS == GOLDEN["lead_in_runs"]
    assert schedule.WARM_UP_WINDOW == warm_up["window_runs"]
    assert schedule.WARM_UP_TOLERANCE == warm_up["tolerance"]
    assert schedule.WARM_UP_RUNS == warm_up["most_runs"]
    assert schedule.WARM_UP_SECONDS == warm_up["most_seconds"]
    assert schedule.WARM_UP_LEAST_RUNS == warm_up["least_runs"]
    assert CHOICES == GOLDEN["choices"]


def test_the_presets_are_those_of_the_golden_file():
    assert {
        name: {"runs": each.runs, "seconds": each.seconds, "blocks": each.blocks,
               "starts": each.starts}
        for name, each in PRESETS.items()
    } == GOLDEN["presets"]  # fmt: skip


@pytest.mark.parametrize("labels", GOLDEN["block_orders"])
def test_the_block_orders_are_those_of_the_golden_file(labels):
    orders = GOLDEN["block_orders"][labels]
    assert ["".join(block_order(labels, index)) for index in range(len(orders))] == orders
