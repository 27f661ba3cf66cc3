"""Outliers of activations, dealt with before int8: they would take the bits of all the others.

int8 activations share one scale. In a trained BERT a few channels are ten times larger than the
rest, and leave the rest a few bits. Neither cure changes what the model computes in fp32.

    smooth      Before query, key and value, and before the feed-forward: each channel is divided
                by a factor, and the weights that read it are multiplied by it (SmoothQuant, arXiv
                2211.10438). It costs one multiplication of the hidden states a time, and is done
                only where it halves the expected error: of trained checkpoints.
    set_apart   Inside the feed-forward the outliers are too large for that: weights that much
                larger would take the other weights' bits. But its channels can be parted, and the
                16 largest get two products of their own, and so a scale of their own. It costs two
                small products, and is done only where it quarters the expected error: random
                weights halve it by chance alone.
"""

from dataclasses import replace

import torch
from torch import Tensor, nn

from squeezebert_mobile.export.quantize.calibration import Inputs
from squeezebert_mobile.models.linear_layers import Factors, FeedForward
from squeezebert_mobile.models.rewriting import Traceable

__all__ = ["STRENGTH", "set_apart", "smooth"]

#: 0 leaves all difficulty in the activations, 1 moves all of it into the weights.
STRENGTH = 0.7
_SET_APART = 16  # channels; docs/develop.md has what other numbers gave
# How many times smaller the expected error must become. Smoothing divides it by 2.6 to 11 in
# all-MiniLM-L6-v2, and by 1.6 at most in random weights. Parting: MiniLM is parted everywhere by 2
# and by 4, random weights by 2 alone.
_SMOOTHING_GAIN, _PARTING_GAIN = 2, 4

Read = dict[nn.Linear, Inputs]


@torch.no_grad()
def smooth(model: Traceable, read: Read) -> Read:
    """Even out the channels of the hidden states, for every place of `Factors`.

    Args:
        model: What `rewrite` gave; its products are changed in place, its function is not.
        read: What `calibrate` saw the products read.

    Returns:
        What the products read from now on.
    """
    found = dict(read)
    for place in (module for module in model.modules() if isinstance(module, Factors)):
        factors = {reader: _factors(read[reader], reader.weight) for reader in place.readers}
        smoothed = {reader: _divided(read[reader], factor) for reader, factor in factors.items()}
        weights = {reader: reader.weight * factor for reader, factor in factors.items()}  # (out, C)
        before = sum(_error(read[reader], reader.weight) for reader in factors)
        if before <= _SMOOTHING_GAIN * sum(_error(smoothed[r], weights[r]) for r in factors):
            continue
        place.set(1 / torch.cat(list(factors.values())))
        for reader in factors:
            reader.weight = nn.Parameter(weights[reader], requires_grad=False)
        found |= smoothed
    return found


def _divided(read: Inputs, factor: Tensor) -> Inputs:
    moment = read.moment / (factor[:, None] * factor)
    return replace(read, largest=read.largest / factor, moment=moment)


def _factors(read: Inputs, weight: Tensor) -> Tensor:
    """What to divide each channel (C) by."""
    # A dead channel, or one that nobody reads, must not get a factor out of all proportion.
    activations, weights = (x.clamp(min=1e-5) for x in (read.largest, weight.abs().amax(dim=0)))
    factors = activations**STRENGTH / weights ** (1 - STRENGTH)
    return factors / factors.log().mean().exp()  # around 1


@torch.no_grad()
def set_apart(model: Traceable, read: Read) -> Read:
    """Part the feed-forwards' channels where a few of them are far larger than the rest.

    Args:
        model: What `rewrite` gave; its feed-forwards are changed in place, its function is not.
        read: What the products read.

    Returns:
        What the products, among them the new ones, read from now on.
    """
    found = dict(read)
    for group in (module for module in model.modules() if isinstance(module, FeedForward)):
        (first,), (second,) = group.products
        wide = read[second]
        order = wide.largest.argsort(descending=True)
        parts = [order[_SET_APART:].sort().values, order[:_SET_APART].sort().values]
        if len(order) <= _SET_APART:
            continue
        found_parts = [_part(wide, channels) for channels in parts]
        after = sum(
            _error(part, second.weight[:, channels])
            for part, channels in zip(found_parts, parts, strict=True)
        )
        if _error(wide, second.weight) <= _PARTING_GAIN * after:
            continue
        group.part(parts)
        narrow, _ = found.pop(first), found.pop(second)
        for part, new_first, new_second in zip(found_parts, *group.products, strict=True):
            found[new_first], found[new_second] = narrow, part
    return found


def _part(read: Inputs, channels: Tensor) -> Inputs:
    moment = read.moment[channels][:, channels]
    return replace(read, largest=read.largest[channels], moment=moment)


def _error(read: Inputs, weight: Tensor) -> float:
    """The expected squared error of a product's output: both sides are rounded, by half a step."""
    step = 2 * read.largest.max() / 255
    steps = weight.abs().amax(dim=1) / 127  # (out)
    activations = read.vectors * step**2 * weight.square().sum()
    return float(activations + steps.square().sum() * read.moment.trace()) / 12
