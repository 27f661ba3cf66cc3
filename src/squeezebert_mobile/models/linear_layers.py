"""Encoder layers made of matrix products (nn.Linear): the modules of a rewritten model.

`rewriting.py` builds them from the published layers and explains why they are faster.
Shapes: B batch, S sequence, C channels, G groups, H heads, D channels of a head.
"""
# ruff: noqa: D107  (the class docstring says what a layer becomes)

import functools
import math
from collections.abc import Iterable, Sequence
from typing import Any, cast

import torch
from torch import Tensor, nn
from torch.nn import functional

from squeezebert_mobile.models.activations import Activation
from squeezebert_mobile.models.modeling import EncoderLayer

__all__ = [
    "Attention",
    "AttentionGroup",
    "Factors",
    "FeedForward",
    "FirstTokenLayer",
    "RewrittenLayer",
    "WideFeedForward",
    "has_whole_heads",
]


# Layers -------------------------------------------------------------------------------------


class _Norm(nn.Module):
    """A layer norm without scale and shift; the scale is for the sum that skips the products."""

    def __init__(self, norm: nn.LayerNorm) -> None:
        super().__init__()
        self.shape, self.eps = norm.normalized_shape, norm.eps
        self.scale = norm.weight  # (C)

    def forward(self, x: Tensor) -> Tensor:
        return functional.layer_norm(x, self.shape, eps=self.eps)


class RewrittenLayer(nn.Module):
    """`EncoderLayer` after the rewrite, from the sum before one norm to the sum before another."""

    def __init__(self, layer: EncoderLayer, norm: nn.LayerNorm) -> None:
        super().__init__()
        self.norm = _Norm(norm)
        self.attention = _attention(layer, norm)
        self.attention_output = _Grouped(_by_group(layer.attention_output, adds=norm))
        self.feed_forward_norm = _Norm(layer.attention_norm)
        self.feed_forward = _feed_forward(layer)

    def forward(self, x: Tensor, mask: Tensor) -> Tensor:
        """(B, S, C) to (B, S, C)."""
        normal = self.norm(x)
        x = self.attention_output(self.attention(normal, mask)) + normal * self.norm.scale
        normal = self.feed_forward_norm(x)
        return self.feed_forward(normal) + normal * self.feed_forward_norm.scale  # type: ignore[no-any-return]


class FirstTokenLayer(nn.Module):
    """The last layer where only its first token is read."""

    def __init__(self, layer: EncoderLayer, norm: nn.LayerNorm) -> None:
        super().__init__()
        self.norm = _Norm(norm)
        self.attention = _FirstTokenAttention(layer, norm)
        self.attention_output = _Grouped(_by_group(layer.attention_output, adds=norm))
        self.first_token_norm = _Norm(layer.attention_norm)
        self.feed_forward = _feed_forward(layer)

    def forward(self, x: Tensor, mask: Tensor) -> Tensor:
        """(B, S, C) to (B, 1, C)."""
        normal = self.norm(x)
        first = normal[:, :1] * self.norm.scale
        first = self.attention_output(self.attention(normal, mask)) + first
        normal = self.first_token_norm(first)
        return self.feed_forward(normal) + normal * self.first_token_norm.scale  # type: ignore[no-any-return]


# Products -----------------------------------------------------------------------------------


def _linear(weight: Tensor, bias: Tensor) -> nn.Linear:
    """A Linear with this weight (out, in) and bias (out)."""
    linear = nn.Linear(weight.shape[1], weight.shape[0], device="meta")
    linear.weight = nn.Parameter(weight.detach().contiguous(), requires_grad=False)
    linear.bias = nn.Parameter(bias.detach().contiguous(), requires_grad=False)
    return linear


def _by_group(
    conv: nn.Conv1d, *, reads: nn.LayerNorm | None = None, adds: nn.LayerNorm | None = None
) -> list[tuple[Tensor, Tensor]]:
    """The weight (out/G, in/G) and bias (out/G) of each group.

    Args:
        conv: The grouped convolution.
        reads: The norm whose output it reads; what it reads from now on is only normalized.
        adds: The norm whose output is added; what is added from now on has no shift.
    """
    assert conv.bias is not None
    weights = conv.weight.squeeze(-1).chunk(conv.groups)  # G of (out/G, in/G)
    biases = conv.bias.chunk(conv.groups)  # G of (out/G)
    if reads is not None:
        scales, shifts = reads.weight.chunk(conv.groups), reads.bias.chunk(conv.groups)
        biases = tuple(b + w @ shift for w, b, shift in zip(weights, biases, shifts, strict=True))
        weights = tuple(w * scale for w, scale in zip(weights, scales, strict=True))
    if adds is not None:
        shifts = adds.bias.chunk(conv.groups)
        biases = tuple(b + shift for b, shift in zip(biases, shifts, strict=True))
    return list(zip(weights, biases, strict=True))


class Factors(nn.Module):
    """A factor for each channel on the way to products that share them; none until it is set."""

    def __init__(self, readers: Iterable[nn.Module]) -> None:
        super().__init__()
        self._readers = tuple(readers)  # a tuple: they are modules of another, not of this one
        self.factors: Tensor | None = None

    @property
    def readers(self) -> list[nn.Linear]:
        """The products, each of which reads its share of the channels, in order."""
        return [cast(nn.Linear, reader) for reader in self._readers]

    def set(self, factors: Tensor) -> None:
        """Multiply by `factors` (C) from now on."""
        self.factors = nn.Parameter(factors, requires_grad=False)

    def forward(self, x: Tensor) -> Tensor:
        """(..., C) to (..., C)."""
        return x if self.factors is None else x * self.factors


class _Grouped(nn.Module):
    """A pointwise grouped convolution, given by group, as one product a group."""

    def __init__(self, groups: list[tuple[Tensor, Tensor]]) -> None:
        super().__init__()
        self.products = nn.ModuleList(_linear(*group) for group in groups)

    def forward(self, x: Tensor) -> Tensor:
        return _join([product(part) for product, part in _each(self.products, x)])


def _each(modules: nn.ModuleList, x: Tensor) -> list[tuple[nn.Module, Tensor]]:
    """Every module with its part of the last axis."""
    # A size read off x would be computed at run time in the traced graph; this one is a number.
    width = cast(int, modules[0].in_features)
    parts = torch.split(x, width, dim=-1) if len(modules) > 1 else (x,)
    return list(zip(modules, parts, strict=True))


def _join(parts: list[Tensor]) -> Tensor:
    return torch.cat(parts, dim=-1) if len(parts) > 1 else parts[0]


# Attention ----------------------------------------------------------------------------------


def _attention(layer: EncoderLayer, norm: nn.LayerNorm) -> nn.Module:
    form = _AttentionByGroup if has_whole_heads(layer) else Attention
    return form(layer, norm)


def has_whole_heads(layer: EncoderLayer) -> bool:
    """Whether query, key and value have the same groups, and these hold whole heads."""
    groups = {conv.groups for conv in (layer.query, layer.key, layer.value)}
    return len(groups) == 1 and layer.heads % groups.pop() == 0


def _groups(layer: EncoderLayer, norm: nn.LayerNorm) -> Iterable[Any]:
    """The weight and bias of each group's query, key and value."""
    query, key, value = (
        _by_group(conv, reads=norm) for conv in (layer.query, layer.key, layer.value)
    )
    head_size = layer.query.out_channels // layer.heads
    query = [(_scaled(weight, head_size), _scaled(bias, head_size)) for weight, bias in query]
    return zip(query, key, value, strict=True)


class _AttentionByGroup(nn.Module):
    """Group g of query, key and value makes the heads of group g."""

    def __init__(self, layer: EncoderLayer, norm: nn.LayerNorm) -> None:
        super().__init__()
        self.groups = nn.ModuleList(
            AttentionGroup(
                _linear(
                    torch.cat([query[0], key[0], value[0]]),  # (3C/G, C/G)
                    torch.cat([query[1], key[1], value[1]]),  # (3C/G)
                ),
                heads=layer.heads // layer.query.groups,
            )
            for query, key, value in _groups(layer, norm)
        )
        self.factors = Factors(cast(AttentionGroup, group).product for group in self.groups)

    def forward(self, hidden: Tensor, mask: Tensor) -> Tensor:
        return _join(
            [group(part, mask) for group, part in _each(self.groups, self.factors(hidden))]
        )


class AttentionGroup(nn.Module):
    """One product gives query, key and value of a group's heads, which attend by themselves.

    A module of its own, so that its nodes in the graph share a name: `attention.py` fuses them.
    """

    def __init__(self, product: nn.Linear, *, heads: int) -> None:
        super().__init__()
        self.in_features = product.in_features
        self.product = product
        self.heads = heads  # H/G

    def forward(self, x: Tensor, mask: Tensor) -> Tensor:
        """(B, S, C/G) to (B, S, C/G)."""
        # Split after the transpose: the parts are then contiguous, and there is one transpose.
        heads = _split_heads(self.product(x), 3 * self.heads)  # (B, 3H/G, S, D)
        query, key, value = torch.split(heads, self.heads, dim=1)  # (B, H/G, S, D) each
        return _attend(query, key, value, mask)


class Attention(nn.Module):
    """Query, key and value with group counts of their own."""

    def __init__(self, layer: EncoderLayer, norm: nn.LayerNorm) -> None:
        super().__init__()
        head_size = layer.query.out_channels // layer.heads
        self.heads = layer.heads
        self.query, self.key, self.value = (
            _Grouped(_by_group(conv, reads=norm)) for conv in (layer.query, layer.key, layer.value)
        )
        for product in self.query.products:
            product.weight.data = _scaled(product.weight.data, head_size)  # type: ignore[arg-type]
            product.bias.data = _scaled(product.bias.data, head_size)  # type: ignore[arg-type]

    def forward(self, hidden: Tensor, mask: Tensor) -> Tensor:
        """(B, S, C) to (B, S, C)."""
        query, key, value = (
            _split_heads(product(hidden), self.heads)  # (B, H, S, D)
            for product in (self.query, self.key, self.value)
        )
        return _attend(query, key, value, mask)


class _FirstTokenAttention(nn.Module):
    """`_AttentionByGroup` for the query of the first token."""

    def __init__(self, layer: EncoderLayer, norm: nn.LayerNorm) -> None:
        super().__init__()
        heads = layer.heads // layer.query.groups
        self.first_token = nn.ModuleList(
            _FirstTokenGroup(*group, heads=heads) for group in _groups(layer, norm)
        )

    def forward(self, hidden: Tensor, mask: Tensor) -> Tensor:
        """(B, S, C) to (B, 1, C)."""
        return _join([group(part, mask) for group, part in _each(self.first_token, hidden)])


class _FirstTokenGroup(nn.Module):
    """A single query needs no keys and values: what it asks and what it gets are worked out.

    q (W x)^T is (q W) x^T, and p (x W) is (p x) W: products of one row instead of S. A key's bias
    is the same for every token, so the softmax does not see it.
    """

    def __init__(
        self,
        query: tuple[Tensor, Tensor],
        key: tuple[Tensor, Tensor],
        value: tuple[Tensor, Tensor],
        *,
        heads: int,
    ) -> None:
        super().__init__()
        self.query = _linear(*query)
        self.in_features = self.query.in_features
        nothing = torch.zeros(self.in_features)
        self.keys = nn.ModuleList(_linear(part.T, nothing) for part in key[0].chunk(heads))
        values = zip(value[0].chunk(heads), value[1].chunk(heads), strict=True)
        self.values = nn.ModuleList(_linear(*part) for part in values)

    def forward(self, x: Tensor, mask: Tensor) -> Tensor:
        """(B, S, C/G) to (B, 1, C/G)."""
        query = self.query(x[:, :1])  # (B, 1, C/G)
        asked = torch.cat([key(part) for key, part in _each(self.keys, query)], dim=1)
        scores = asked @ x.transpose(1, 2) + mask[:, 0]  # (B, H/G, S)
        found = torch.split(scores.softmax(dim=-1) @ x, 1, dim=1)  # H/G of (B, 1, C/G)
        parts = zip(self.values, found, strict=True)
        return _join([value(part) for value, part in parts])


def _scaled(query: Tensor, head_size: int) -> Tensor:
    return query / math.sqrt(head_size)


def _split_heads(x: Tensor, heads: int) -> Tensor:
    """(B, S, H*D) to (B, H, S, D)."""
    return torch.unflatten(x, 2, (heads, -1)).transpose(1, 2)


def _attend(query: Tensor, key: Tensor, value: Tensor, mask: Tensor) -> Tensor:
    """Attention of scaled queries (B, H, S, D), keys and values alike, as (B, S, H*D)."""
    scores = query @ key.transpose(2, 3) + mask  # (B, H, S, S)
    context = scores.softmax(dim=-1) @ value  # (B, H, S, D)
    return context.transpose(1, 2).flatten(2)


# Feed-forward -------------------------------------------------------------------------------


def _feed_forward(layer: EncoderLayer) -> nn.Module:
    if layer.intermediate.groups == layer.output.groups:
        return _FeedForwardByGroup(layer)
    return WideFeedForward(layer)


class WideFeedForward(nn.Module):
    """Two products with group counts of their own."""

    def __init__(self, layer: EncoderLayer) -> None:
        super().__init__()
        norm = layer.attention_norm
        self.intermediate = _Grouped(_by_group(layer.intermediate, reads=norm))
        self.activation = layer.activation
        self.output = _Grouped(_by_group(layer.output, adds=norm))
        self.factors = Factors(self.intermediate.products)

    def forward(self, x: Tensor) -> Tensor:
        """(B, S, C) to (B, S, C)."""
        wide = self.activation(self.intermediate(self.factors(x)))
        return self.output(wide)  # type: ignore[no-any-return]


class _FeedForwardByGroup(nn.Module):
    """With equal group counts, group g of the second product reads group g of the first."""

    def __init__(self, layer: EncoderLayer) -> None:
        super().__init__()
        norm = layer.attention_norm
        first = _by_group(layer.intermediate, reads=norm)
        groups = zip(first, _by_group(layer.output, adds=norm), strict=True)
        self.groups = nn.ModuleList(
            FeedForward(_linear(*first), layer.activation, _linear(*second))
            for first, second in groups
        )
        self.factors = Factors(cast(FeedForward, group).first[0] for group in self.groups)

    def forward(self, x: Tensor) -> Tensor:
        return _join([group(part) for group, part in _each(self.groups, self.factors(x))])


class FeedForward(nn.Module):
    """The two products of a group, and the activation between them.

    The channels between the products can be parted: each part has products of its own, and what
    these give adds up.
    """

    def __init__(self, first: nn.Linear, activation: Activation, second: nn.Linear) -> None:
        super().__init__()
        self.in_features = first.in_features
        self.first = nn.ModuleList([first])
        self.activation = activation
        self.second = nn.ModuleList([second])

    @property
    def products(self) -> tuple[list[nn.Linear], list[nn.Linear]]:
        """The products into the wide layer and those out of it, a pair for each part."""
        return [cast(nn.Linear, p) for p in self.first], [cast(nn.Linear, p) for p in self.second]

    def part(self, channels: Sequence[Tensor]) -> None:
        """Part the channels between the products: one tensor of numbers for each part."""
        (first,), (second,) = self.products
        nothing = torch.zeros_like(second.bias)  # the bias is to be added once
        self.first = nn.ModuleList(_linear(first.weight[c], first.bias[c]) for c in channels)
        self.second = nn.ModuleList(
            _linear(second.weight[:, c], nothing if place else second.bias)
            for place, c in enumerate(channels)
        )

    def forward(self, x: Tensor) -> Tensor:
        """(..., C/G) to (..., C/G)."""
        parts = zip(self.first, self.second, strict=True)
        results: list[Tensor] = [second(self.activation(first(x))) for first, second in parts]
        return functools.reduce(torch.add, results)
