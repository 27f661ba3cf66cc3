"""The numbers of int4: which sixteen values each block of weights uses.

    weights       int8 values of which each block of 16 uses sixteen: a multiplier times -8 to 7
    word table    -8 to 7 times a scale per block of 32 numbers of a row. A negative scale makes
                  it -7 to 8

`block_steps` finds the sixteen values of a block before the weights are rounded (`gptq.py`), so
that packing them in 4 bits loses nothing.
"""

import math
from collections.abc import Iterable, Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from squeezebert_mobile.export.quantize.recipe import (
    BLOCK,
    INT4_MAX,
    INT4_MIN,
    MAX_MULTIPLIER,
    MIN_INT4_TABLE,
    RECIPES,
    TABLE_BLOCK,
)
from squeezebert_mobile.export.quantize.rounding import channel_steps
from squeezebert_mobile.export.quantize.saturation import largest_pair

__all__ = ["block_size", "block_steps", "dequantize_table", "is_int4_table", "quantize_table"]

#: Of the largest number of a table's block: its steps that are tried. The one with the least
#: squared error is used. A block of weights tries every multiplier.
_TABLE_STEPS = [sign / levels for levels in (7, 7.5, 8, 8.5, 9, 9.5, 10) for sign in (1, -1)]


def block_steps(weight: Tensor) -> Tensor:
    """The step of every weight (C, out), for rounding to -8 to 7 steps.

    A step is an integer multiple of 1/105 of the output channel's largest pair.
    """
    blocks = torch.unflatten(weight, 0, (-1, block_size(len(weight))))  # (C/b, b, out)
    unit = channel_steps(weight, RECIPES["int4"].max_value, pairs=True)  # (1, out)
    multipliers = (torch.tensor(float(m)).to(unit) for m in range(1, MAX_MULTIPLIER + 1))
    best = _least_error(blocks, multipliers, unit, dim=1)
    # The largest pair of an output channel keeps its sum, because the unit is derived from it. A
    # block holds whole pairs.
    steps = (best * unit).expand_as(blocks).flatten(0, 1)
    pair = largest_pair(weight, steps)  # (1, out)
    best.scatter_(0, (2 * pair // blocks.shape[1])[:, None], MAX_MULTIPLIER)
    return (best * unit).expand_as(blocks).flatten(0, 1)


def block_size(channels: int) -> int:
    """16, or how many channels share a multiplier where 16 does not divide them."""
    size = math.gcd(channels, BLOCK)
    return size if size >= BLOCK // 2 else channels


def is_int4_table(shape: Sequence[int]) -> bool:
    """Whether a table (rows, C) is large enough for 4 bits, and divides into blocks."""
    rows, width = shape
    return rows * width >= MIN_INT4_TABLE and width % TABLE_BLOCK == 0


def quantize_table(table: NDArray[np.float32]) -> tuple[NDArray[np.int8], NDArray[np.float32]]:
    """Integers -8 to 7 (rows, C), and scales (rows, C/32)."""
    blocks = torch.unflatten(
        torch.from_numpy(table.copy()), 1, (-1, TABLE_BLOCK)
    )  # (rows, C/32, b)
    largest = blocks.abs().amax(dim=2, keepdim=True)
    steps = (torch.where(largest > 0, largest * fraction, 1) for fraction in _TABLE_STEPS)
    best = _least_error(blocks, steps, torch.ones(()), dim=2)
    numbers = _to_int4(blocks, best).flatten(1).to(torch.int8)
    return numbers.numpy(), np.asarray(best.squeeze(2).numpy(), np.float32)


def dequantize_table(numbers: NDArray[np.int8], scales: NDArray[np.float32]) -> Tensor:
    """The table (rows, C) of the integers and scales that `quantize_table` returned."""
    return torch.from_numpy(numbers.astype(np.float32) * scales.repeat(TABLE_BLOCK, axis=1))


def _to_int4(blocks: Tensor, steps: Tensor) -> Tensor:
    """The nearest of -8 to 7 steps."""
    return (blocks / steps).round().clamp(INT4_MIN, INT4_MAX)


def _least_error(blocks: Tensor, candidates: Iterable[Tensor], unit: Tensor, dim: int) -> Tensor:
    """The candidate of each block whose multiple of `unit` is the step with the least error."""
    best, least = torch.ones(()), torch.full((), math.inf)
    for candidate in candidates:
        steps = candidate * unit
        error = (_to_int4(blocks, steps) * steps - blocks).square()
        error = error.sum(dim=dim, keepdim=True)
        best, least = torch.where(error < least, candidate, best), torch.minimum(error, least)
    return best
