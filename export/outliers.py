"""Outliers of activations, dealt with before int8: they would take the bits of all the others.

int8 activations share one scale. In a trained BERT a few channels are ten times larger than the
rest, and leave the rest a few bits. Neither cure changes what the model computes in fp32.

    smooth      Before query, key and value, and before the feed-forward: each channel is divided
                by a factor, and the weights that read it are multiplied by it (SmoothQuant, arXiv
                2211.10438). It costs one multiplication of the hidden states a time.
    set_apart   Inside the feed-forward the outliers are too large for that: weights that much
                larger would take the other weights' bits. But its channels can be parted, and the
                64 largest get two products of their own, and so a scale of their own. It costs two
                small products, and is done only where it quarters the expected error: random
                weights halve it by chance alone.
"""

import torch
from torch import Tensor, nn

from squeezebert_mobile.export.calibration import Inputs
from squeezebert_mobile.export.rewriting import Factors, FeedForward, Traceable

__all__ = ["STRENGTH", "set_apart", "smooth"]

#: 0 leaves all difficulty in the activations, 1 moves all of it into the weights.
STRENGTH = 0.7
_SET_APART = 64  # channels; kernels work on as many or fewer outputs at a time
_GAIN = 4  # all-MiniLM-L6-v2 is parted everywhere by 2 and by 4; random weights by 2 alone

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
        place.set(1 / torch.cat(list(factors.values())))
        for reader, factor in factors.items():
            reader.weight = nn.Parameter(reader.weight * factor, requires_grad=False)  # (out, C)
            moment = read[reader].moment / (factor[:, None] * factor)
            found[reader] = Inputs(read[reader].largest / factor, moment)
    return found


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
        if len(order) <= _SET_APART or _error(wide, second, order) <= _GAIN * sum(
            _error(wide, second, part) for part in parts
        ):
            continue
        group.part(parts)
        narrow, _ = found.pop(first), found.pop(second)
        for channels, new_first, new_second in zip(parts, *group.products, strict=True):
            found[new_first] = narrow
            found[new_second] = Inputs(wide.largest[channels], wide.moment[channels][:, channels])
    return found


def _error(read: Inputs, product: nn.Linear, channels: Tensor) -> float:
    """The expected squared error of the output, up to a constant, if `channels` share a scale."""
    step = read.largest[channels].max()
    return float(step**2 * product.weight[:, channels].square().sum())
