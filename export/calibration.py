"""What the encoder's products read on real text: the ranges and the moments that int8 needs.

Padding is part of the ranges, because an activation's one scale covers padded positions too, and
they can be the largest: factors that were chosen without them made tokens beside padding useless.
It is no part of the moments, because nobody reads what is computed there.
"""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace

import torch
from torch import Tensor, nn

from squeezebert_mobile.export.rewriting import Traceable, encoder, products

__all__ = ["Inputs", "calibrate"]


@dataclass(frozen=True)
class Inputs:
    """What one product read: vectors x of C numbers."""

    largest: Tensor  # (C): the largest absolute value of each channel
    moment: Tensor  # (C, C): the sum of x x^T
    vectors: int  # how many there were


@torch.no_grad()
def calibrate(
    model: Traceable, feeds: Iterable[tuple[Tensor, Tensor, Tensor]]
) -> dict[nn.Linear, Inputs]:
    """Run the encoder, and look at what each of its products reads.

    Args:
        model: What `rewrite` gave.
        feeds: Ids, mask and token types, padded and not, of texts like those to come.
    """
    seen: dict[nn.Linear, Inputs] = {}
    mask = torch.empty(0)
    run = encoder(model)  # a head of 30,000 words would take as long again

    def look(product: nn.Linear, arguments: tuple[Tensor]) -> None:
        read = arguments[0].flatten(0, -2)  # (B * S, C)
        # Of a layer that computes the first token alone there are B rows, and none is padding.
        text = read[mask] if len(read) == len(mask) else read
        largest = read.abs().amax(dim=0)
        if before := seen.get(product):
            torch.maximum(before.largest, largest, out=before.largest)
            before.moment.addmm_(text.T, text)
            seen[product] = replace(before, vectors=before.vectors + len(text))
        else:
            seen[product] = Inputs(largest, text.T @ text, len(text))

    with _looking(products(model), look):
        for feed in feeds:
            ids, attention_mask, token_types = (each.flatten(0, -2) for each in feed)  # (B, S)
            mask = attention_mask.flatten().bool()  # (B * S)
            run(ids, attention_mask, token_types)
    return seen


@contextmanager
def _looking(modules: Iterable[nn.Module], look: object) -> Iterator[None]:
    hooks = [module.register_forward_pre_hook(look) for module in modules]  # type: ignore[arg-type]
    try:
        yield
    finally:
        for hook in hooks:
            hook.remove()
