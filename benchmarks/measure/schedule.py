"""The measurement schedule of host and phone: presets, warm-up limits, ABBA blocks.

In a block every contender is visited once in some order and once more in the reverse order
(A B C C B A), so that a machine which slows down during the block slows all of them alike. The
next block begins with the next contender. This module only plans: `timing` runs models in this
process, and the runner (docs/runner.md) runs them on a phone. The Kotlin code has the same
constants; both sides are tested against tests/golden/schedule.json.
"""

import itertools
import math
import statistics
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from squeezebert_mobile.errors import BenchmarkError, choose

__all__ = [
    "DEFAULT_SEQUENCE_LENGTH",
    "LEAD_IN_RUNS",
    "PRESETS",
    "WARM_UP_LEAST_RUNS",
    "WARM_UP_RUNS",
    "WARM_UP_SECONDS",
    "WARM_UP_TOLERANCE",
    "WARM_UP_WINDOW",
    "Preset",
    "Schedule",
    "block_order",
    "get_preset",
    "has_settled",
    "planned_seconds",
    "runs_per_visit",
    "typical",
]

#: Length in tokens for models that accept any length: the one most published latencies are for.
DEFAULT_SEQUENCE_LENGTH = 128

#: Unrecorded runs at the start of a visit: the previous contender has left its weights in the
#: caches, and its threads may still spin on the cores.
LEAD_IN_RUNS = 1

WARM_UP_WINDOW = 4  # runs that are compared with all runs before them
#: The warm-up goes on while the best run of the window is below this share of the best run before.
WARM_UP_TOLERANCE = 0.97
WARM_UP_RUNS = 100  # at most
WARM_UP_SECONDS = 5.0  # at most, once WARM_UP_LEAST_RUNS are done
WARM_UP_LEAST_RUNS = 3


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


def typical(times: Sequence[float]) -> float:
    """Time of a run once warm: the median of the last window (of an even number, the higher)."""
    return statistics.median_high(times[-WARM_UP_WINDOW:])


def has_settled(times: Sequence[float]) -> bool:
    """Whether the runs have stopped getting faster: the last window is no faster than before.

    Minima are compared because other load on the machine only ever adds time.
    """
    if len(times) < 2 * WARM_UP_WINDOW:
        return False
    return min(times[-WARM_UP_WINDOW:]) >= WARM_UP_TOLERANCE * min(times[:-WARM_UP_WINDOW])


# Blocks -------------------------------------------------------------------------------------


def block_order(labels: Sequence[str], index: int) -> list[str]:
    """The order of visits in block number `index`: ABCCBA, then BCAACB, then CABBAC, ..."""
    first = index % len(labels)
    forward = [*labels[first:], *labels[:first]]
    return [*forward, *reversed(forward)]


def runs_per_visit(preset: Preset, typical_s: float) -> int:
    """How many runs each of a contender's two visits to a block records.

    A fast contender runs more often, so that each gets its seconds within the same blocks.
    """
    runs = max(preset.runs, preset.seconds / max(typical_s, 1e-9))
    return math.ceil(runs / (2 * preset.blocks))


def planned_seconds(preset: Preset, typical_s: Mapping[str, float]) -> float:
    """Expected duration of one block."""
    return sum(
        2 * (runs_per_visit(preset, seconds) + LEAD_IN_RUNS) * seconds
        for seconds in typical_s.values()
    )


@dataclass
class Schedule:
    """The visits of one number of threads at one length: which remain, when enough was measured.

    Args:
        labels: The contenders.
        preset: How long to measure.
    """

    labels: Sequence[str]
    preset: Preset
    _places: defaultdict[int, set[int]] = field(default_factory=lambda: defaultdict(set))
    _runs: Counter[str] = field(default_factory=Counter)
    _milliseconds: defaultdict[str, float] = field(default_factory=lambda: defaultdict(float))

    def record(self, block: int, place: int, label: str, samples_ms: Sequence[float]) -> None:
        """Count a visit that was made.

        Args:
            block: Index of the block.
            place: Index of the visit in the block's order.
            label: The contender.
            samples_ms: Its recorded runs.
        """
        self._places[block].add(place)
        self._runs[label] += len(samples_ms)
        self._milliseconds[label] += sum(samples_ms)

    def remaining(self, block: int) -> dict[int, str]:
        """The visits of a block that were not made yet: place -> contender."""
        made = self._places.get(block, set())
        order = enumerate(block_order(self.labels, block))
        return {place: label for place, label in order if place not in made}

    @property
    def is_complete(self) -> bool:
        """Whether the last block is whole, and every contender has its runs and seconds."""
        last = max(self._places, default=-1)
        if last + 1 < self.preset.blocks or self.remaining(last):
            return False
        return all(
            self._runs[label] >= self.preset.runs
            and self._milliseconds[label] >= 1000 * self.preset.seconds
            for label in self.labels
        )

    def blocks(self) -> Iterator[int]:
        """The blocks that have visits remaining, until enough was measured.

        The caller makes the visits of a block and records them before it takes the next block.
        """
        for index in itertools.count():
            if self.remaining(index):
                yield index
            if self.is_complete:
                return
