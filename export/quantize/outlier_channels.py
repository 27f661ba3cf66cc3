"""Outlier channels inside the feed-forward get products of their own, and so a scale of their own.

Smoothing (`smoothing.py`) does not help there: the outliers are so large that the factors would
move the problem into the weights. But the channels of a feed-forward can be split, and the 16
largest get two products of their own. The function in fp32 does not change. The cost is two small
products, so it is done only where it divides the expected error by four: in random weights it
halves by chance.
"""

import torch

from squeezebert_mobile.export.quantize.calibration import Statistics
from squeezebert_mobile.models.linear_layers import FeedForward
from squeezebert_mobile.models.rewriting import Traceable

__all__ = ["split_outlier_channels"]

_CHANNELS = 16  # docs/measurements.md has the figures of other numbers
# By how much the expected error must shrink. All feed-forwards of all-MiniLM-L6-v2 are split with a
# limit of 2 and of 4, random weights only with 2.
_MIN_GAIN = 4


@torch.no_grad()
def split_outlier_channels(model: Traceable, statistics: Statistics) -> Statistics:
    """Split feed-forwards in which a few channels are far larger than the rest.

    Args:
        model: The result of `rewrite`; its feed-forwards change in place, its function does not.
        statistics: What the products read.

    Returns:
        The statistics of what the products read from now on, including the new products.
    """
    updated = dict(statistics)
    for group in (module for module in model.modules() if isinstance(module, FeedForward)):
        (first,), (second,) = group.products
        inner = statistics[second]
        order = inner.largest.argsort(descending=True)
        if len(order) <= _CHANNELS:
            continue
        parts = [order[_CHANNELS:].sort().values, order[:_CHANNELS].sort().values]
        inner_parts = [inner.of_channels(channels) for channels in parts]
        after = sum(
            part.expected_error(second.weight[:, channels])
            for part, channels in zip(inner_parts, parts, strict=True)
        )
        if inner.expected_error(second.weight) <= _MIN_GAIN * after:
            continue
        group.split(parts)
        hidden, _ = updated.pop(first), updated.pop(second)
        for part, new_first, new_second in zip(inner_parts, *group.products, strict=True):
            updated[new_first], updated[new_second] = hidden, part
    return updated
