"""Statistics of what the encoder's products read on real text: ranges and second moments.

Ranges include padded positions: all positions share the one scale of an activation, and the largest
values can be at padding. Smoothing factors that were chosen without padding made the tokens beside
it unusable. Second moments leave padding out, because nothing reads the outputs there.
"""

import threading
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, replace

import torch
from torch import Tensor, nn

from squeezebert_mobile.export.feeds.building import TensorFeed
from squeezebert_mobile.export.quantize.recipe import ACTIVATION_STEPS, INT8_MAX
from squeezebert_mobile.models.rewriting import Traceable, encoder, products
from squeezebert_mobile.models.threads import one_thread

__all__ = ["InputStatistics", "Statistics", "calibrate", "hooked"]

_WORKERS = 2  # a feed is too small for two threads to share


@dataclass(frozen=True)
class InputStatistics:
    """Statistics of one product's inputs: vectors x of C channels."""

    largest: Tensor  # (C): the largest absolute value of each channel
    moment: Tensor  # (C, C): the sum of x x^T
    vectors: int

    def divided(self, factors: Tensor) -> "InputStatistics":
        """The statistics after each channel is divided by its factor (C)."""
        moment = self.moment / (factors[:, None] * factors)
        return replace(self, largest=self.largest / factors, moment=moment)

    def of_channels(self, channels: Tensor) -> "InputStatistics":
        """The statistics of some of the channels."""
        moment = self.moment[channels][:, channels]
        return replace(self, largest=self.largest[channels], moment=moment)

    def expected_error(self, weight: Tensor) -> float:
        """The expected squared error of a product's output in int8; weight (out, C).

        Inputs and weights are both rounded, each with an error uniform within half a step.
        """
        step = 2 * self.largest.max() / ACTIVATION_STEPS
        steps = weight.abs().amax(dim=1) / INT8_MAX  # (out)
        activations = self.vectors * step**2 * weight.square().sum()
        return float(activations + steps.square().sum() * self.moment.trace()) / 12


#: The statistics of each product's inputs.
Statistics = dict[nn.Linear, InputStatistics]


def calibrate(model: Traceable, feeds: Iterable[TensorFeed]) -> Statistics:
    """Run the encoder and record statistics of what each of its products reads.

    Args:
        model: The result of `rewrite`.
        feeds: Ids, mask and token types of representative texts, padded and unpadded.
    """
    feeds = list(feeds)
    run = encoder(model)  # a head with a vocabulary of 30,000 would take as long again
    state = threading.local()  # each worker has its own feeds

    def record(product: nn.Linear, arguments: tuple[Tensor]) -> None:
        inputs = arguments[0].flatten(0, -2)  # (B * S, C)
        # A layer that computes only the first token has B rows, none of them padding.
        text = inputs[state.mask] if len(inputs) == len(state.mask) else inputs
        largest = inputs.abs().amax(dim=0)
        if before := state.statistics.get(product):
            torch.maximum(before.largest, largest, out=before.largest)
            before.moment.addmm_(text.T, text)
            state.statistics[product] = replace(before, vectors=before.vectors + len(text))
        else:
            state.statistics[product] = InputStatistics(largest, text.T @ text, len(text))

    @torch.no_grad()
    def work(share: list[TensorFeed]) -> Statistics:
        state.statistics = {}
        for feed in share:
            ids, mask, token_types = (tensor.flatten(0, -2) for tensor in feed)  # (B, S)
            state.mask = mask.flatten().bool()  # (B * S)
            run(ids, mask, token_types)
        return state.statistics  # type: ignore[no-any-return]

    shares = [share for start in range(_WORKERS) if (share := feeds[start::_WORKERS])]
    with hooked(products(model), record), one_thread(), ThreadPoolExecutor(_WORKERS) as pool:
        first, *others = pool.map(work, shares)
    for other in others:
        first = {product: _merged(ours, other.pop(product)) for product, ours in first.items()}
    return first


def _merged(ours: InputStatistics, theirs: InputStatistics) -> InputStatistics:
    """The statistics of both; they are added to `ours`, because the moments are large."""
    torch.maximum(ours.largest, theirs.largest, out=ours.largest)
    ours.moment.add_(theirs.moment)
    return replace(ours, vectors=ours.vectors + theirs.vectors)


@contextmanager
def hooked(modules: Iterable[nn.Module], hook: Callable[..., object]) -> Iterator[None]:
    """Call `hook` before each of the modules runs, with the module and its arguments."""
    handles = [module.register_forward_pre_hook(hook) for module in modules]
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()
