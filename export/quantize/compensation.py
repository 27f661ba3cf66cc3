"""The products that end a residual branch make up for the errors of everything before them.

GPTQ (`gptq.py`) rounds each product by itself, as if its inputs were exact. But in 4 bits the
products before it have changed them. So, from the first layer to the last, attention's output and
the feed-forward's second product are fitted to the inputs that the rounded layers below give, such
that the sum of the residual connection comes near to that of fp32: a ridge regression of what is
missing, which GPTQ rounds; what is then missing on average is added to the bias. It costs nothing
at run time.
"""

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import cast

import torch
from torch import Tensor, nn

from squeezebert_mobile.export.feeds.building import TensorFeed
from squeezebert_mobile.export.quantize.calibration import InputStatistics, hooked
from squeezebert_mobile.export.quantize.gptq import round_weights
from squeezebert_mobile.export.quantize.recipe import Activations
from squeezebert_mobile.export.quantize.rounding import round_activations
from squeezebert_mobile.models.linear_layers import (
    FeedForward,
    FeedForwardByGroup,
    WideFeedForward,
)
from squeezebert_mobile.models.modeling import additive_attention_mask
from squeezebert_mobile.models.rewriting import FirstTokenLayer, Layer, Traceable, encoder, layers

__all__ = ["compensate"]

#: Of the fitted change: all of it would follow a few thousand tokens too closely.
_SHARE = 0.7
_RIDGE = 0.3  # of the mean moment, added to the diagonal
#: Vectors for each channel; fewer say too little, as where only the first token is computed.
_MIN_VECTORS = 2


@dataclass
class _Stream:
    """The hidden states of one feed, on their way through the layers."""

    mask: Tensor  # (B, 1, 1, S): 0, or minus infinity at padding
    text: Tensor  # (B, S): True, or False at padding
    exact: Tensor  # (B, S, C): in fp32
    rounded: Tensor  # (B, S, C): with everything before it rounded

    def vectors(self, x: Tensor) -> Tensor:
        """The vectors (N, C) of x (B, S, C), or (B, 1, C), that are not padding."""
        return x[self.text[:, : x.shape[1]]]


@dataclass(frozen=True)
class _Half:
    """Half of a layer: attention or feed-forward, with the residual connection around it."""

    run: Callable[[Tensor, Tensor], Tensor]  # hidden states and mask to hidden states
    layer: nn.Module
    last: list[nn.Linear]  # side by side, they write all channels


@torch.no_grad()
def compensate(
    model: Traceable,
    weights: Mapping[nn.Module, Tensor],
    adjustable: Collection[nn.Module],
    activations: Activations,
    feeds: Sequence[TensorFeed],
    *,
    precision: str,
) -> dict[nn.Module, tuple[Tensor, Tensor]]:
    """The rounded weight and the bias of the products that end a residual branch.

    Args:
        model: The result of `rewrite`, with unrounded weights.
        weights: The rounded weights of its tables and of its encoder's products.
        adjustable: Which products may change.
        activations: How products quantize their inputs.
        feeds: Ids, mask and token types of representative texts.
        precision: What to round to.
    """
    embed = encoder(model).embeddings
    streams = []
    for feed in feeds:
        ids, mask, types = (tensor.flatten(0, -2) for tensor in feed)  # (B, S)
        exact = embed(ids, types, None, None)
        with _replaced(embed, weights):
            rounded = embed(ids, types, None, None)
        additive = additive_attention_mask(mask, exact.dtype)
        streams.append(_Stream(additive, mask.bool(), exact, rounded))
    result: dict[nn.Module, tuple[Tensor, Tensor]] = {}
    for layer in layers(model):
        for half in _halves(layer):
            fitted = [product for product in half.last if product in adjustable]
            result |= _advance(half, fitted, streams, weights, activations, precision)
    return result


def _halves(layer: nn.Module) -> Iterator[_Half]:
    assert isinstance(layer, Layer | FirstTokenLayer)
    yield _Half(layer.attend, layer, layer.attention_output.linears)
    module, feed = layer.feed_forward, layer.feed
    if isinstance(module, FeedForwardByGroup):  # outlier channels, in the other products, stay
        last = [cast(FeedForward, group).products[1][0] for group in module.groups]
    else:
        last = cast(WideFeedForward, module).output.linears
    yield _Half(lambda x, _: feed(x), layer, last)


def _advance(
    half: _Half,
    fitted: list[nn.Linear],
    streams: list[_Stream],
    weights: Mapping[nn.Module, Tensor],
    activations: Activations,
    precision: str,
) -> dict[nn.Module, tuple[Tensor, Tensor]]:
    """Take the hidden states through a half, and fit its last products."""
    for stream in streams:
        stream.exact = half.run(stream.exact, stream.mask)
    seen: dict[nn.Module, list[Tensor]] = {product: [] for product in fitted}

    def read(product: nn.Module, arguments: tuple[Tensor]) -> tuple[Tensor]:
        inputs = round_activations(arguments[0], activations)
        if product in seen:
            seen[product].append(inputs)
        return (inputs,)

    others = {module: weight for module, weight in weights.items() if module not in seen}
    products = [module for module in half.layer.modules() if isinstance(module, nn.Linear)]
    with _replaced(half.layer, others), hooked(products, read):
        for stream in streams:
            stream.rounded = half.run(stream.rounded, stream.mask)
    missing = torch.cat([stream.vectors(stream.exact - stream.rounded) for stream in streams])
    read_by, exact = dict[nn.Linear, InputStatistics](), [product.weight for product in fitted]
    for product in fitted:
        parts = zip(streams, seen[product], strict=True)
        vectors = torch.cat([stream.vectors(inputs) for stream, inputs in parts])
        moment = vectors.T @ vectors
        read_by[product] = InputStatistics(vectors.abs().amax(dim=0), moment, len(vectors))
        wanted = missing[:, _channels(half, product)]
        product.weight = _constant(product.weight + _change(vectors, wanted, moment))
    rounded = round_weights(read_by, precision=precision)
    for product, weight in zip(fitted, exact, strict=True):
        product.weight = weight
    return {
        product: _moved(half, product, rounded[product], streams, seen[product])
        for product in fitted
    }


def _change(vectors: Tensor, wanted: Tensor, moment: Tensor) -> Tensor:
    """What to add to a weight (out, C) so that the vectors (N, C) give more of what is wanted."""
    count, channels = vectors.shape
    if count < _MIN_VECTORS * channels:
        return torch.zeros(())
    damped = moment.double()
    damped.diagonal().add_(_RIDGE * damped.diagonal().mean().clamp(min=1e-12))
    change = torch.cholesky_solve((vectors.T @ wanted).double(), torch.linalg.cholesky(damped))
    return _SHARE * change.T.float()


def _moved(
    half: _Half, product: nn.Linear, weight: Tensor, streams: list[_Stream], seen: list[Tensor]
) -> tuple[Tensor, Tensor]:
    """The weight and the bias, with which the hidden states are computed anew."""
    channels = _channels(half, product)
    change = weight - product.weight
    for stream, inputs in zip(streams, seen, strict=True):
        stream.rounded[..., channels] += inputs @ change.T
    missing = torch.cat([s.vectors(s.exact - s.rounded)[:, channels] for s in streams])
    shift = missing.mean(dim=0)
    for stream in streams:
        stream.rounded[..., channels] += shift
    return weight, product.bias + shift


def _channels(half: _Half, product: nn.Linear) -> slice:
    """The channels that one of the last products writes."""
    start = sum(other.out_features for other in half.last[: half.last.index(product)])
    return slice(start, start + product.out_features)


@contextmanager
def _replaced(module: nn.Module, weights: Mapping[nn.Module, Tensor]) -> Iterator[None]:
    """Give the modules inside `module` other weights for a while."""
    before = {m: m.weight for m in module.modules() if m in weights}
    for changed in before:
        changed.weight = _constant(weights[changed])
    try:
        yield
    finally:
        for changed, weight in before.items():
            changed.weight = weight


def _constant(weight: Tensor) -> nn.Parameter:
    return nn.Parameter(weight, requires_grad=False)
