"""Modules in the form that is lowered to XNNPACK, for a batch of 1.

int8 weights keep the steps that calibration chose. At run time XNNPACK quantizes what a product
reads: with one scale per token, or, for the products of several groups at once, one per text.

In an int8 model attention and Gelu run in fp16, where fp16 cannot overflow: a layer norm bounds
what its readers compute (`_largest_score`). A layer whose products stay fp32 runs in fp32.
"""

import functools
import math
from collections.abc import Sequence
from typing import TypeGuard, cast

import torch
from torch import Tensor, nn
from torch.nn import functional

from squeezebert_mobile.export.backends.executorch.operators import operator
from squeezebert_mobile.export.quantize.recipe import INT8_MAX
from squeezebert_mobile.models.linear_layers import (
    Attention,
    AttentionByGroup,
    AttentionGroup,
    Factors,
    FeedForward,
    FeedForwardByGroup,
)
from squeezebert_mobile.models.rewriting import (
    Encoder,
    FirstTokenLayer,
    Layer,
    Norm,
    map_children,
)

__all__ = ["Product", "Table", "fits_fp16", "for_xnnpack"]

_INT8_MIN = -INT8_MAX - 1
#: Half of the largest number of fp16, which leaves room for what rounding adds.
_FP16_LIMIT = torch.finfo(torch.float16).max / 2


def _image(x: Tensor) -> Tensor:
    """(1, S, C) or (1, 1, S, C) to (1, 1, S, C), the layout of a convolution."""
    return x if x.dim() == 4 else x.view(1, 1, -1, x.shape[-1])


def _sequence(x: Tensor) -> Tensor:
    """(1, 1, S, C) or (1, S, C) to (1, S, C)."""
    return x if x.dim() == 3 else x.view(1, -1, x.shape[-1])


class Table(nn.Module):
    """An int8 embedding table; only the rows that are looked up are dequantized."""

    def __init__(self, rows: Tensor, scales: Tensor) -> None:  # noqa: D107
        super().__init__()
        self.rows = nn.Buffer(rows)  # (N, C) int8
        self.scales = nn.Buffer(scales[:, None])  # (N, 1)

    def forward(self, ids: Tensor) -> Tensor:
        """(B, S) to (B, S, C)."""
        # XNNPACK converts int8 to float ten times as fast as the portable kernel for a cast.
        rows = torch.ops.quantized_decomposed.dequantize_per_tensor.default(
            functional.embedding(ids, self.rows), 1.0, 0, _INT8_MIN, INT8_MAX, torch.int8
        )
        return rows * functional.embedding(ids, self.scales)  # type: ignore[no-any-return]


class Product(nn.Module):
    """A product with int8 weights, which reads int8 with one scale per token."""

    def __init__(self, values: Tensor, scales: Tensor, bias: Tensor) -> None:  # noqa: D107
        super().__init__()
        self.out_features, self.in_features = values.shape
        self.values = nn.Buffer(values)  # (out, in) int8
        self.scales = nn.Buffer(scales)  # (out)
        # A copy: for a view, such as a group's part of a bias, XNNPACK's serializer would store the
        # beginning of the underlying tensor.
        self.bias = nn.Buffer(bias.clone())  # (out)

    def forward(self, x: Tensor) -> Tensor:
        """(1, S, in) to (1, S, out)."""
        return operator("product")(x, self.values, self.scales, self.bias)  # type: ignore[no-any-return]

    @property
    def weight(self) -> Tensor:
        """The weight (out, in) in fp32."""
        return self.values * self.scales[:, None]

    def bound(self, norm: float) -> float:
        """The largest absolute value of the result, for inputs of this Euclidean norm."""
        return float((self.weight.norm(dim=1) * norm + self.bias.abs()).max())


class _GroupedProduct(nn.Module):
    """The products of all groups, which read int8 with one scale for the text."""

    def __init__(self, groups: list[tuple[Tensor, ...]], *, fp16: bool) -> None:
        super().__init__()
        values, scales, biases = (torch.cat(parts) for parts in zip(*groups, strict=True))
        self.values = nn.Buffer(values[:, :, None, None])  # (out, in/G, 1, 1) int8
        self.scales, self.bias = nn.Buffer(scales), nn.Buffer(biases)  # (out)
        self.groups, self.fp16 = len(groups), fp16

    def forward(self, x: Tensor) -> Tensor:
        """(1, 1, S, in) to (1, 1, S, out), in fp16 if `fp16`; or the same without the second 1."""
        constants = self.values, self.scales, self.bias
        out: Tensor = operator("grouped_product")(_image(x), *constants, self.groups, self.fp16)
        return out if x.dim() == 4 else _sequence(out)


class _Norm(nn.Module):
    """`Norm` inside the delegate.

    In an int8 encoder all but the first compute the variance in one pass, as E[x²] - E[x]², as in
    ONNX Runtime's kernel. It is accurate where the mean is not much larger than the deviation:
    embeddings may have a large mean, hidden states have been normalized.
    """

    def __init__(self, norm: Norm) -> None:
        super().__init__()
        self.scale = norm.scale
        self.two_passes = True
        self.eps = nn.Buffer(torch.tensor([norm.eps]))

    def forward(self, x: Tensor) -> Tensor:
        """(1, 1, S, C) or (1, S, C), to the same."""
        out: Tensor = operator("normalize")(_image(x), self.eps, self.two_passes)
        return out if x.dim() == 4 else _sequence(out)


class _LayerNorm(nn.Module):
    """`nn.LayerNorm` inside the delegate."""

    def __init__(self, norm: nn.LayerNorm) -> None:
        super().__init__()
        self.weight, self.bias = norm.weight, norm.bias
        self.eps = nn.Buffer(torch.tensor([norm.eps]))

    def forward(self, x: Tensor) -> Tensor:
        """(1, S, C) or (1, 1, S, C), to (1, S, C)."""
        normal = _sequence(operator("normalize")(_image(x), self.eps, True))
        return normal * self.weight + self.bias


class _Image(nn.Module):
    """A layer between whose operators a text is (1, 1, S, C)."""

    def __init__(self, layer: nn.Module) -> None:
        super().__init__()
        self.layer = layer

    def forward(self, x: Tensor, mask: Tensor) -> Tensor:
        """(1, S, C) for the first layer, and (1, 1, S, C), to (1, 1, S, C)."""
        return self.layer(_image(x), mask)  # type: ignore[no-any-return]


class _Sequence(nn.Module):
    """A module that reads (1, S, C), after such layers."""

    def __init__(self, module: nn.Module) -> None:
        super().__init__()
        self.module = module

    def forward(self, x: Tensor, *rest: Tensor) -> Tensor:
        """(1, 1, S, C) to what the module gives for (1, S, C)."""
        return self.module(_sequence(x), *rest)  # type: ignore[no-any-return]


# Attention ----------------------------------------------------------------------------------


class _GroupedAttention(nn.Module):
    """`AttentionByGroup` of several groups in int8: all heads attend at once, in fp16."""

    def __init__(self, attention: AttentionByGroup, products: list["Product"]) -> None:
        super().__init__()
        self.factors = attention.factors
        self.heads = sum(group.heads for group in _groups(attention))
        # Query, key and value are apart, so that each is (S, H*D) without a copy.
        thirds = [[_thirds(product)[place] for product in products] for place in range(3)]
        self.products = nn.ModuleList(_GroupedProduct(parts, fp16=True) for parts in thirds)

    def forward(self, hidden: Tensor, mask: Tensor) -> Tensor:
        """(1, S, C) to (1, S, C)."""
        hidden = self.factors(hidden)
        parts = [product(hidden) for product in self.products]
        return operator("attend")(*parts, mask, self.heads, True)  # type: ignore[no-any-return]


def _groups(attention: AttentionByGroup) -> list[AttentionGroup]:
    return [cast(AttentionGroup, group) for group in attention.groups]


def _thirds(product: Product) -> list[tuple[Tensor, ...]]:
    """The values, scales and bias of query, key and value."""
    tensors = product.values, product.scales, product.bias
    return list(zip(*(tensor.chunk(3) for tensor in tensors), strict=True))


class _AttentionGroup(nn.Module):
    """`AttentionGroup` for a batch of 1."""

    def __init__(self, group: AttentionGroup, *, fp16: bool) -> None:
        super().__init__()
        self.in_features, self.heads, self.product = group.in_features, group.heads, group.product
        self.fp16 = fp16

    def forward(self, x: Tensor, mask: Tensor) -> Tensor:
        """(1, S, C/G) to (1, S, C/G)."""
        return operator("attend_joined")(self.product(x), mask, self.heads, self.fp16)  # type: ignore[no-any-return]


class _Attention(nn.Module):
    """`Attention` for a batch of 1."""

    def __init__(self, attention: Attention) -> None:
        super().__init__()
        self.heads = attention.heads
        self.query, self.key, self.value = attention.query, attention.key, attention.value

    def forward(self, hidden: Tensor, mask: Tensor) -> Tensor:
        """(1, S, C) to (1, S, C)."""
        parts = [product(hidden) for product in (self.query, self.key, self.value)]
        return operator("attend")(*parts, mask, self.heads, False)  # type: ignore[no-any-return]


def fits_fp16(model: nn.Module) -> dict[str, bool]:
    """Whether fp16 holds all values between int8 products.

    Returns:
        The path of each attention ("layers.0.attention scores") and Gelu -> whether it does. Others
        are computed in fp32.
    """
    fits = {}
    for name, module in model.named_modules():
        if isinstance(module, AttentionByGroup):
            products = [group.product for group in _groups(module)]
            if _are_int8(products):
                fits[f"{name} scores"] = _attention_fits(module, products)
        if isinstance(module, FeedForwardByGroup):
            found = [_gelu_fits(module, group) for group in _feed_forwards(module)]
            if any(fit is not None for fit in found):
                fits[f"{name} activation"] = False not in found
    return fits


def _attention(attention: AttentionByGroup) -> nn.Module:
    products: list[nn.Module] = [group.product for group in _groups(attention)]
    fp16 = False
    if _are_int8(products) and _attention_fits(attention, products):
        if len(products) > 1:
            return _GroupedAttention(attention, products)
        fp16 = True
    groups = nn.ModuleList(_AttentionGroup(group, fp16=fp16) for group in _groups(attention))
    return map_children(attention, lambda name, child: groups if name == "groups" else child)


def _are_int8(products: Sequence[nn.Module]) -> TypeGuard[list[Product]]:
    return all(isinstance(product, Product) for product in products)


def _attention_fits(attention: AttentionByGroup, products: Sequence[Product]) -> bool:
    """Whether no value of this attention can be larger than fp16 holds."""
    channels = sum(product.in_features for product in products)
    norm = _norm_bound(attention.factors, channels)
    heads = _groups(attention)[0].heads
    return all(_attention_bound(product, heads, norm) < _FP16_LIMIT for product in products)


def _norm_bound(factors: Factors, channels: int) -> float:
    """The largest Euclidean norm of what products read: a normalized token, times factors."""
    largest = 1.0 if factors.factors is None else float(factors.factors.abs().max())
    return math.sqrt(channels) * largest


def _attention_bound(product: Product, heads: int, norm: float) -> float:
    """A bound of queries, keys, values and scores, for inputs of this norm."""
    query, key, _ = (
        torch.linalg.matrix_norm(weight.unflatten(0, (heads, -1)), ord=2) * norm  # type: ignore[no-untyped-call]
        + bias.unflatten(0, (heads, -1)).norm(dim=1)  # type: ignore[no-untyped-call]
        for weight, bias in zip(product.weight.chunk(3), product.bias.chunk(3), strict=True)
    )  # (H) each
    return max(float((query * key).max()), product.bound(norm))


# Feed-forward -------------------------------------------------------------------------------


class _Fp16Gelu(nn.Module):
    """Gelu in fp16."""

    def forward(self, x: Tensor) -> Tensor:
        """(1, S, C) to (1, S, C) in fp16."""
        return operator("fp16_gelu")(x)  # type: ignore[no-any-return]


class _GroupedFeedForward(nn.Module):
    """`FeedForwardByGroup` of several groups in int8, with Gelu in fp16."""

    def __init__(self, factors: Factors, groups: Sequence[FeedForward]) -> None:
        super().__init__()
        self.factors = factors
        # Each part of a split feed-forward has the products of all groups.
        self.first = _by_part([group.products[0] for group in groups], fp16=True)
        self.second = _by_part([group.products[1] for group in groups], fp16=False)

    def forward(self, x: Tensor) -> Tensor:
        """(1, S, C) to (1, S, C)."""
        x = self.factors(x)
        parts = zip(self.first, self.second, strict=True)
        results: list[Tensor] = [second(operator("fp16_gelu")(first(x))) for first, second in parts]
        return functools.reduce(torch.add, results)


def _by_part(groups: Sequence[Sequence[nn.Module]], *, fp16: bool) -> nn.ModuleList:
    """The products of each group by part, as a grouped product for each part."""
    parts = zip(*(cast(Sequence[Product], group) for group in groups), strict=True)
    return nn.ModuleList(
        _GroupedProduct([(p.values, p.scales, p.bias) for p in part], fp16=fp16) for part in parts
    )


def _feed_forward(module: FeedForwardByGroup) -> nn.Module:
    groups = _feed_forwards(module)
    same_parts = len({tuple(p.out_features for p in group.products[0]) for group in groups}) == 1
    if len(groups) > 1 and same_parts and all(_gelu_fits(module, group) for group in groups):
        return _GroupedFeedForward(module.factors, groups)
    return map_children(
        module,
        lambda name, child: (
            nn.ModuleList(_feed_forward_group(module, group) for group in groups)
            if name == "groups"
            else child
        ),
    )


def _feed_forward_group(module: FeedForwardByGroup, group: FeedForward) -> FeedForward:
    copy = cast(FeedForward, map_children(group, lambda _, child: child))
    if _gelu_fits(module, group):
        copy.activation = _Fp16Gelu()
    return copy


def _feed_forwards(module: FeedForwardByGroup) -> list[FeedForward]:
    return [cast(FeedForward, group) for group in module.groups]


def _gelu_fits(module: FeedForwardByGroup, group: FeedForward) -> bool | None:
    """Whether no input of a group's Gelu can be larger than fp16 holds; None for others."""
    first, second = group.products
    products: list[nn.Module] = [*first, *second]
    if not _are_int8(products) or group.activation is not functional.gelu:
        return None
    channels = sum(each.in_features for each in _feed_forwards(module))
    norm = _norm_bound(module.factors, channels)
    return all(product.bound(norm) < _FP16_LIMIT for product in products[: len(first)])


# The model ----------------------------------------------------------------------------------


def for_xnnpack(module: nn.Module) -> nn.Module:
    """A copy of a rewritten model, or of a part of it, in the form for XNNPACK."""
    if isinstance(module, AttentionByGroup):
        return _attention(module)
    if isinstance(module, FeedForwardByGroup):
        return _feed_forward(module)
    if isinstance(module, Attention):
        return _Attention(module)
    if isinstance(module, Norm):
        return _Norm(module)
    copy = map_children(module, lambda _, child: for_xnnpack(child))
    if isinstance(module, Layer):
        return _Image(copy)
    if isinstance(module, FirstTokenLayer):
        return _Sequence(copy)
    if isinstance(copy, Encoder):
        if any(isinstance(child, Product) for child in module.modules()):
            _, *later = (child for child in copy.modules() if isinstance(child, _Norm))
            for norm in later:
                norm.two_passes = False
        copy._modules["last_norm"] = _LayerNorm(copy.last_norm)
    return copy
