import gc
import itertools
import json
from pathlib import Path

import pytest

from squeezebert_mobile.benchmarks.measure.schedule import Preset
from squeezebert_mobile.benchmarks.measure.timing import measure_blocks, warm_up

FIVE = Preset("five", runs=20, seconds=1.0, blocks=5, starts=1)

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


WARM_UPS = json.loads((Path(__file__).parents[2] / "golden/schedule.json").read_text())["warm_ups"]


@pytest.mark.parametrize("case", WARM_UPS, ids=lambda case: case["what"])
def test_warm_up_ends_as_the_kotlin_code_does(case, fake_clock):
    steps = range(case["falling_runs"] + 1)
    times = [case["first_ms"] / 1000 * case["factor"] ** step for step in steps]
    done = warm_up(falling(fake_clock, times), fake_clock)
    assert (done.runs, done.stable) == (case["runs"], case["stable"])


# Blocks -------------------------------------------------------------------------------------


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


def test_no_garbage_collection_in_a_block_and_as_before_after_it(fake_clock):
    seen = []
    preset = Preset("one", runs=2, seconds=0, blocks=1, starts=1)
    run = {"A": lambda: (seen.append(gc.isenabled()), fake_clock.work(0.1)())}
    assert gc.isenabled()
    list(measure_blocks(run, preset, {"A": 0.1}, fake_clock))
    assert not any(seen)
    assert gc.isenabled()
