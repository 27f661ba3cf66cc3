"""A rewritten model in the words of XNNPACK, for a batch of 1.

int8 products are written as XNNPACK's partitioner knows them (quantize, dequantize, linear) rather
than found by a quantizer, so their weights keep the steps that calibration chose for them. At run
time XNNPACK quantizes what a product reads by token: a row's answer does not depend on others.

Such a product is seven nodes of a graph, and a group's attention fifteen. Until the partitioner
looks at them each is one, an operator of our own: that halves the time that lowering takes.
"""

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from squeezebert_mobile.models.linear_layers import Attention, AttentionGroup
from squeezebert_mobile.models.rewriting import map_children

__all__ = ["Product", "Table", "for_one", "spelled_out"]

_LOWEST, _HIGHEST = -128, 127
_SMALLEST_STEP = torch.finfo(torch.float32).eps


# Modules ------------------------------------------------------------------------------------


class Table(nn.Module):
    """An embedding table of bytes, of which only the rows looked up become floats."""

    def __init__(self, rows: Tensor, scales: Tensor) -> None:  # noqa: D107
        super().__init__()
        self.rows = nn.Buffer(rows)  # (N, C) int8
        self.scales = nn.Buffer(scales[:, None])  # (N, 1)

    def forward(self, ids: Tensor) -> Tensor:
        """(B, S) to (B, S, C)."""
        # XNNPACK turns bytes to floats ten times as fast as the kernel for a cast outside of it.
        found = torch.ops.quantized_decomposed.dequantize_per_tensor.default(
            functional.embedding(ids, self.rows), 1.0, 0, _LOWEST, _HIGHEST, torch.int8
        )
        return found * functional.embedding(ids, self.scales)  # type: ignore[no-any-return]


class Product(nn.Module):
    """A product of int8 weights, in the words that XNNPACK's partitioner looks for."""

    def __init__(self, values: Tensor, scales: Tensor, bias: Tensor) -> None:  # noqa: D107
        super().__init__()
        self.out_features, self.in_features = values.shape
        self.values = nn.Buffer(values)  # (out, in) int8
        self.scales = nn.Buffer(scales)  # (out)
        self.zeros = nn.Buffer(torch.zeros(len(scales), dtype=torch.long))
        # A copy: of a view, such as a group's part of a bias, XNNPACK's writer stores the beginning
        # of what it is a view of.
        self.bias = nn.Buffer(bias.clone())  # (out)

    def forward(self, x: Tensor) -> Tensor:
        """(..., in) to (..., out)."""
        return torch.ops.squeezebert_mobile.product.default(  # type: ignore[no-any-return]
            x, self.values, self.scales, self.zeros, self.bias
        )


class _GroupOfOne(nn.Module):
    """`AttentionGroup` for a batch of 1."""

    def __init__(self, group: AttentionGroup) -> None:
        super().__init__()
        self.in_features, self.heads, self.product = group.in_features, group.heads, group.product

    def forward(self, x: Tensor, mask: Tensor) -> Tensor:
        """(1, S, C/G) to (1, S, C/G)."""
        return _attend(self.product(x), mask, self.heads)


class _AttentionOfOne(nn.Module):
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


def for_one(module: nn.Module) -> nn.Module:
    """The model with attention for a batch of 1."""
    made = map_children(module, lambda name, child: for_one(child))
    if isinstance(made, AttentionGroup):
        return _GroupOfOne(made)
    return _AttentionOfOne(made) if isinstance(made, Attention) else made


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


def spelled_out() -> Any:
    """A pass that writes products and attention in operators of the edge dialect."""
    from executorch.exir.dialects._ops import ops
    from executorch.exir.pass_base import ExportPass

    aten, quantized = ops.edge.aten, ops.edge.quantized_decomposed
    ours = ops.edge.squeezebert_mobile
    limits = _LOWEST, _HIGHEST, torch.int8

    class _SpelledOut(ExportPass):  # type: ignore[misc]
        def call_operator(self, op: Any, args: Any, kwargs: Any, meta: Any) -> Any:
            def call(target: Any, *its_args: Any) -> Any:
                return super(_SpelledOut, self).call_operator(target, its_args, {}, meta)

            if op == ours.product.default:
                return self.product(call, meta, *args)
            if op == ours.attend.default:
                return self.attend(call, *args)
            return super().call_operator(op, args, kwargs, meta)

        def product(
            self, call: Any, meta: Any, x: Any, values: Any, scales: Any, zeros: Any, bias: Any
        ) -> Any:
            found = call(
                quantized.choose_qparams.tensor, x, _LOWEST, _HIGHEST, _SMALLEST_STEP, torch.int8
            )
            scale, zero = (self.call_getitem(found, place, meta) for place in (0, 1))
            bytes_ = call(quantized.quantize_per_tensor.tensor, x, scale, zero, *limits)
            weight = call(
                quantized.dequantize_per_channel.default,
                *(values, scales, zeros, 0, -_HIGHEST, _HIGHEST, torch.int8),
            )
            back = call(quantized.dequantize_per_tensor.tensor, bytes_, scale, zero, *limits)
            return call(aten.linear.default, back, weight, bias)

        def attend(self, call: Any, projected: Any, mask: Any, heads: int) -> Any:
            width = projected.data.shape[-1] // 3
            # Heads take the batch's place, so that the length alone is free.
            all_heads = call(aten.view_copy.default, projected, [-1, 3 * heads, width // heads])
            all_heads = call(aten.permute_copy.default, all_heads, [1, 0, 2])  # (3H, S, D)
            query, key, value = (
                call(aten.slice_copy.Tensor, all_heads, 0, begin, begin + heads)  # (H, S, D)
                for begin in (0, heads, 2 * heads)
            )
            key = call(aten.permute_copy.default, key, [0, 2, 1])
            scores = call(aten.bmm.default, query, key)  # (H, S, S)
            scores = call(aten.add.Tensor, scores, call(aten.view_copy.default, mask, [1, 1, -1]))
            chances = call(aten._softmax.default, scores, -1, False)
            context = call(aten.bmm.default, chances, value)
            context = call(aten.permute_copy.default, context, [1, 0, 2])  # (S, H, D)
            return call(aten.view_copy.default, context, [1, -1, width])

    return _SpelledOut()
