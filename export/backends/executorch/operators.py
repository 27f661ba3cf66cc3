"""The custom operators that a model for XNNPACK is traced with.

Each is large: a layer is 15 nodes of the traced graph instead of hundreds, and the time to lower is
proportional to their number. ExecuTorch's partitioner takes them whole, and `visitors.py` writes
each as XNNPACK's own operators. They are never run by torch, so only their shapes are defined here.

With `fp16` they compute in fp16: a register of a phone's core holds eight of its numbers, not four.
Shapes: S sequence, C channels, N output channels, H heads, G groups. The batch is 1.
"""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

__all__ = ["NAMES", "NAMESPACE", "operator"]

NAMESPACE = "squeezebert_mobile"
_LIBRARY = torch.library.Library(NAMESPACE, "DEF")  # type: ignore[no-untyped-call]


def _float(fp16: bool) -> torch.dtype:
    return torch.float16 if fp16 else torch.float32


def _product(x: Tensor, values: Tensor, scales: Tensor, bias: Tensor) -> Tensor:
    """A product with int8 weights; XNNPACK quantizes `x` with one scale per token.

    Shapes: x (..., C), values (N, C) int8, scales and bias (N); the result is (..., N).
    """
    return x.new_empty((*x.shape[:-1], len(values)), dtype=torch.float32)


def _grouped_product(
    x: Tensor, values: Tensor, scales: Tensor, bias: Tensor, groups: int, fp16: bool
) -> Tensor:
    """G products with int8 weights side by side; `x` is quantized with one scale for the text.

    Shapes: x (1, 1, S, C), values (N, C/G, 1, 1) int8, scales and bias (N); result (1, 1, S, N).
    """
    return x.new_empty((*x.shape[:-1], len(values)), dtype=_float(fp16))


def _attend(
    query: Tensor, key: Tensor, value: Tensor, mask: Tensor, heads: int, fp16: bool
) -> Tensor:
    """Attention for scaled queries, keys and values (..., S, C), to (..., S, C) in fp32.

    The mask (1, 1, 1, S) is added to the scores. With `fp16`, all is computed in fp16.
    """
    return query.new_empty(query.shape, dtype=torch.float32)


def _attend_joined(projected: Tensor, mask: Tensor, heads: int, fp16: bool) -> Tensor:
    """`_attend` with query, key and value side by side (..., S, 3C), to (..., S, C)."""
    shape = *projected.shape[:-1], projected.shape[-1] // 3
    return projected.new_empty(shape, dtype=torch.float32)


def _normalize(x: Tensor, eps: Tensor, two_passes: bool) -> Tensor:
    """A layer norm without scale and shift, of (1, 1, S, C) in fp32; eps is (1).

    With `two_passes`, the mean is subtracted before the variance is computed.
    """
    return torch.empty_like(x)


def _fp16_gelu(x: Tensor) -> Tensor:
    """Gelu, computed in fp16; the result is fp16."""
    return torch.empty_like(x, dtype=torch.float16)


_SHAPES: dict[str, Callable[..., Tensor]] = {
    "product": _product,
    "grouped_product": _grouped_product,
    "attend": _attend,
    "attend_joined": _attend_joined,
    "normalize": _normalize,
    "fp16_gelu": _fp16_gelu,
}
NAMES = tuple(_SHAPES)

for _name, _shape in _SHAPES.items():
    _LIBRARY.define(_name + torch.library.infer_schema(_shape, mutates_args=()))  # type: ignore[no-untyped-call]
    torch.library.register_fake(f"{NAMESPACE}::{_name}", _shape, lib=_LIBRARY)


def operator(name: str) -> Any:
    """The custom operator `name` for use in a module's forward."""
    return getattr(getattr(torch.ops, NAMESPACE), name).default
