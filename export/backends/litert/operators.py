"""torch's operators as those of LiteRT: one function for each, which appends to a subgraph.

Shapes of results come from torch itself, by running the operator on tensors without data.
"""

import math
import operator
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import torch
import torch.ao.quantization.fx._decomposed  # registers torch.ops.quantized_decomposed
from ai_edge_litert import schema_py_generated as schema
from torch import Tensor

from squeezebert_mobile.export.backends.litert.tflite_file import TensorRef
from squeezebert_mobile.export.backends.litert.writer import Operand, Weight, Writer

__all__ = ["HANDLERS", "dequantize_rows"]

aten: Any = torch.ops.aten
#: An int8 matrix in fp32, for the scale of each row.
dequantize_rows: Any = torch.ops.quantized_decomposed.dequantize_per_channel.default


def _broadcast(*shapes: tuple[int, ...]) -> tuple[int, ...]:
    return tuple(torch.broadcast_shapes(*shapes))  # type: ignore[no-untyped-call]


def _shape_of(function: Callable[..., Any], x: TensorRef, *args: Any) -> tuple[int, ...]:
    """The shape of `function(x, *args)`."""
    return tuple(function(torch.empty(x.shape, device="meta"), *args).shape)


def _axis(axis: int, x: TensorRef) -> int:
    return axis % len(x.shape)


# Elementwise --------------------------------------------------------------------------------

_BINARY_OPTIONS = {
    "ADD": schema.AddOptionsT,
    "SUB": schema.SubOptionsT,
    "MUL": schema.MulOptionsT,
    "DIV": schema.DivOptionsT,
    "MAXIMUM": schema.MaximumMinimumOptionsT,
    "MINIMUM": schema.MaximumMinimumOptionsT,
}


def _binary(w: Writer, name: str, a: Operand, b: Operand) -> TensorRef:
    refs = _of_one_type(w, a, b)
    shape = _broadcast(*(ref.shape for ref in refs))
    return w.add(name, refs, shape, _BINARY_OPTIONS[name](), refs[0].dtype)


def _of_one_type(w: Writer, a: Operand, b: Operand) -> list[TensorRef]:
    """Both as tensors; a number has the type of the tensor beside it."""
    dtypes = [each.dtype for each in (a, b) if isinstance(each, TensorRef)]
    return [
        w.subgraph.constant(np.array(each, dtypes[0]))
        if isinstance(each, int | float)
        else w.ref(each)
        for each in (a, b)
    ]


def _arithmetic(name: str) -> Callable[..., TensorRef]:
    return lambda w, a, b: _binary(w, name, a, b)


def _unary(name: str, options: Any = None) -> Callable[..., TensorRef]:
    return lambda w, x, *_: w.add(name, [x], x.shape, options and options())


def _gelu(w: Writer, x: TensorRef, approximate: str = "none") -> TensorRef:
    options = schema.GeluOptionsT(approximate=approximate == "tanh")
    return w.add("GELU", [x], x.shape, options)


def _power(w: Writer, x: TensorRef, exponent: float) -> TensorRef:
    """A power of a whole number of 2 or more, as products."""
    assert exponent == int(exponent) >= 2, exponent
    result = x
    for _ in range(int(exponent) - 1):
        result = _binary(w, "MUL", result, x)
    return result


def _clamp(
    w: Writer, x: TensorRef, low: float | None = None, high: float | None = None
) -> TensorRef:
    if low is not None:
        x = _binary(w, "MAXIMUM", x, float(low))
    return x if high is None else _binary(w, "MINIMUM", x, float(high))


def _silu(w: Writer, x: TensorRef) -> TensorRef:
    return _binary(w, "MUL", x, w.add("LOGISTIC", [x], x.shape))


def _softplus(w: Writer, x: TensorRef, beta: float = 1, threshold: float = 20) -> TensorRef:
    """log(1 + exp(x)), as max(x, 0) + log(1 + exp(-|x|)), which cannot overflow."""
    small = w.add("EXP", [_binary(w, "MUL", w.add("ABS", [x], x.shape), -1.0)], x.shape)
    positive = w.add("RELU", [x], x.shape)
    return _binary(w, "ADD", positive, w.add("LOG", [_binary(w, "ADD", small, 1.0)], x.shape))


def _mish(w: Writer, x: TensorRef) -> TensorRef:
    return _binary(w, "MUL", x, w.add("TANH", [_softplus(w, x)], x.shape))


def _leaky_relu(w: Writer, x: TensorRef, slope: float = 0.01) -> TensorRef:
    return w.add("LEAKY_RELU", [x], x.shape, schema.LeakyReluOptionsT(alpha=slope))


def _equal(w: Writer, x: TensorRef, number: float) -> TensorRef:
    refs = _of_one_type(w, x, number)
    return w.add("EQUAL", refs, x.shape, schema.EqualOptionsT(), np.bool_)


def _masked_fill(w: Writer, x: Operand, mask: TensorRef, number: float) -> TensorRef:
    x = w.ref(x)
    shape = _broadcast(x.shape, mask.shape)
    return w.add("SELECT_V2", [mask, float(number), x], shape, schema.SelectV2OptionsT())


def _zeros_like(w: Writer, x: TensorRef, dtype: Any = torch.float32, **_: Any) -> Tensor:
    return torch.zeros(x.shape, dtype=dtype)


# Products and norms -------------------------------------------------------------------------


def _linear(w: Writer, x: TensorRef, weight: Weight, bias: Weight | None = None) -> TensorRef:
    shape = (*x.shape[:-1], weight.shape[0])
    options = schema.FullyConnectedOptionsT(keepNumDims=True, asymmetricQuantizeInputs=True)
    return w.add("FULLY_CONNECTED", [x, weight, bias], shape, options)


def _conv1d(
    w: Writer, x: TensorRef, weight: Weight, bias: Weight, *strides_and_groups: Any
) -> TensorRef:
    """A convolution of width 1 between two transposes, neither of which is run."""
    rows = w.transposed[x]  # (1, S, C)
    out = weight.shape[0]
    filters = Weight(weight.name, weight.values.transpose(1, 2)[:, None], weight.scales)
    options = schema.Conv2DOptionsT(
        padding=schema.Padding.VALID,
        strideW=1,
        strideH=1,
        dilationWFactor=1,
        dilationHFactor=1,
    )
    length = rows.shape[1]
    image = _reshaped(w, rows, (1, 1, *rows.shape[1:]))
    product = w.add("CONV_2D", [image, filters, bias], (1, 1, length, out), options)
    return _transpose(w, _reshaped(w, product, (1, length, out)), 1, 2)


def _dequantize_rows(
    w: Writer, values: Weight, scales: Weight, zeros: Any, axis: int, *_: Any
) -> Weight:
    assert axis == 0
    return Weight(values.name, values.values, scales.values)


def _matmul(w: Writer, a: TensorRef, b: TensorRef) -> TensorRef:
    shape = (*_broadcast(a.shape[:-2], b.shape[:-2]), a.shape[-2], b.shape[-1])
    plain = w.transposed.get(b)
    options = schema.BatchMatMulOptionsT(adjY=plain is not None)
    return w.add("BATCH_MATMUL", [a, b if plain is None else plain], shape, options)


def _softmax(w: Writer, x: TensorRef, axis: int, dtype: Any = None) -> TensorRef:
    assert _axis(axis, x) == len(x.shape) - 1
    return w.add("SOFTMAX", [x], x.shape, schema.SoftmaxOptionsT(beta=1.0))


def _layer_norm(
    w: Writer,
    x: TensorRef,
    shape: Sequence[int],
    weight: Weight | None = None,
    bias: Weight | None = None,
    eps: float = 1e-5,
    *_: Any,
) -> TensorRef:
    """LiteRT has no layer norm; the variance is computed in two passes."""
    centred = _binary(w, "SUB", x, _mean(w, x))
    variance = _mean(w, _binary(w, "MUL", centred, centred))
    inverse = w.add("RSQRT", [_binary(w, "ADD", variance, eps)], variance.shape)
    result = _binary(w, "MUL", centred, inverse)
    if weight is not None:
        result = _binary(w, "MUL", result, weight)
    return result if bias is None else _binary(w, "ADD", result, bias)


def _mean(w: Writer, x: TensorRef) -> TensorRef:
    """The mean over the last axis, which is kept."""
    axes = w.ints([x.rank - 1])
    return w.add("MEAN", [x, axes], (*x.shape[:-1], 1), schema.ReducerOptionsT(keepDims=True))


# Tables -------------------------------------------------------------------------------------


def _embedding(w: Writer, table: Weight, ids: TensorRef | Tensor, *_: Any) -> TensorRef:
    shape = (*ids.shape, table.shape[1])
    if isinstance(ids, Tensor):  # positions
        ids = w.ints(ids.flatten().tolist())
    else:
        ids = _reshaped(w, ids, (math.prod(ids.shape),))
    rows = w.add("EMBEDDING_LOOKUP", [ids, table], (*ids.shape, table.shape[1]))
    return _reshaped(w, rows, shape)


# Shapes -------------------------------------------------------------------------------------


def _reshaped(w: Writer, x: TensorRef, shape: Sequence[int]) -> TensorRef:
    rank = min(len(shape), len(x.shape))
    if tuple(shape[len(shape) - rank :]) == x.shape[len(x.shape) - rank :]:
        return replace(x, shape=tuple(shape))
    return w.reshape(x, shape)


def _reshape(function: Callable[..., Any]) -> Callable[..., TensorRef]:
    """The handler of an operator that changes nothing but the shape."""
    return lambda w, x, *args: _reshaped(w, x, _shape_of(function, x, *args))


def _transpose(w: Writer, x: TensorRef, a: int, b: int) -> TensorRef:
    order = list(range(len(x.shape)))
    a, b = _axis(a, x), _axis(b, x)
    are_last = {a, b} == {len(order) - 2, len(order) - 1}
    if are_last and x in w.transposed:
        return w.transposed[x]
    order[a], order[b] = order[b], order[a]
    shape = [x.shape[axis] for axis in order]
    result = w.add("TRANSPOSE", [x, w.ints(order)], shape, schema.TransposeOptionsT(), x.dtype)
    if are_last:
        w.transposed[result] = x
    return result


def _split(w: Writer, x: TensorRef, size: int, axis: int = 0) -> list[TensorRef]:
    axis = _axis(axis, x)
    if x.shape[axis] % size:
        starts = range(0, x.shape[axis], size)
        return [_slice(w, x, axis, start, start + size) for start in starts]
    count = x.shape[axis] // size
    shape = [*x.shape[:axis], size, *x.shape[axis + 1 :]]
    options = schema.SplitOptionsT(numSplits=count)
    inputs = [w.subgraph.constant(np.array(axis, np.int32)), w.as_shaped(x)]
    return w.subgraph.add("SPLIT", inputs, [shape] * count, options, x.dtype)


def _unbind(w: Writer, x: TensorRef, axis: int = 0) -> list[TensorRef]:
    return [_select(w, x, axis, place) for place in range(x.shape[_axis(axis, x)])]


def _slice(
    w: Writer,
    x: TensorRef,
    axis: int = 0,
    start: int | None = None,
    end: int | None = None,
    *_: Any,
) -> TensorRef:
    axis = _axis(axis, x)
    start, end, _step = slice(start, end).indices(x.shape[axis])
    if (start, end) == (0, x.shape[axis]):
        return x
    begins, sizes = [0] * len(x.shape), list(x.shape)
    begins[axis], sizes[axis] = start, end - start
    inputs = [x, w.ints(begins), w.ints(sizes)]
    return w.add("SLICE", inputs, sizes, schema.SliceOptionsT(), x.dtype)


def _select(w: Writer, x: TensorRef, axis: int, place: int) -> TensorRef:
    axis = _axis(axis, x)
    part = _slice(w, x, axis, place, place + 1)
    return _reshaped(w, part, [size for i, size in enumerate(x.shape) if i != axis])


def _cat(w: Writer, parts: Sequence[TensorRef], axis: int = 0) -> TensorRef:
    axis = _axis(axis, parts[0])
    shape = list(parts[0].shape)
    shape[axis] = sum(part.shape[axis] for part in parts)
    options = schema.ConcatenationOptionsT(axis=axis)
    return w.add("CONCATENATION", parts, shape, options, parts[0].dtype)


# By operator --------------------------------------------------------------------------------

HANDLERS: dict[Any, Callable[..., Any]] = {
    operator.getitem: lambda w, parts, place: parts[place],
    aten.sym_size.int: lambda w, x, axis: x.shape[axis],
    aten.dropout.default: lambda w, x, *_: x,
    aten.add.Tensor: _arithmetic("ADD"),
    aten.sub.Tensor: _arithmetic("SUB"),
    aten.mul.Tensor: _arithmetic("MUL"),
    aten.div.Tensor: _arithmetic("DIV"),
    aten.rsub.Scalar: lambda w, x, number: _binary(w, "SUB", number, x),
    aten.pow.Tensor_Scalar: _power,
    aten.square.default: lambda w, x: _binary(w, "MUL", x, x),
    aten.sqrt.default: _unary("SQRT"),
    aten.tanh.default: _unary("TANH"),
    aten.sigmoid.default: _unary("LOGISTIC"),
    aten.relu.default: _unary("RELU"),
    aten.relu6.default: _unary("RELU6"),
    aten.hardswish.default: _unary("HARD_SWISH", schema.HardSwishOptionsT),
    aten.hardtanh.default: _clamp,
    aten.clamp.default: _clamp,
    aten.clip.default: _clamp,
    aten.leaky_relu.default: _leaky_relu,
    aten.silu.default: _silu,
    aten.mish.default: _mish,
    aten.softplus.default: _softplus,
    aten.gelu.default: _gelu,
    aten.eq.Scalar: _equal,
    aten.masked_fill.Scalar: _masked_fill,
    aten.zeros_like.default: _zeros_like,
    aten.linear.default: _linear,
    aten.conv1d.default: _conv1d,
    dequantize_rows: _dequantize_rows,
    aten.matmul.default: _matmul,
    aten.softmax.int: _softmax,
    aten.layer_norm.default: _layer_norm,
    aten.embedding.default: _embedding,
    aten.reshape.default: _reshape(aten.reshape.default),
    aten.view.default: _reshape(aten.view.default),
    aten.unsqueeze.default: _reshape(aten.unsqueeze.default),
    aten.squeeze.dim: _reshape(aten.squeeze.dim),
    aten.flatten.using_ints: _reshape(aten.flatten.using_ints),
    aten.unflatten.int: _reshape(aten.unflatten.int),
    aten.transpose.int: _transpose,
    aten.split.Tensor: _split,
    aten.unbind.int: _unbind,
    aten.slice.Tensor: _slice,
    aten.select.int: _select,
    aten.cat.default: _cat,
}
