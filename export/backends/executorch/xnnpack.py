"""Modules and operators in the form that XNNPACK's partitioner recognizes, for a batch of 1.

int8 products are written out as the partitioner expects them (quantize, dequantize, linear) rather
than found by a quantizer, so their weights keep the steps that calibration chose. At run time
XNNPACK quantizes a product's input per token: the result of a row does not depend on other rows.

Such a product is seven nodes of a graph, and the attention of a group is fifteen. Until the
partitioner runs, each is one custom operator: that halves the time of lowering.
"""

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from squeezebert_mobile.export.quantize.recipe import INT8_MAX
from squeezebert_mobile.models.linear_layers import Attention, AttentionGroup
from squeezebert_mobile.models.rewriting import map_children

__all__ = ["Product", "Table", "for_batch_of_one", "expand_custom_operators"]

_INT8_MIN = -INT8_MAX - 1
_SMALLEST_STEP = torch.finfo(torch.float32).eps


# Modules ------------------------------------------------------------------------------------


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
    """A product with int8 weights, as one custom operator until the partitioner runs."""

    def __init__(self, values: Tensor, scales: Tensor, bias: Tensor) -> None:  # noqa: D107
        super().__init__()
        self.out_features, self.in_features = values.shape
        self.values = nn.Buffer(values)  # (out, in) int8
        self.scales = nn.Buffer(scales)  # (out)
        self.zeros = nn.Buffer(torch.zeros(len(scales), dtype=torch.long))
        # A copy: for a view, such as a group's part of a bias, XNNPACK's serializer would store the
        # beginning of the underlying tensor.
        self.bias = nn.Buffer(bias.clone())  # (out)

    def forward(self, x: Tensor) -> Tensor:
        """(..., in) to (..., out)."""
        return torch.ops.squeezebert_mobile.product.default(  # type: ignore[no-any-return]
            x, self.values, self.scales, self.zeros, self.bias
        )


class _SingleRowGroup(nn.Module):
    """`AttentionGroup` for a batch of 1."""

    def __init__(self, group: AttentionGroup) -> None:
        super().__init__()
        self.in_features, self.heads, self.product = group.in_features, group.heads, group.product

    def forward(self, x: Tensor, mask: Tensor) -> Tensor:
        """(1, S, C/G) to (1, S, C/G)."""
        return _attend(self.product(x), mask, self.heads)


class _SingleRowAttention(nn.Module):
    """`Attention` for a batch of 1."""

    def __init__(self, attention: Attention) -> None:
        super().__init__()
        self.heads = attention.heads
        self.query, self.key, self.value = attention.query, attention.key, attention.value

    def forward(self, hidden: Tensor, mask: Tensor) -> Tensor:
        """(1, S, C) to (1, S, C)."""
        parts = [product(hidden) for product in (self.query, self.key, self.value)]
        return _attend(torch.cat(parts, dim=-1), mask, self.heads)


def _attend(projected: Tensor, mask: Tensor, heads: int) -> Tensor:
    """Scaled queries, keys and values side by side (1, S, 3C) to (1, S, C); mask (1, 1, 1, S)."""
    return torch.ops.squeezebert_mobile.attend.default(projected, mask, heads)  # type: ignore[no-any-return]


def for_batch_of_one(module: nn.Module) -> nn.Module:
    """A copy of the model with attention for a batch of 1."""
    copy = map_children(module, lambda name, child: for_batch_of_one(child))
    if isinstance(copy, AttentionGroup):
        return _SingleRowGroup(copy)
    return _SingleRowAttention(copy) if isinstance(copy, Attention) else copy


# Operators ----------------------------------------------------------------------------------

_LIBRARY = torch.library.Library("squeezebert_mobile", "DEF")  # type: ignore[no-untyped-call]
for _signature in (
    "product(Tensor x, Tensor values, Tensor scales, Tensor zeros, Tensor bias) -> Tensor",
    "attend(Tensor projected, Tensor mask, int heads) -> Tensor",
):
    _LIBRARY.define(_signature)  # type: ignore[no-untyped-call]


@torch.library.register_fake("squeezebert_mobile::product", lib=_LIBRARY)  # type: ignore[untyped-decorator]
def _product_shape(x: Tensor, values: Tensor, *rest: Tensor) -> Tensor:
    return x.new_empty((*x.shape[:-1], values.shape[0]))


@torch.library.register_fake("squeezebert_mobile::attend", lib=_LIBRARY)  # type: ignore[untyped-decorator]
def _attend_shape(projected: Tensor, mask: Tensor, heads: int) -> Tensor:
    return projected.new_empty((*projected.shape[:-1], projected.shape[-1] // 3))


def expand_custom_operators() -> Any:
    """A pass that expands the custom operators into operators of the edge dialect."""
    from executorch.exir.dialects._ops import ops
    from executorch.exir.pass_base import ExportPass

    aten, quantized = ops.edge.aten, ops.edge.quantized_decomposed
    ours = ops.edge.squeezebert_mobile
    limits = _INT8_MIN, INT8_MAX, torch.int8

    class _ExpandCustomOperators(ExportPass):  # type: ignore[misc]
        def call_operator(self, op: Any, args: Any, kwargs: Any, meta: Any) -> Any:
            def call(target: Any, *arguments: Any) -> Any:
                return super(_ExpandCustomOperators, self).call_operator(
                    target, arguments, {}, meta
                )

            if op == ours.product.default:
                return self.product(call, meta, *args)
            if op == ours.attend.default:
                return self.attend(call, *args)
            return super().call_operator(op, args, kwargs, meta)

        def product(
            self, call: Any, meta: Any, x: Any, values: Any, scales: Any, zeros: Any, bias: Any
        ) -> Any:
            parameters = call(
                quantized.choose_qparams.tensor, x, _INT8_MIN, INT8_MAX, _SMALLEST_STEP, torch.int8
            )
            scale, zero = (self.call_getitem(parameters, place, meta) for place in (0, 1))
            integers = call(quantized.quantize_per_tensor.tensor, x, scale, zero, *limits)
            weight = call(
                quantized.dequantize_per_channel.default,
                *(values, scales, zeros, 0, -INT8_MAX, INT8_MAX, torch.int8),
            )
            x = call(quantized.dequantize_per_tensor.tensor, integers, scale, zero, *limits)
            return call(aten.linear.default, x, weight, bias)

        def attend(self, call: Any, projected: Any, mask: Any, heads: int) -> Any:
            width = projected.data.shape[-1] // 3
            # Heads take the place of the batch, so that only the length is dynamic.
            all_heads = call(aten.view_copy.default, projected, [-1, 3 * heads, width // heads])
            all_heads = call(aten.permute_copy.default, all_heads, [1, 0, 2])  # (3H, S, D)
            query, key, value = (
                call(aten.slice_copy.Tensor, all_heads, 0, begin, begin + heads)  # (H, S, D)
                for begin in (0, heads, 2 * heads)
            )
            key = call(aten.permute_copy.default, key, [0, 2, 1])
            scores = call(aten.bmm.default, query, key)  # (H, S, S)
            scores = call(aten.add.Tensor, scores, call(aten.view_copy.default, mask, [1, 1, -1]))
            weights = call(aten._softmax.default, scores, -1, False)
            context = call(aten.bmm.default, weights, value)
            context = call(aten.permute_copy.default, context, [1, 0, 2])  # (S, H, D)
            return call(aten.view_copy.default, context, [1, -1, width])

    return _ExpandCustomOperators()
