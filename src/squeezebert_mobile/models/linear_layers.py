"""Attention and feed-forward made of matrix products (nn.Linear), for the rewritten encoder.

`rewriting.py` explains how they differ from the published ones. The names of local variables in
`forward` are part of TorchScript artifacts.
Shapes: B batch, S sequence, C channels, G groups, H heads, D channels of a head.
"""
# ruff: noqa: D107  (the class docstring says what a layer becomes)

import functools
import math
from collections.abc import Iterable, Sequence
from typing import Any, cast

import torch
from torch import Tensor, nn

from squeezebert_mobile.models.activations import Activation
from squeezebert_mobile.models.modeling import EncoderLayer

__all__ = [
    "Attention",
    "AttentionGroup",
    "Factors",
    "FeedForward",
    "FirstTokenAttention",
    "Grouped",
    "WideFeedForward",
    "attend",
    "by_group",
    "has_whole_heads",
    "make_attention",
    "make_feed_forward",
    "split_heads",
]


# Products -----------------------------------------------------------------------------------


def _linear(weight: Tensor, bias: Tensor) -> nn.Linear:
    """A Linear with this weight (out, in) and bias (out)."""
    linear = nn.Linear(weight.shape[1], weight.shape[0], device="meta")
    linear.weight = nn.Parameter(weight.detach().contiguous(), requires_grad=False)
    linear.bias = nn.Parameter(bias.detach().contiguous(), requires_grad=False)
    return linear


def by_group(
    conv: nn.Conv1d, *, reads: nn.LayerNorm | None = None, adds: nn.LayerNorm | None = None
) -> list[tuple[Tensor, Tensor]]:
    """The weight (out/G, in/G) and bias (out/G) of each group of a convolution.

    Args:
        conv: The grouped convolution.
        reads: The norm whose output it reads; its scale and shift are folded in.
        adds: The norm whose output is added to the result; its shift is folded in.
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
    """Scales the input channels of several products; the identity until factors are set."""

    def __init__(self, readers: Iterable[nn.Module]) -> None:
        super().__init__()
        self._readers = tuple(readers)  # in a tuple, so that they are not registered as submodules
        self.factors: Tensor | None = None

    @property
    def readers(self) -> list[nn.Linear]:
        """The products that read the scaled channels, each its share of them, in order."""
        return [cast(nn.Linear, reader) for reader in self._readers]

    def set(self, factors: Tensor) -> None:
        """Multiply the channels by `factors` (C) from now on."""
        self.factors = nn.Parameter(factors, requires_grad=False)

    def forward(self, x: Tensor) -> Tensor:
        """(..., C) to (..., C)."""
        return x if self.factors is None else x * self.factors


class Grouped(nn.Module):
    """A pointwise grouped convolution as one product for each group."""

    def __init__(self, groups: list[tuple[Tensor, Tensor]]) -> None:
        super().__init__()
        self.products = nn.ModuleList(_linear(*group) for group in groups)

    @property
    def linears(self) -> list[nn.Linear]:
        """The product of each group."""
        return [cast(nn.Linear, product) for product in self.products]

    def forward(self, x: Tensor) -> Tensor:
        """(..., in) to (..., out)."""
        return _join([product(part) for product, part in _split(self.products, x)])


def _split(modules: nn.ModuleList, x: Tensor) -> list[tuple[nn.Module, Tensor]]:
    """Every module with its part of the last axis of `x`."""
    # A size taken from x would be computed at run time in the traced graph; this is a constant.
    width = cast(int, modules[0].in_features)
    parts = torch.split(x, width, dim=-1) if len(modules) > 1 else (x,)
    return list(zip(modules, parts, strict=True))


def _join(parts: list[Tensor]) -> Tensor:
    return torch.cat(parts, dim=-1) if len(parts) > 1 else parts[0]


# Attention ----------------------------------------------------------------------------------


def make_attention(layer: EncoderLayer, norm: nn.LayerNorm) -> nn.Module:
    """The attention of `layer`, whose input is the output of `norm`: (B, S, C) to (B, S, C)."""
    attention_class = AttentionByGroup if has_whole_heads(layer) else Attention
    return attention_class(layer, norm)


def has_whole_heads(layer: EncoderLayer) -> bool:
    """Whether query, key and value have the same group count, and groups hold whole heads."""
    groups = {conv.groups for conv in (layer.query, layer.key, layer.value)}
    return len(groups) == 1 and layer.heads % groups.pop() == 0


def _groups(layer: EncoderLayer, norm: nn.LayerNorm) -> Iterable[Any]:
    """For each group, the weight and bias of query, key and value; the query is scaled."""
    query, key, value = (
        by_group(conv, reads=norm) for conv in (layer.query, layer.key, layer.value)
    )
    head_size = layer.query.out_channels // layer.heads
    query = [(_scaled(weight, head_size), _scaled(bias, head_size)) for weight, bias in query]
    return zip(query, key, value, strict=True)


class AttentionByGroup(nn.Module):
    """Attention in which group g of query, key and value forms the heads of group g."""

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
            [group(part, mask) for group, part in _split(self.groups, self.factors(hidden))]
        )


class AttentionGroup(nn.Module):
    """The attention of one group's heads; one product computes their query, key and value.

    It is a module so that its nodes in the ONNX graph share a prefix, by which they are fused.
    """

    def __init__(self, product: nn.Linear, *, heads: int) -> None:
        super().__init__()
        self.in_features = product.in_features
        self.product = product
        self.heads = heads  # H/G

    def forward(self, x: Tensor, mask: Tensor) -> Tensor:
        """(B, S, C/G) to (B, S, C/G)."""
        # Splitting after the transpose needs one transpose only, and gives contiguous parts.
        heads = split_heads(self.product(x), 3 * self.heads)  # (B, 3H/G, S, D)
        query, key, value = torch.split(heads, self.heads, dim=1)  # (B, H/G, S, D) each
        return attend(query, key, value, mask)


class Attention(nn.Module):
    """Attention in which query, key and value may have different group counts."""

    def __init__(self, layer: EncoderLayer, norm: nn.LayerNorm) -> None:
        super().__init__()
        head_size = layer.query.out_channels // layer.heads
        self.heads = layer.heads
        self.query, self.key, self.value = (
            Grouped(by_group(conv, reads=norm)) for conv in (layer.query, layer.key, layer.value)
        )
        for product in self.query.products:
            product.weight.data = _scaled(product.weight.data, head_size)  # type: ignore[arg-type]
            product.bias.data = _scaled(product.bias.data, head_size)  # type: ignore[arg-type]

    def forward(self, hidden: Tensor, mask: Tensor) -> Tensor:
        """(B, S, C) to (B, S, C)."""
        query, key, value = (
            split_heads(product(hidden), self.heads)  # (B, H, S, D)
            for product in (self.query, self.key, self.value)
        )
        return attend(query, key, value, mask)


class FirstTokenAttention(nn.Module):
    """`AttentionByGroup` for the query of the first token only."""

    def __init__(self, layer: EncoderLayer, norm: nn.LayerNorm) -> None:
        super().__init__()
        heads = layer.heads // layer.query.groups
        self.first_token = nn.ModuleList(
            _FirstTokenGroup(*group, heads=heads) for group in _groups(layer, norm)
        )

    def forward(self, hidden: Tensor, mask: Tensor) -> Tensor:
        """(B, S, C) to (B, 1, C)."""
        return _join([group(part, mask) for group, part in _split(self.first_token, hidden)])


class _FirstTokenGroup(nn.Module):
    """The attention of one group's heads for a single query, without computing keys and values.

    q (W x)^T is (q W) x^T, and p (x W) is (p x) W: products of one row instead of S. The key's bias
    shifts all scores equally, so the softmax cancels it.
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
        zeros = torch.zeros(self.in_features)
        self.keys = nn.ModuleList(_linear(part.T, zeros) for part in key[0].chunk(heads))
        values = zip(value[0].chunk(heads), value[1].chunk(heads), strict=True)
        self.values = nn.ModuleList(_linear(*part) for part in values)

    def forward(self, x: Tensor, mask: Tensor) -> Tensor:
        """(B, S, C/G) to (B, 1, C/G)."""
        query = self.query(x[:, :1])  # (B, 1, C/G)
        per_head = [key(part) for key, part in _split(self.keys, query)]  # H/G of (B, 1, C/G)
        asked = torch.cat(per_head, dim=1)  # (B, H/G, C/G)
        scores = asked @ x.transpose(1, 2) + mask[:, 0]  # (B, H/G, S)
        found = torch.split(scores.softmax(dim=-1) @ x, 1, dim=1)  # H/G of (B, 1, C/G)
        parts = zip(self.values, found, strict=True)
        return _join([value(part) for value, part in parts])


def _scaled(query: Tensor, head_size: int) -> Tensor:
    return query / math.sqrt(head_size)


def split_heads(x: Tensor, heads: int) -> Tensor:
    """(B, S, H*D) to (B, H, S, D)."""
    return torch.unflatten(x, 2, (heads, -1)).transpose(1, 2)


def attend(query: Tensor, key: Tensor, value: Tensor, mask: Tensor) -> Tensor:
    """Attention for scaled queries, keys and values (B, H, S, D); the result is (B, S, H*D)."""
    scores = query @ key.transpose(2, 3) + mask  # (B, H, S, S)
    context = scores.softmax(dim=-1) @ value  # (B, H, S, D)
    return context.transpose(1, 2).flatten(2)


# Feed-forward -------------------------------------------------------------------------------


def make_feed_forward(layer: EncoderLayer) -> nn.Module:
    """The feed-forward of `layer`: (B, S, C) to (B, S, C)."""
    if layer.intermediate.groups == layer.output.groups:
        return FeedForwardByGroup(layer)
    return WideFeedForward(layer)


class WideFeedForward(nn.Module):
    """Feed-forward in which the two products may have different group counts."""

    def __init__(self, layer: EncoderLayer) -> None:
        super().__init__()
        norm = layer.attention_norm
        self.intermediate = Grouped(by_group(layer.intermediate, reads=norm))
        self.activation = layer.activation
        self.output = Grouped(by_group(layer.output, adds=norm))
        self.factors = Factors(self.intermediate.products)

    def forward(self, x: Tensor) -> Tensor:
        """(B, S, C) to (B, S, C)."""
        wide = self.activation(self.intermediate(self.factors(x)))
        return self.output(wide)  # type: ignore[no-any-return]


class FeedForwardByGroup(nn.Module):
    """Feed-forward with equal group counts: group g reads only group g of the first product."""

    def __init__(self, layer: EncoderLayer) -> None:
        super().__init__()
        norm = layer.attention_norm
        first = by_group(layer.intermediate, reads=norm)
        groups = zip(first, by_group(layer.output, adds=norm), strict=True)
        self.groups = nn.ModuleList(
            FeedForward(_linear(*first), layer.activation, _linear(*second))
            for first, second in groups
        )
        self.factors = Factors(cast(FeedForward, group).first[0] for group in self.groups)

    def forward(self, x: Tensor) -> Tensor:
        return _join([group(part) for group, part in _split(self.groups, self.factors(x))])


class FeedForward(nn.Module):
    """The two products of one group, with the activation between them.

    `split` divides the intermediate channels into parts: each part then has its own two products,
    and their results are added.
    """

    def __init__(self, first: nn.Linear, activation: Activation, second: nn.Linear) -> None:
        super().__init__()
        self.in_features = first.in_features
        self.first = nn.ModuleList([first])
        self.activation = activation
        self.second = nn.ModuleList([second])
        self.parts: list[Tensor] = []  # what `split` was called with

    @property
    def products(self) -> tuple[list[nn.Linear], list[nn.Linear]]:
        """The products to the intermediate channels and those from them, one of each per part."""
        return [cast(nn.Linear, p) for p in self.first], [cast(nn.Linear, p) for p in self.second]

    def split(self, channels: Sequence[Tensor]) -> None:
        """Split the intermediate channels into parts: one tensor of channel indices per part."""
        (first,), (second,) = self.products
        self.parts = list(channels)
        zeros = torch.zeros_like(second.bias)  # the bias must be added only once
        self.first = nn.ModuleList(_linear(first.weight[c], first.bias[c]) for c in channels)
        self.second = nn.ModuleList(
            _linear(second.weight[:, c], zeros if part else second.bias)
            for part, c in enumerate(channels)
        )

    def forward(self, x: Tensor) -> Tensor:
        """(..., C/G) to (..., C/G)."""
        parts = zip(self.first, self.second, strict=True)
        results: list[Tensor] = [second(self.activation(first(x))) for first, second in parts]
        return functools.reduce(torch.add, results)
