"""GPTQ: weights are rounded so that their errors cancel on real text (arXiv 2210.17323).

The channels of a product's input are correlated. The error that rounding one weight up adds to the
output can be cancelled by rounding a weight of a correlated channel down. The channels are rounded
one by one, the largest first, and each one's rounding error is distributed over the channels still
to come, as the second moments of the inputs say. It costs nothing at run time.
"""

import math
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor

import torch
from torch import Tensor, nn

from squeezebert_mobile.export.quantize.calibration import Statistics
from squeezebert_mobile.export.quantize.int4 import block_steps
from squeezebert_mobile.export.quantize.recipe import RECIPES, Recipe
from squeezebert_mobile.export.quantize.rounding import channel_steps, to_integers
from squeezebert_mobile.export.quantize.saturation import largest_pair, largest_pairs, partners
from squeezebert_mobile.models.threads import one_thread

__all__ = ["pinned_pairs", "round_weights", "weight_steps", "whole_steps"]

_DAMPING = 0.1  # of the mean moment, added to the diagonal: 0.01 overfits a few thousand tokens
_STACKED = 16  # products of one shape that are rounded together
_STACKED_NUMBERS = _STACKED * 768**2  # of wider ones fewer: a stack needs 50 bytes for a number
_WORKERS = 2  # stacks at a time; one step is too small for two threads to share
_TOLERANCE = 1e-3  # of a step: integers that floating point has brought just below
_CHANNELS = 32  # after which the weights still to come are updated at once, for speed


def round_weights(statistics: Statistics, *, precision: str = "int8") -> dict[nn.Linear, Tensor]:
    """The products' weights, rounded to 255 steps per output channel or 16 steps per block.

    The largest pair of an output channel (`saturation.py`) keeps its sum, and no other pair has a
    larger one. So dividing it by 127 (int4: 105), as `quantize_symmetric` does, finds the same
    scale and the same integers again.

    Args:
        statistics: What each product reads.
        precision: "int8" or "int4".
    """
    recipe = RECIPES[precision]
    result: dict[nn.Linear, Tensor] = {}

    def round_stack(stack: list[nn.Linear]) -> None:
        weights = torch.stack([product.weight for product in stack]).double()
        moments = torch.stack([statistics[product].moment for product in stack])
        with torch.no_grad():  # a setting of each thread
            rounded = _rounded(weights, moments, recipe).float()
        result.update(zip(stack, rounded, strict=True))

    with one_thread(), ThreadPoolExecutor(_WORKERS) as pool:
        list(pool.map(round_stack, _stacks(statistics)))
    return result


def _stacks(products: Iterable[nn.Linear]) -> Iterator[list[nn.Linear]]:
    """A few products of one shape at a time: fewer and larger steps than one by one."""
    shapes: dict[torch.Size, list[nn.Linear]] = {}
    for product in products:
        shapes.setdefault(product.weight.shape, []).append(product)
    for (outputs, channels), same_shape in shapes.items():
        numbers = channels * max(channels, outputs)  # of the moment or of the weight
        count = min(_STACKED, max(1, _STACKED_NUMBERS // numbers))
        for start in range(0, len(same_shape), count):
            yield same_shape[start : start + count]


def weight_steps(weight: Tensor, recipe: Recipe) -> Tensor:
    """The step of every weight (C, out)."""
    if recipe.block:
        return block_steps(weight)
    return channel_steps(weight, recipe.max_value, pairs=True).expand_as(weight)


def _rounded(weights: Tensor, moments: Tensor, recipe: Recipe) -> Tensor:
    """Weights (N, out, C), rounded for inputs with second moments (N, C, C)."""
    levels, lowest = recipe.levels, recipe.lowest
    order = moments.diagonal(dim1=1, dim2=2).argsort(dim=1, descending=True)  # (N, C)
    products = torch.arange(len(order))[:, None]
    spread = _spread(moments[products[..., None], order[:, :, None], order[:, None]])
    columns = weights.mT  # (N, C, out): a channel's weights side by side
    steps = torch.stack([weight_steps(weight, recipe) for weight in columns])
    pinned = torch.stack([pinned_pairs(*pair, levels) for pair in zip(columns, steps, strict=True)])
    left = columns[products, order]
    steps = steps[products, order]  # one after the other: each is as large as the weights
    pinned = pinned[products, order]
    turns = order.argsort(dim=1)  # (N, C): the turn of each channel
    partner = turns.gather(1, partners(order, order.shape[1]))
    room = torch.stack([largest_pairs(weight).amax(dim=0) for weight in columns])  # (N, out)
    rounded = torch.zeros_like(left)
    for start in range(0, left.shape[1], _CHANNELS):
        end = min(start + _CHANNELS, left.shape[1])
        errors = torch.empty_like(left[:, start:end])
        for i in range(start, end):
            beside = rounded[products[:, 0], partner[:, i]]  # 0 where its turn is later
            up = whole_steps(room - beside.clamp(min=0), steps[:, i], levels)
            down = whole_steps(room + beside.clamp(max=0), steps[:, i], -lowest)
            nearest = (left[:, i] / steps[:, i]).round().minimum(up).maximum(-down) * steps[:, i]
            rounded[:, i] = torch.where(pinned[:, i].isnan(), nearest, pinned[:, i])
            error = (left[:, i] - rounded[:, i]) / spread[:, i, i, None]  # (N, out)
            left[:, i:end] -= spread[:, i, i:end, None] * error[:, None]
            errors[:, i - start] = error
        left[:, end:] -= spread[:, start:end, end:].mT @ errors
    return rounded[products, turns].mT.contiguous()


def pinned_pairs(weight: Tensor, steps: Tensor, levels: int) -> Tensor:
    """The rounded largest pair of each output channel, NaN elsewhere; all are (C, out).

    The scale is derived from this pair's sum again, so the sum must be exactly `levels` steps.
    """
    pinned = torch.full_like(weight, math.nan)
    first = 2 * largest_pair(weight, steps)  # (1, out)
    second = partners(first, len(weight))
    first_steps, second_steps = (
        to_integers(weight.gather(0, place), steps.gather(0, place), levels)
        for place in (first, second)
    )
    add_up = weight.gather(0, first) * weight.gather(0, second) > 0  # of one sign
    remainder = second_steps.sign() * (levels - first_steps.abs())
    second_steps = torch.where(add_up, remainder, second_steps)
    pinned.scatter_(0, second, second_steps * steps.gather(0, second))
    return pinned.scatter_(0, first, first_steps * steps.gather(0, first))


def whole_steps(room: Tensor, steps: Tensor, levels: int) -> Tensor:
    """How many steps fit into `room`, at most `levels`."""
    return (room / steps + _TOLERANCE).floor().clamp(max=levels)


def _spread(moments: Tensor) -> Tensor:
    """Row i says how the error of channel i is best compensated by later channels. (N, C, C)."""
    # The upper triangle U with U^T U = damped^-1: flipped, damped = R R^T, and U = R^-1.
    mean = moments.diagonal(dim1=1, dim2=2).double().mean(dim=1, keepdim=True).clamp(min=1e-12)
    damped = moments.flip(1, 2).double()
    damped.diagonal(dim1=1, dim2=2).add_(_DAMPING * mean)
    factor = torch.linalg.cholesky(damped).flip(1, 2)  # R
    del damped
    unit = torch.eye(moments.shape[1]).to(factor)
    rows: Tensor = torch.linalg.solve_triangular(factor, unit, upper=True)
    return rows
