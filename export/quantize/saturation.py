"""Two weights that are added in 16 bits, and may not overflow there.

x86 without VNNI multiplies bytes in pairs: what two neighbouring channels, 0 to 255 each, give with
their weights is added in 16 bits before it is added to the rest, and stays at 32,767 where it would
be more. ARM64 and VNNI add in 32 bits. So that one file answers alike on all of them, the scale of
an output channel is that of its largest pair, not of its largest weight: no pair of weights sums to
more than 127 to either side, and 255 x 127 is 32,385.
"""

import torch
from torch import Tensor
from torch.nn import functional

__all__ = ["largest_pairs", "partners"]


def largest_pairs(weight: Tensor) -> Tensor:
    """What neighbouring weights (C, ...) sum to at most, whatever they multiply: (C/2, ...).

    The positive ones together, or the negative ones: an input is never negative, and may be 0.
    """
    if len(weight) % 2:
        weight = functional.pad(weight, [0, 0] * (weight.dim() - 1) + [0, 1])
    ones, others = weight[::2], weight[1::2]  # (C/2, ...) each
    up = ones.clamp(min=0) + others.clamp(min=0)
    return torch.maximum(up, -(ones.clamp(max=0) + others.clamp(max=0)))


def partners(channels: Tensor, count: int) -> Tensor:
    """The neighbour of each channel of `count`; the last of an odd number has itself."""
    return (channels ^ 1).clamp(max=count - 1)
