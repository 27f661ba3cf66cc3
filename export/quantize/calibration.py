"""What the encoder's products read on real text: the ranges and the moments that int8 needs.

Padding is part of the ranges, because an activation's one scale covers padded positions too, and
they can be the largest: factors that were chosen without them made tokens beside padding useless.
It is no part of the moments, because nobody reads what is computed there.
"""

import threading
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, replace

import torch
from torch import Tensor, nn

from squeezebert_mobile.models.rewriting import Traceable, encoder, products
from squeezebert_mobile.models.threads import one_thread

__all__ = ["Inputs", "calibrate"]

_WORKERS = 2  # a feed is too small for two threads to share


@dataclass(frozen=True)
class Inputs:
    """What one product read: vectors x of C numbers."""

    largest: Tensor  # (C): the largest absolute value of each channel
    moment: Tensor  # (C, C): the sum of x x^T
    vectors: int  # how many there were


def calibrate(
    model: Traceable, feeds: Iterable[tuple[Tensor, Tensor, Tensor]]
) -> dict[nn.Linear, Inputs]:
    """Run the encoder, and look at what each of its products reads.

    Args:
        model: What `rewrite` gave.
        feeds: Ids, mask and token types, padded and not, of texts like those to come.
    """
    feeds = list(feeds)
    run = encoder(model)  # a head of 30,000 words would take as long again
    looking = threading.local()  # each worker at feeds of its own

    def look(product: nn.Linear, arguments: tuple[Tensor]) -> None:
        read = arguments[0].flatten(0, -2)  # (B * S, C)
        # Of a layer that computes the first token alone there are B rows, and none is padding.
        text = read[looking.mask] if len(read) == len(looking.mask) else read
        largest = read.abs().amax(dim=0)
        if before := looking.seen.get(product):
            torch.maximum(before.largest, largest, out=before.largest)
            before.moment.addmm_(text.T, text)
            looking.seen[product] = replace(before, vectors=before.vectors + len(text))
        else:
            looking.seen[product] = Inputs(largest, text.T @ text, len(text))

    @torch.no_grad()
    def work(share: list[tuple[Tensor, Tensor, Tensor]]) -> dict[nn.Linear, Inputs]:
        looking.seen = {}
        for feed in share:
            ids, mask, token_types = (each.flatten(0, -2) for each in feed)  # (B, S)
            looking.mask = mask.flatten().bool()  # (B * S)
            run(ids, mask, token_types)
        return looking.seen  # type: ignore[no-any-return]

    shares = [share for start in range(_WORKERS) if (share := feeds[start::_WORKERS])]
    with _looking(products(model), look), one_thread(), ThreadPoolExecutor(_WORKERS) as pool:
        first, *others = pool.map(work, shares)
    for other in others:
        first = {product: _together(seen, other[product]) for product, seen in first.items()}
    return first


def _together(one: Inputs, other: Inputs) -> Inputs:
    largest = torch.maximum(one.largest, other.largest)
    return Inputs(largest, one.moment + other.moment, one.vectors + other.vectors)


@contextmanager
def _looking(modules: Iterable[nn.Module], look: object) -> Iterator[None]:
    hooks = [module.register_forward_pre_hook(look) for module in modules]  # type: ignore[arg-type]
    try:
        yield
    finally:
        for hook in hooks:
            hook.remove()
