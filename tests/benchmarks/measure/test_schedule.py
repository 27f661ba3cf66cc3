import gc
import itertools
from collections import Counter

import pytest

from squeezebert_mobile.benchmarks.measure.schedule import (
    PRESETS,
    Preset,
    block_order,
    get_preset,
    measure_blocks,
    planned_seconds,
    runs_per_visit,
    warm_up,
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


# Warm-up ------------------------------------------------------------------------------------


def falling(clock, times):
    """A run that takes each of `times`, then the last one for ever."""
    left = itertools.chain(times, itertools.repeat(times[-1]))
    return lambda: clock.work(next(left))()


def test_warm_up_ends_as_soon_as_nothing_gets_faster(fake_clock):
    done = warm_up(falling(fake_clock, [0.010]), fake_clock)
    assert (done.runs, done.stable) == (8, True)
    assert done.typical_s == pytest.approx(0.010)


def test_warm_up_goes_on_while_runs_get_faster(fake_clock):
    done = warm_up(falling(fake_clock, [0.05 * 0.9**n for n in range(20)]), fake_clock)
    assert done.stable
    assert 20 < done.runs <= 24  # the last window holds nothing that falls
    assert done.typical_s == pytest.approx(0.05 * 0.9**19)


def test_warm_up_of_a_slow_model_ends_after_its_seconds(fake_clock):
    done = warm_up(falling(fake_clock, [4.0]), fake_clock)
    assert (done.runs, done.stable) == (3, False)


def test_warm_up_that_never_settles_ends_after_its_runs(fake_clock):
    done = warm_up(falling(fake_clock, [0.02 * 0.97**n for n in range(200)]), fake_clock)
    assert (done.runs, done.stable) == (100, False)


def test_one_slow_run_does_not_prolong_the_warm_up(fake_clock):
    done = warm_up(falling(fake_clock, [0.01] * 5 + [0.05] + [0.01]), fake_clock)
    assert (done.runs, done.stable) == (8, True)


# Blocks -------------------------------------------------------------------------------------

FIVE = Preset("five", runs=20, seconds=1.0, blocks=5, starts=1)


def test_a_fast_contender_runs_more_often_so_that_both_get_their_seconds():
    assert runs_per_visit(FIVE, 0.001) == 100  # 1 s / 1 ms / 10 visits
    assert runs_per_visit(FIVE, 0.500) == 2  # 20 runs / 10 visits


def test_blocks_end_when_everyone_has_runs_and_seconds(fake_clock):
    typical = {"fast": 0.001, "slow": 0.5}
    runs = {label: fake_clock.work(seconds) for label, seconds in typical.items()}
    blocks = list(measure_blocks(runs, FIVE, typical, fake_clock))
    assert len(blocks) == 5
    for label, seconds in typical.items():
        samples = [ms for block in blocks for ms in block[label]]
        assert len(samples) >= FIVE.runs
        assert sum(samples) >= 999.999
        assert samples == pytest.approx([1000 * seconds] * len(samples))


def test_blocks_go_on_when_the_warm_up_was_slower_than_the_runs(fake_clock):
    blocks = measure_blocks({"A": fake_clock.work(0.01)}, FIVE, {"A": 0.1}, fake_clock)
    samples = [ms for block in blocks for ms in block["A"]]
    assert sum(samples) == pytest.approx(1000, abs=50)


def test_the_lead_in_of_each_visit_is_run_but_not_recorded(fake_clock):
    trail = []

    def run(label):
        # The first run after another contender is slow, as it finds the caches full of that one's.
        cold = not trail or trail[-1] != label
        trail.append(label)
        fake_clock.work(0.5 if cold else 0.1)()

    runs = {"A": lambda: run("A"), "B": lambda: run("B")}
    preset = Preset("one", runs=4, seconds=0, blocks=1, starts=1)
    (block,) = measure_blocks(runs, preset, {"A": 0.1, "B": 0.1}, fake_clock)
    assert "".join(trail) == "AAABBBBBBAAA"
    assert block["A"] == block["B"] == pytest.approx([100] * 4)


def test_the_plan_counts_lead_ins():
    assert planned_seconds(FIVE, {"slow": 0.5}) == pytest.approx(0.5 * 2 * (2 + 1))


def test_no_garbage_collection_in_a_block_and_as_before_after_it(fake_clock):
    seen = []
    preset = Preset("one", runs=2, seconds=0, blocks=1, starts=1)
    run = {"A": lambda: (seen.append(gc.isenabled()), fake_clock.work(0.1)())}
    assert gc.isenabled()
    list(measure_blocks(run, preset, {"A": 0.1}, fake_clock))
    assert not any(seen)
    assert gc.isenabled()
