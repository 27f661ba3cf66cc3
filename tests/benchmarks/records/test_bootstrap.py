"""The bootstrap over blocks, which latency and energy share."""

import numpy as np
import pytest

from squeezebert_mobile.artifact import schema
from squeezebert_mobile.benchmarks.records import bootstrap, energy, results, statistics


def test_latency_and_energy_share_one_bootstrap_and_one_base_class() -> None:
    for module in map(vars, (energy, statistics)):
        assert (module["MIN_BLOCKS"], module["WIDE"]) == (6, 0.10)
        assert module["block_draws"] is bootstrap.block_draws
    assert vars(results)["Record"] is vars(schema)["Record"]
    assert vars(energy)["Count"] is vars(schema)["Count"]


def test_draws_are_whole_blocks_and_the_same_every_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.undo()  # the whole number of samples
    draws = bootstrap.block_draws(6)
    assert draws.shape == (1000, 6) and set(draws.ravel()) == set(range(6))
    assert np.array_equal(draws, bootstrap.block_draws(6))


def test_the_interval_leaves_out_a_fortieth_at_each_end() -> None:
    assert bootstrap.interval_of(np.arange(1001)) == pytest.approx((25, 975))
