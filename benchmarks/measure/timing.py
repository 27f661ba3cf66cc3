"""Timed runs in this process: warm-up, then the visits of the schedule.

The callables are arguments: `Run` computes one inference, `Clock` returns seconds.
"""

import gc
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass

from squeezebert_mobile.benchmarks.measure.schedule import (
    LEAD_IN_RUNS,
    WARM_UP_LEAST_RUNS,
    WARM_UP_RUNS,
    WARM_UP_SECONDS,
    Preset,
    Schedule,
    has_settled,
    runs_per_visit,
    typical,
)

__all__ = ["BlockSamples", "Clock", "Run", "WarmUp", "measure_blocks", "warm_up"]

Run = Callable[[], object]
Clock = Callable[[], float]  # seconds
BlockSamples = dict[str, list[float]]  # contender -> its samples of a block in ms


@dataclass(frozen=True)
class WarmUp:
    """The result of the unrecorded runs at the beginning."""

    runs: int
    stable: bool  # the runs had stopped getting faster
    typical_s: float  # median of the last window


def warm_up(run: Run, clock: Clock) -> WarmUp:
    """Run until it gets no faster, or until the limit on runs or seconds."""
    times: list[float] = []
    begin = clock()
    while not (stable := has_settled(times)):
        enough = len(times) >= WARM_UP_LEAST_RUNS and clock() - begin >= WARM_UP_SECONDS
        if enough or len(times) >= WARM_UP_RUNS:
            break
        before = clock()
        run()
        times.append(clock() - before)
    return WarmUp(runs=len(times), stable=stable, typical_s=typical(times))


def measure_blocks(
    runs: Mapping[str, Run], preset: Preset, typical_s: Mapping[str, float], clock: Clock
) -> Iterator[BlockSamples]:
    """Blocks of samples in ms, until every contender has its runs and seconds."""
    visit_runs = {label: runs_per_visit(preset, typical_s[label]) for label in runs}
    schedule = Schedule(list(runs), preset)
    for block in schedule.blocks():
        samples: BlockSamples = {label: [] for label in runs}
        with _no_garbage_collection():
            for place, label in schedule.remaining(block).items():
                visit = _measure_visit(runs[label], visit_runs[label], clock)
                schedule.record(block, place, label, visit)
                samples[label].extend(visit)
        yield samples


def _measure_visit(run: Run, recorded: int, clock: Clock) -> list[float]:
    for _ in range(LEAD_IN_RUNS):
        run()
    samples = []
    for _ in range(recorded):
        before = clock()
        run()
        samples.append(1000 * (clock() - before))
    return samples


@contextmanager
def _no_garbage_collection() -> Iterator[None]:
    """A collection would land in whichever run it interrupts."""
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()
