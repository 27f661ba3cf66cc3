"""How contenders take turns: warm-up, ABBA blocks, and when enough was measured.

Everything here is pure but for the callables it is given: `Run` computes one inference, `Clock`
tells the seconds. A block lets every contender run once in some order and once more in the
reverse order (A B C C B A), so that a machine which slows down during the block slows all of them
alike. The next block begins with the next contender.
"""

import gc
import itertools
import math
import statistics
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from squeezebert_mobile.errors import BenchmarkError, choose

__all__ = [
    "LEAD_IN_RUNS",
    "PRESETS",
    "WARM_UP_RUNS",
    "WARM_UP_SECONDS",
    "Clock",
    "Preset",
    "Run",
    "WarmUp",
    "block_order",
    "get_preset",
    "measure_blocks",
    "planned_seconds",
    "runs_per_visit",
    "typical",
    "warm_up",
]

Run = Callable[[], object]
Clock = Callable[[], float]  # seconds
Block = dict[str, list[float]]  # contender -> its samples in ms

#: Runs at the start of a visit that are not recorded: the contender before has left its own weights
#: in the caches, and its threads may still spin on the cores.
LEAD_IN_RUNS = 1

_WINDOW = 4  # runs compared with all before them
_STILL_FALLING = 0.97  # a window whose best is below this share of the best before is not stable
WARM_UP_RUNS = 100  # at most
WARM_UP_SECONDS = 5.0  # at most, once _WARM_UP_LEAST runs are done
_WARM_UP_LEAST = 3


@dataclass(frozen=True)
class Preset:
    """How long to measure: each contender does at least `runs` runs and `seconds` of them.

    The numbers of runs and seconds are those of the MLPerf Mobile app's run modes.
    """

    name: str
    runs: int
    seconds: float
    blocks: int  # at least
    starts: int  # fresh processes for load time and memory


PRESETS = {
    preset.name: preset
    for preset in (
        Preset("rapid", runs=64, seconds=6, blocks=16, starts=3),
        Preset("quick", runs=128, seconds=10, blocks=16, starts=5),
        Preset("normal", runs=1024, seconds=60, blocks=32, starts=10),
    )
}


def get_preset(name: str) -> Preset:
    """The preset called `name`.

    Raises:
        BenchmarkError: there is no such preset.
    """
    if name not in PRESETS:
        raise BenchmarkError(choose("preset", name, PRESETS))
    return PRESETS[name]


# Warm-up ------------------------------------------------------------------------------------


@dataclass(frozen=True)
class WarmUp:
    """What the unrecorded runs at the beginning have shown."""

    runs: int
    stable: bool  # it had stopped getting faster
    typical_s: float  # median of the last window


def warm_up(run: Run, clock: Clock) -> WarmUp:
    """Run until it gets no faster, or until the bound on runs or seconds."""
    times: list[float] = []
    begin = clock()
    while not (stable := _stopped_falling(times)):
        enough = len(times) >= _WARM_UP_LEAST and clock() - begin >= WARM_UP_SECONDS
        if enough or len(times) >= WARM_UP_RUNS:
            break
        before = clock()
        run()
        times.append(clock() - before)
    return WarmUp(runs=len(times), stable=stable, typical_s=typical(times))


def typical(times: Sequence[float]) -> float:
    """What a run takes once it is warm: the median of the last window, the higher of two."""
    return statistics.median_high(times[-_WINDOW:])


def _stopped_falling(times: Sequence[float]) -> bool:
    """Whether the last window has nothing clearly faster than the best before it.

    Minima are compared because other load on the machine only ever adds time.
    """
    if len(times) < 2 * _WINDOW:
        return False
    return min(times[-_WINDOW:]) >= _STILL_FALLING * min(times[:-_WINDOW])


# Blocks -------------------------------------------------------------------------------------


def block_order(labels: Sequence[str], index: int) -> list[str]:
    """Who runs when in block number `index`: ABCCBA, then BCAACB, then CABBAC, ..."""
    first = index % len(labels)
    there = [*labels[first:], *labels[:first]]
    return [*there, *reversed(there)]


def runs_per_visit(preset: Preset, typical_s: float) -> int:
    """How many runs each of a contender's two visits to a block records.

    A fast contender runs more often, so that each gets its seconds within the same blocks.
    """
    runs = max(preset.runs, preset.seconds / max(typical_s, 1e-9))
    return math.ceil(runs / (2 * preset.blocks))


def planned_seconds(preset: Preset, typical_s: Mapping[str, float]) -> float:
    """How long one block is likely to take."""
    return sum(
        2 * (runs_per_visit(preset, seconds) + LEAD_IN_RUNS) * seconds
        for seconds in typical_s.values()
    )


def measure_blocks(
    runs: Mapping[str, Run], preset: Preset, typical_s: Mapping[str, float], clock: Clock
) -> Iterator[Block]:
    """Blocks of samples in ms, until every contender has its runs and seconds."""
    visits = {label: runs_per_visit(preset, typical_s[label]) for label in runs}
    done_runs = dict.fromkeys(runs, 0)
    done_ms = dict.fromkeys(runs, 0.0)
    for index in itertools.count():
        block = _measure_block(runs, visits, index, clock)
        yield block
        for label, samples in block.items():
            done_runs[label] += len(samples)
            done_ms[label] += sum(samples)
        enough_runs = min(done_runs.values()) >= preset.runs
        enough_time = min(done_ms.values()) >= 1000 * preset.seconds
        if index + 1 >= preset.blocks and enough_runs and enough_time:
            return


def _measure_block(
    runs: Mapping[str, Run], visits: Mapping[str, int], index: int, clock: Clock
) -> Block:
    samples: Block = {label: [] for label in runs}
    with _no_garbage_collection():
        for label in block_order(list(runs), index):
            run = runs[label]
            for _ in range(LEAD_IN_RUNS):
                run()
            for _ in range(visits[label]):
                before = clock()
                run()
                samples[label].append(1000 * (clock() - before))
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
