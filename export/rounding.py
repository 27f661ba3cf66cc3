"""Weights rounded to int8 or int4: errors cancel on real text, rather than each being small.

A product's channels move together. What rounding one weight up adds to the output, rounding a
weight of a channel that moves with it down takes away again. Going through the channels, the
largest first, each one's rounding error is spread over those still to come, in the way that the
inputs' second moments say (GPTQ, arXiv 2210.17323). Nothing is paid for it at run time.
"""

from collections.abc import Callable

import torch
from torch import Tensor, nn

from squeezebert_mobile.export import four_bits
from squeezebert_mobile.export.calibration import Inputs

__all__ = ["round_weights"]

_LARGEST = 127
_DAMPING = 0.1  # of the mean moment, added to each: 0.01 fits a few thousand tokens too well
_BLOCK = 128  # channels after which the rest is updated at once, for speed


@torch.no_grad()
def round_weights(read: dict[nn.Linear, Inputs], *, precision: str = "int8") -> None:
    """Round the products' weights in place, to 255 steps an output channel or 15 steps a block.

    The largest weight of an output channel keeps its value, so rounding to the nearest of its 127
    (int4: 126) parts, as `quantize` does, finds the same integers again.

    Args:
        read: What each product reads.
        precision: "int8" or "int4".
    """
    steps_of, most = _GRIDS[precision]
    for product, inputs in read.items():
        rounded = _rounded(product.weight.double(), inputs.moment.double(), steps_of, most)
        product.weight = nn.Parameter(rounded.float(), requires_grad=False)


def _by_channel(weight: Tensor) -> Tensor:
    """Steps (C, out) of weights (C, out): the 127th part of an output channel's largest."""
    largest = weight.abs().amax(dim=0)
    return torch.where(largest > 0, largest / _LARGEST, 1).expand_as(weight)


#: Precision -> the steps of weights (C, out), and how many there are to each side.
_GRIDS: dict[str, tuple[Callable[[Tensor], Tensor], int]] = {
    "int8": (_by_channel, _LARGEST),
    "int4": (four_bits.grid, four_bits.LARGEST),
}


def _rounded(
    weight: Tensor, moment: Tensor, steps_of: Callable[[Tensor], Tensor], most: int
) -> Tensor:
    """The weight (out, C), rounded for inputs with the second moment (C, C)."""
    order = moment.diagonal().argsort(descending=True)
    spread = _spread(moment[order][:, order])
    left = weight.T[order]  # (C, out): a channel's weights side by side, as they are worked on
    rounded = torch.empty_like(left)
    steps = steps_of(weight.T)[order]
    place = left.abs().argmax(dim=0)  # (out)
    pinned = left.gather(0, place[None])[0]  # the largest one keeps its value: the scale
    for start in range(0, len(order), _BLOCK):
        end = min(start + _BLOCK, len(order))
        errors = torch.empty(end - start, left.shape[1], dtype=weight.dtype)
        for i in range(start, end):
            nearest = (left[i] / steps[i]).round().clamp(-most, most) * steps[i]
            rounded[i] = torch.where(place == i, pinned, nearest)
            error = (left[i] - rounded[i]) / spread[i, i]
            left[i:end] -= spread[i, i:end, None] * error
            errors[i - start] = error
        left[end:] -= spread[start:end, end:].T @ errors
    return rounded[order.argsort()].T.contiguous()


def _spread(moment: Tensor) -> Tensor:
    """Row i: how the error of channel i is best made up for by those after it. (C, C)."""
    damped = moment + _DAMPING * moment.diagonal().mean().clamp(min=1e-12) * torch.eye(len(moment))
    inverse = torch.cholesky_inverse(torch.linalg.cholesky(damped))
    rows: Tensor = torch.linalg.cholesky(inverse, upper=True)
    return rows
