"""Statistics of samples: percentiles, speedups with confidence intervals, drift."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from squeezebert_mobile.benchmarks.records.bootstrap import (
    MIN_BLOCKS,
    WIDE,
    block_draws,
    interval_of,
)
from squeezebert_mobile.benchmarks.records.results import Flag, Interval, Latency

__all__ = [
    "MIN_STABILITY",
    "drift",
    "latency",
    "latency_flags",
    "speedup",
    "stability",
]

#: A latency with a lower stability is flagged: moderate on the scale of `stability`.
MIN_STABILITY = 60

_TRIMMED = 0.2  # share of the runs that the trimmed mean leaves out, half at each end
_DRIFT = 0.05  # a second half that differs from the first by more than this share is flagged

Blocks = Sequence[Sequence[float]]  # samples of each block, in ms


def latency(blocks: Blocks) -> Latency:
    """Latency statistics over all samples of all blocks, in ms."""
    samples = np.concatenate([np.asarray(block, dtype=np.float64) for block in blocks])
    p50, p90, p99 = np.percentile(samples, [50, 90, 99])
    return Latency(
        runs=len(samples),
        median_ms=float(p50),
        p90_ms=float(p90),
        p99_ms=float(p99),
        min_ms=float(samples.min()),
        mean_ms=float(samples.mean()),
        trimmed_mean_ms=_trimmed_mean(samples),
        std_ms=float(samples.std(ddof=1)) if len(samples) > 1 else 0.0,
        stability=stability(samples),
    )


def _trimmed_mean(samples: NDArray[np.float64]) -> float:
    cut = int(_TRIMMED / 2 * len(samples))
    return float(np.sort(samples)[cut : len(samples) - cut].mean())


def stability(samples: NDArray[np.float64]) -> float:
    """Score from 0 to 100 for how little the runs vary: 90 is excellent, 80 good, 60 moderate.

    Half of it is the coefficient of variation (10 % is 0 points), a quarter the slowest run over
    the fastest, a quarter P99 over the median (twice as slow is 0 points in both): the weights of
    ExecuTorch's analyze_latency_stability.py, so that scores compare.
    """
    p50, p99 = np.percentile(samples, [50, 99])
    mean = samples.mean()
    if not min(mean, p50, samples.min()) > 0:
        return 0.0
    parts = (
        (0.5, samples.std() / mean / 0.10),
        (0.25, samples.max() / samples.min() - 1),
        (0.25, p99 / p50 - 1),
    )
    return float(sum(100 * weight * max(0.0, 1 - badness) for weight, badness in parts))


def drift(blocks: Blocks) -> float | None:
    """Relative slowdown of the second half of the blocks against the first; negative if faster."""
    return _drift(np.array([np.median(block) for block in blocks]))


def latency_flags(blocks: Blocks) -> tuple[Flag, ...]:
    """Reasons to doubt a contender's latency.

    A drift is the reason for a low stability as well, so one that drifts is not called unstable.
    """
    flags = _flags(len(blocks), drift(blocks))
    samples = np.concatenate([np.asarray(block, dtype=np.float64) for block in blocks])
    # Rounded, as the report shows it: no 60 is flagged.
    if "drifting" not in flags and round(stability(samples)) < MIN_STABILITY:
        return (*flags, "unstable")
    return flags


def speedup(slower: Blocks, faster: Blocks) -> Interval:
    """How many times `faster` is faster than `slower`: the ratio of medians, with its interval.

    Both were measured in the same blocks. A bootstrap sample draws whole blocks, the same ones for
    both: conditions shared within a block (other load, a lower clock) stay shared, and consecutive
    runs, which resemble each other, are not counted as independent.
    """
    assert len(slower) == len(faster) > 0
    above = [np.asarray(block, dtype=np.float64) for block in slower]
    below = [np.asarray(block, dtype=np.float64) for block in faster]
    ratio = float(np.median(np.concatenate(above)) / np.median(np.concatenate(below)))
    if len(above) < MIN_BLOCKS:
        return Interval(ratio=ratio, low=None, high=None, flags=_flags(len(above), None))
    draws = block_draws(len(above))
    low, high = interval_of(_medians(above, draws) / _medians(below, draws))
    by_block = np.array([np.median(a) / np.median(b) for a, b in zip(above, below, strict=True)])
    wide = (high - low) / ratio > WIDE
    return Interval(
        ratio=ratio, low=low, high=high, flags=_flags(len(above), _drift(by_block), wide=wide)
    )


def _medians(
    blocks: Sequence[NDArray[np.float64]], draws: NDArray[np.int64]
) -> NDArray[np.float64]:
    """The median of the samples of each draw of blocks, (draws, blocks) -> (draws,).

    All samples are sorted once. A draw then only says how often each of them counts.
    """
    samples = np.concatenate(blocks)
    order = np.argsort(samples, kind="stable")
    samples = samples[order]
    block_of = np.repeat(np.arange(len(blocks)), [len(block) for block in blocks])[order]
    medians = [_drawn_median(samples, block_of, draw) for draw in draws]
    return np.array(medians)


def _drawn_median(
    samples: NDArray[np.float64], block_of: NDArray[np.int64], draw: NDArray[np.int64]
) -> float:
    times = np.bincount(draw, minlength=int(block_of.max()) + 1)
    up_to = np.cumsum(times[block_of])  # of the drawn samples, those up to each
    middle = [(up_to[-1] - 1) // 2, up_to[-1] // 2]
    low, high = samples[np.searchsorted(up_to, middle, side="right")]
    return float(low + high) / 2


def _drift(medians: NDArray[np.float64]) -> float | None:
    if len(medians) < MIN_BLOCKS:
        return None
    half = len(medians) // 2
    return float(np.median(medians[-half:]) / np.median(medians[:half]) - 1)


def _flags(blocks: int, change: float | None, *, wide: bool = False) -> tuple[Flag, ...]:
    raised: dict[Flag, bool] = {
        "few blocks": blocks < MIN_BLOCKS,
        "wide": wide,
        "drifting": change is not None and abs(change) > _DRIFT,
    }
    return tuple(flag for flag, is_up in raised.items() if is_up)
