"""Smoothing: outlier channels of the hidden states are divided before int8, and weights multiplied.

Int8 activations share one scale. In a trained BERT a few channels are ten times larger than the
others, which are left with only a few of the 8 bits. Before query, key and value, and before the
feed-forward, each channel is divided by a factor and the weights that read it are multiplied by the
same factor (SmoothQuant, arXiv 2211.10438). The function in fp32 does not change. The cost is one
multiplication of the hidden states at each place, so it is done only where it halves the expected
error, which is the case for trained checkpoints. For outliers inside the feed-forward see
`outlier_channels.py`.
"""

import torch
from torch import Tensor, nn

from squeezebert_mobile.export.quantize.calibration import InputStatistics, Statistics
from squeezebert_mobile.export.quantize.recipe import RECIPES
from squeezebert_mobile.models.linear_layers import Factors
from squeezebert_mobile.models.rewriting import Traceable

__all__ = ["divide_channels", "smooth"]

# By how much the expected error must shrink. Smoothing divides it by 2.6 to 11 in all-MiniLM-L6-v2,
# and by 1.6 at most in random weights.
_MIN_GAIN = 2


@torch.no_grad()
def smooth(model: Traceable, statistics: Statistics, *, precision: str = "int8") -> Statistics:
    """Even out the channels of the hidden states, at every `Factors` module where it pays.

    Args:
        model: The result of `rewrite`; its weights change in place, its function does not.
        statistics: The result of `calibrate`.
        precision: "int8" or "int4".

    Returns:
        The statistics of what the products read from now on.
    """
    updated, strength = dict(statistics), RECIPES[precision].smoothing
    for place in (module for module in model.modules() if isinstance(module, Factors)):
        factors = {r: _factors(statistics[r], r.weight, strength) for r in place.readers}
        smoothed = {r: statistics[r].divided(factor) for r, factor in factors.items()}
        weights = {r: r.weight * factor for r, factor in factors.items()}  # (out, C)
        before = sum(statistics[r].expected_error(r.weight) for r in factors)
        after = sum(smoothed[r].expected_error(weights[r]) for r in factors)
        if before <= _MIN_GAIN * after:
            continue
        divide_channels(place, torch.cat(list(factors.values())))
        updated |= smoothed
    return updated


def divide_channels(place: Factors, factors: Tensor) -> None:
    """Divide channels by `factors` (C), and multiply the weights that read them."""
    place.set(1 / factors)
    parts = torch.split(factors, [reader.in_features for reader in place.readers])
    for reader, part in zip(place.readers, parts, strict=True):
        reader.weight = nn.Parameter(reader.weight * part, requires_grad=False)


def _factors(inputs: InputStatistics, weight: Tensor, strength: float) -> Tensor:
    """The number that each channel (C) is divided by."""
    # Without the clamp a channel that is always zero, or that no weight reads, would get an
    # extreme factor.
    activations, weights = (x.clamp(min=1e-5) for x in (inputs.largest, weight.abs().amax(dim=0)))
    factors = activations**strength / weights ** (1 - strength)
    return factors / factors.log().mean().exp()  # their geometric mean is 1
