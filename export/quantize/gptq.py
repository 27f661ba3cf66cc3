"""Weights rounded to int8 or int4: errors cancel on real text, rather than each being small.

A product's channels move together. What rounding one weight up adds to the output, rounding a
weight of a channel that moves with it down takes away again. Going through the channels, the
largest first, each one's rounding error is spread over those still to come, in the way that the
inputs' second moments say (GPTQ, arXiv 2210.17323). Nothing is paid for it at run time.
"""

import math
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor

import torch
from torch import Tensor, nn

from squeezebert_mobile.export.quantize import int4 as four_bits
from squeezebert_mobile.export.quantize.calibration import Inputs
from squeezebert_mobile.export.quantize.saturation import largest_pairs, partners
from squeezebert_mobile.models.threads import one_thread

__all__ = ["round_weights"]

_LARGEST = 127
_DAMPING = 0.1  # of the mean moment, added to each: 0.01 fits a few thousand tokens too well
_TOGETHER = 16  # products
_WORKERS = 2  # groups at a time; a step is too small for two threads to share
_TOLERANCE = 1e-6  # of a step: whole numbers that floats have brought just below
_BLOCK = 32  # channels after which the rest is updated at once, for speed


def round_weights(
    read: dict[nn.Linear, Inputs], *, precision: str = "int8"
) -> dict[nn.Linear, Tensor]:
    """The products' weights, rounded to 255 steps an output channel or 15 steps a block.

    The largest pair of an output channel (`pairs.py`) keeps its sum, and no other has a larger one:
    so rounding to the nearest of its 127 (int4: 126) parts, as `quantize` does, finds the same
    integers again.

    Args:
        read: What each product reads.
        precision: "int8" or "int4".
    """
    steps_of, most = _GRIDS[precision]
    found: dict[nn.Linear, Tensor] = {}

    def round_group(group: list[nn.Linear]) -> None:
        weights = torch.stack([product.weight for product in group]).double()
        moments = torch.stack([read[product].moment for product in group])
        with torch.no_grad():  # a thread's own setting
            rounded = _rounded(weights, moments, steps_of, most).float()
        found.update(zip(group, rounded, strict=True))

    with one_thread(), ThreadPoolExecutor(_WORKERS) as pool:
        list(pool.map(round_group, _alike(read)))
    return found


def _alike(products: Iterable[nn.Linear]) -> Iterator[list[nn.Linear]]:
    """Products of one shape, a few at a time: together they take fewer, larger steps."""
    shapes: dict[torch.Size, list[nn.Linear]] = {}
    for product in products:
        shapes.setdefault(product.weight.shape, []).append(product)
    for alike in shapes.values():
        for start in range(0, len(alike), _TOGETHER):
            yield alike[start : start + _TOGETHER]


def _by_channel(weight: Tensor) -> Tensor:
    """Steps (C, out) of weights (C, out): the 127th part of an output channel's largest pair."""
    largest = largest_pairs(weight).amax(dim=0)
    return torch.where(largest > 0, largest / _LARGEST, 1).expand_as(weight)


#: Precision -> the steps of weights (C, out), and how many there are to each side.
_GRIDS: dict[str, tuple[Callable[[Tensor], Tensor], int]] = {
    "int8": (_by_channel, _LARGEST),
    "int4": (four_bits.grid, four_bits.LARGEST),
}


def _rounded(
    weights: Tensor, moments: Tensor, steps_of: Callable[[Tensor], Tensor], most: int
) -> Tensor:
    """Weights (N, out, C), rounded for inputs with second moments (N, C, C)."""
    order = moments.diagonal(dim1=1, dim2=2).argsort(dim=1, descending=True)  # (N, C)
    products = torch.arange(len(order))[:, None]
    ordered = moments[products[..., None], order[:, :, None], order[:, None]]
    spread = _spread(ordered.double())
    columns = weights.mT  # (N, C, out): a channel's weights side by side
    steps = torch.stack([steps_of(weight) for weight in columns])
    pinned = torch.stack([_pinned(*each, most) for each in zip(columns, steps, strict=True)])
    left, steps, pinned = (each[products, order] for each in (columns, steps, pinned))
    turns = order.argsort(dim=1)  # (N, C): when a channel's is
    partner = turns.gather(1, partners(order, order.shape[1]))
    room = torch.stack([largest_pairs(weight).amax(dim=0) for weight in columns])  # (N, out)
    rounded = torch.zeros_like(left)
    for start in range(0, left.shape[1], _BLOCK):
        end = min(start + _BLOCK, left.shape[1])
        errors = torch.empty_like(left[:, start:end])
        for i in range(start, end):
            beside = rounded[products[:, 0], partner[:, i]]  # 0 where its turn comes later
            up = _whole(room - beside.clamp(min=0), steps[:, i], most)
            down = _whole(room + beside.clamp(max=0), steps[:, i], most)
            nearest = (left[:, i] / steps[:, i]).round().minimum(up).maximum(-down) * steps[:, i]
            rounded[:, i] = torch.where(pinned[:, i].isnan(), nearest, pinned[:, i])
            error = (left[:, i] - rounded[:, i]) / spread[:, i, i, None]  # (N, out)
            left[:, i:end] -= spread[:, i, i:end, None] * error[:, None]
            errors[:, i - start] = error
        left[:, end:] -= spread[:, start:end, end:].mT @ errors
    return rounded[products, turns].mT.contiguous()


def _pinned(weight: Tensor, steps: Tensor, most: int) -> Tensor:
    """What the largest pair of each output channel becomes, NaN elsewhere; all are (C, out).

    Its sum is what the scale is found by again, so it must be exact; `most` steps.
    """
    pinned = torch.full_like(weight, math.nan)
    first = 2 * largest_pairs(weight).argmax(dim=0, keepdim=True)  # (1, out)
    second = partners(first, len(weight))
    ones, others = (
        (weight.gather(0, place) / steps.gather(0, place)).round().clamp(-most, most)
        for place in (first, second)
    )
    together = weight.gather(0, first) * weight.gather(0, second) > 0  # of one sign: they add up
    others = torch.where(together, others.sign() * (most - ones.abs()), others)
    pinned.scatter_(0, second, others * steps.gather(0, second))
    return pinned.scatter_(0, first, ones * steps.gather(0, first))


def _whole(room: Tensor, steps: Tensor, most: int) -> Tensor:
    """How many steps there is room for."""
    return (room / steps + _TOLERANCE).floor().clamp(max=most)


def _spread(moments: Tensor) -> Tensor:
    """Row i: how the error of channel i is best made up for by those after it. (N, C, C)."""
    mean = moments.diagonal(dim1=1, dim2=2).mean(dim=1).clamp(min=1e-12)
    damped = moments + _DAMPING * mean[:, None, None] * torch.eye(moments.shape[1]).to(moments)
    # The upper triangle U with U^T U = damped^-1: from the other end, damped = R R^T, and U = R^-1.
    factor = torch.linalg.cholesky(damped.flip(1, 2)).flip(1, 2)  # R
    rows: Tensor = torch.linalg.solve_triangular(
        factor, torch.eye(moments.shape[1]).to(moments), upper=True
    )
    return rows
