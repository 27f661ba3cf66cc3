"""int8 modules in the form that the lowering recognizes: torch's operators for quantized weights.

LiteRT reads int8 weights beside fp32 inputs, which it quantizes at run time: with one scale a
token, or, for the products of several groups at once, one for the text. Such a grouped product is a
convolution, for which XNNPACK has a kernel that needs no copies of the groups.
"""

import functools
from collections.abc import Sequence
from typing import TypeGuard, cast

import torch
from torch import Tensor, nn
from torch.nn import functional

from squeezebert_mobile.export.backends.litert.operators import dequantize_rows
from squeezebert_mobile.export.quantize.recipe import INT8_MAX
from squeezebert_mobile.models.linear_layers import (
    AttentionByGroup,
    AttentionGroup,
    FeedForward,
    FeedForwardByGroup,
    attend,
    split_heads,
)
from squeezebert_mobile.models.rewriting import map_children

__all__ = ["Product", "Table", "with_grouped_products"]


class _Int8Weight(nn.Module):
    """An int8 weight (N, ...) with a scale for each row."""

    def __init__(self, values: Tensor, scales: Tensor) -> None:
        super().__init__()
        self.values, self.scales = nn.Buffer(values), nn.Buffer(scales)
        self.zeros = nn.Buffer(torch.zeros(len(scales), dtype=torch.int64))

    @property
    def weight(self) -> Tensor:
        """The weight in fp32."""
        rows = self.values, self.scales, self.zeros
        return dequantize_rows(*rows, 0, -INT8_MAX, INT8_MAX, torch.int8)  # type: ignore[no-any-return]


class Table(_Int8Weight):
    """An int8 embedding table; only the rows that are looked up are dequantized."""

    def forward(self, ids: Tensor) -> Tensor:
        """(B, S) to (B, S, C)."""
        return functional.embedding(ids, self.weight)


class Product(_Int8Weight):
    """A product with int8 weights (out, in)."""

    def __init__(self, values: Tensor, scales: Tensor, bias: Tensor) -> None:  # noqa: D107
        super().__init__(values, scales)
        self.out_features, self.in_features = values.shape
        self.bias = nn.Buffer(bias)  # (out)

    def forward(self, x: Tensor) -> Tensor:
        """(..., in) to (..., out)."""
        return functional.linear(x, self.weight, self.bias)


class _GroupedProduct(_Int8Weight):
    """The products of all groups as one convolution."""

    def __init__(self, groups: Sequence[tuple[Tensor, ...]]) -> None:
        values, scales, biases = (torch.cat(parts) for parts in zip(*groups, strict=True))
        super().__init__(values[:, :, None], scales)  # (out, in/G, 1)
        self.bias, self.groups = nn.Buffer(biases), len(groups)

    def forward(self, x: Tensor) -> Tensor:
        """(1, S, in) to (1, S, out)."""
        wide = functional.conv1d(x.transpose(1, 2), self.weight, self.bias, groups=self.groups)
        return wide.transpose(1, 2)


class _GroupedAttention(nn.Module):
    """`AttentionByGroup` in which all heads attend at once."""

    def __init__(self, attention: AttentionByGroup, products: Sequence[Product]) -> None:
        super().__init__()
        self.factors = attention.factors
        self.heads = sum(cast(AttentionGroup, group).heads for group in attention.groups)
        thirds = [
            list(zip(*(tensor.chunk(3) for tensor in _tensors(product)), strict=True))
            for product in products
        ]
        # Of each group, the query, the key, or the value.
        self.products = nn.ModuleList(
            _GroupedProduct([each[place] for each in thirds]) for place in range(3)
        )

    def forward(self, hidden: Tensor, mask: Tensor) -> Tensor:
        """(1, S, C) to (1, S, C)."""
        hidden = self.factors(hidden)
        query, key, value = (split_heads(product(hidden), self.heads) for product in self.products)
        return attend(query, key, value, mask)


class _GroupedFeedForward(nn.Module):
    """`FeedForwardByGroup` with the products of all groups at once, for each part of a split."""

    def __init__(self, module: FeedForwardByGroup, groups: Sequence[FeedForward]) -> None:
        super().__init__()
        self.factors, self.activation = module.factors, groups[0].activation
        self.first, self.second = (
            nn.ModuleList(
                _GroupedProduct([_tensors(cast(Product, product)) for product in part])
                for part in zip(*(group.products[place] for group in groups), strict=True)
            )
            for place in range(2)
        )

    def forward(self, x: Tensor) -> Tensor:
        """(1, S, C) to (1, S, C)."""
        x = self.factors(x)
        parts = zip(self.first, self.second, strict=True)
        results: list[Tensor] = [second(self.activation(first(x))) for first, second in parts]
        return functools.reduce(torch.add, results)


def with_grouped_products(module: nn.Module) -> nn.Module:
    """A copy of a rewritten model with one convolution for the int8 products of several groups."""
    if isinstance(module, AttentionByGroup):
        products = [cast(AttentionGroup, group).product for group in module.groups]
        if _can_be_one(products):
            return _GroupedAttention(module, products)
    if isinstance(module, FeedForwardByGroup):
        groups = [cast(FeedForward, group) for group in module.groups]
        parts = {tuple(each.out_features for each in group.products[0]) for group in groups}
        every = [each for group in groups for side in group.products for each in side]
        if len(parts) == 1 and len(groups) > 1 and _can_be_one(every):
            return _GroupedFeedForward(module, groups)
    return map_children(module, lambda _, child: with_grouped_products(child))


def _can_be_one(products: Sequence[nn.Module]) -> TypeGuard[list[Product]]:
    """Whether there are several products, all of them in int8."""
    return len(products) > 1 and all(isinstance(product, Product) for product in products)


def _tensors(product: Product) -> tuple[Tensor, Tensor, Tensor]:
    return product.values, product.scales, product.bias
