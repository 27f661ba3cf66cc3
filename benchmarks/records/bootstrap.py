"""The bootstrap over blocks: how a figure varies if other blocks had been measured."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

__all__ = ["MIN_BLOCKS", "WIDE", "block_draws", "interval_of"]

#: With fewer blocks there is neither interval nor drift: resampling two or three blocks gives
#: narrow intervals that mean nothing.
MIN_BLOCKS = 6
WIDE = 0.10  # an interval wider than this share of its figure is flagged

_CONFIDENCE = 0.95
_RESAMPLES = 1000
_SEED = 0


def block_draws(blocks: int) -> NDArray[np.int64]:
    """Indices of blocks, (samples, blocks): each sample draws as many blocks as there are."""
    return np.random.default_rng(_SEED).integers(blocks, size=(_RESAMPLES, blocks))


def interval_of(resampled: Sequence[float] | NDArray[np.float64]) -> tuple[float, float]:
    """The ends of the 95 % interval of a figure, from its value for each sample."""
    tail = 100 * (1 - _CONFIDENCE) / 2
    low, high = np.percentile(resampled, [tail, 100 - tail])
    return float(low), float(high)
