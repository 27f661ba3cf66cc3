"""Pairs of weights whose products x86 adds in 16 bits, where the sum must not saturate.

x86 without VNNI multiplies bytes in pairs. Each pair of neighbouring channels, with inputs of 0 to
255, is multiplied by its two weights, and the two products are added in 16 bits, where the sum
saturates at 32,767. ARM64 and VNNI add in 32 bits. For the same results on all of them, the scale
of an output channel comes from its largest pair and not from its largest weight: no pair of weights
sums to more than 127 in either direction, and 255 x 127 is 32,385.
"""

import torch
from torch import Tensor
from torch.nn import functional

__all__ = ["largest_pair", "largest_pairs", "partners"]

_EQUAL = 1e-3  # of a step: pairs that differ by less are equal


def largest_pairs(weight: Tensor) -> Tensor:
    """The largest sum (C/2, ...) of each pair of neighbouring weights (C, ...), for any inputs.

    Either the positive or the negative weights count: an input is never negative, and may be 0.
    """
    if len(weight) % 2:
        weight = functional.pad(weight, [0, 0] * (weight.dim() - 1) + [0, 1])
    even, odd = weight[::2], weight[1::2]  # (C/2, ...) each
    positive = even.clamp(min=0) + odd.clamp(min=0)
    return torch.maximum(positive, -(even.clamp(max=0) + odd.clamp(max=0)))


def largest_pair(weight: Tensor, steps: Tensor) -> Tensor:
    """The pair (1, ...) with the largest sum, of weights (C, ...) that are to be rounded to steps.

    Of equal ones, that with the largest step: rounded weights have the same largest pair again.
    """
    return (largest_pairs(weight) + _EQUAL * steps[::2]).argmax(dim=0, keepdim=True)


def partners(channels: Tensor, count: int) -> Tensor:
    """The other channel of each one's pair, among `count`; the last of an odd number is alone."""
    return (channels ^ 1).clamp(max=count - 1)
