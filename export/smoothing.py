"""Outliers of activations moved into weights, so that one scale a tensor fits them all.

int8 activations share one scale. In a trained BERT a few channels are ten times larger than the
rest, and the rest is left with a few bits. Dividing each channel by a factor and multiplying the
weights that read it by the same factor changes nothing in fp32 and evens the channels out
(SmoothQuant, arXiv 2211.10438). The factors come from the largest value that each channel takes on
calibration texts, and from the largest weight that reads it.

It costs one multiplication of the products' input: before query, key and value, before the
feed-forward and inside it.
"""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn

from squeezebert_mobile.export.rewriting import Factors, Traceable

__all__ = ["STRENGTH", "smooth"]

#: 0 leaves all difficulty in the activations, 1 moves all of it into the weights.
STRENGTH = 0.85


@torch.no_grad()
def smooth(model: Traceable, inputs: Iterable[tuple[Tensor, Tensor, Tensor]]) -> None:
    """Even out the channels that every product of the encoder but attention's last one reads.

    Args:
        model: What `rewrite` gave; its products are changed in place, its function is not.
        inputs: Ids, mask and token types without padding, of texts like those to come.
    """
    places = [module for module in model.modules() if isinstance(module, Factors)]
    with _largest_inputs(places) as largest:
        for feed in inputs:
            model(*feed)
    for place in places:
        factors = _factors(largest[place], place.readers)
        place.set(1 / factors)
        for weight, part in zip(place.readers, torch.split(factors, _widths(place)), strict=True):
            weight.weight = nn.Parameter(weight.weight * part, requires_grad=False)  # (out, in)


def _widths(place: Factors) -> list[int]:
    return [reader.in_features for reader in place.readers]


@contextmanager
def _largest_inputs(places: list[Factors]) -> Iterator[dict[Factors, Tensor]]:
    """The largest absolute value (C) of each channel that passes a place inside the block."""
    largest: dict[Factors, Tensor] = {}

    def look(place: Factors, arguments: tuple[Tensor]) -> None:
        found = arguments[0].abs().flatten(0, -2).amax(dim=0)
        largest[place] = torch.maximum(largest[place], found) if place in largest else found

    hooks = [place.register_forward_pre_hook(look) for place in places]
    try:
        yield largest
    finally:
        for hook in hooks:
            hook.remove()


def _factors(largest: Tensor, readers: list[nn.Linear]) -> Tensor:
    """What to divide each channel (C) by; readers share them in order."""
    weights = torch.cat([reader.weight.abs().amax(dim=0) for reader in readers])  # (C)
    tiny = torch.finfo(torch.float32).tiny ** 0.25  # a dead channel, or one that nobody reads
    factors = largest.clamp(min=tiny) ** STRENGTH / weights.clamp(min=tiny) ** (1 - STRENGTH)
    return factors / factors.log().mean().exp()  # around 1
