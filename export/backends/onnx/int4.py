"""int4 in an ONNX graph: files half the size of int8's, at the same speed.

weights       the file holds sixteen values per block in 4 bits and a multiplier per block, in 4
              bits as well. A session multiplies them when it loads (constant folding), and then
              runs the operators of int8
word table    4 bits, one scale per block of 32; only the rows that are looked up are
              dequantized. A tied decoder multiplies by the same 4 bits
the rest      as in int8: the classifier, smaller tables, activations
"""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray
from onnx import ModelProto, NodeProto, TensorProto, numpy_helper
from onnx.helper import make_node, make_tensor

from squeezebert_mobile.export.backends.onnx.graph import initializers
from squeezebert_mobile.export.quantize.int4 import block_size
from squeezebert_mobile.export.quantize.recipe import INT4_MAX, INT4_MIN, MAX_MULTIPLIER

__all__ = ["OPSET", "is_packable", "pack", "pack_table"]

OPSET = 21  # the first with int4
_PRODUCTS = {"DynamicQuantizeMatMul", "QAttention"}


def pack_table(numbers: NDArray[np.int8]) -> NDArray[np.uint8]:
    """Integers -8 to 7 (rows, C) as two numbers per byte (rows, C/2); 8 stands for 0."""
    return _nibbles(numbers + np.int8(8))


def is_packable(values: NDArray[np.int8]) -> bool:
    """Whether each block of the weights (C, out) is a multiplier times -8 to 7."""
    return _multipliers(_blocks(values)) is not None


def pack(proto: ModelProto) -> None:
    """Store the int8 weights of products that use sixteen values per block in 4 bits, in place."""
    stored = initializers(proto)
    weights = {node.input[1] for node in proto.graph.node if node.op_type in _PRODUCTS}
    unpacking: list[NodeProto] = []
    for name in sorted(weights & stored.keys()):
        values = numpy_helper.to_array(stored[name])  # (C, out)
        blocks = _blocks(values)
        if (multipliers := _multipliers(blocks)) is None:
            continue  # not in the encoder: it was not rounded to sixteen values per block
        proto.graph.initializer.remove(stored[name])
        proto.graph.initializer.extend(_tensors(name, blocks // multipliers, multipliers))
        unpacking += _unpacking(name)
        shape = np.array(values.shape, np.int64)
        proto.graph.initializer.append(numpy_helper.from_array(shape, f"{name}.shape"))
    nodes = [*unpacking, *proto.graph.node]
    del proto.graph.node[:]
    proto.graph.node.extend(nodes)
    next(entry for entry in proto.opset_import if entry.domain == "").version = OPSET


def _blocks(values: NDArray[np.int8]) -> NDArray[np.int8]:
    """Weights (C, out) in blocks (C/b, b, out)."""
    return values.reshape(-1, block_size(len(values)), values.shape[1])


def _nibbles(numbers: NDArray[np.int8]) -> NDArray[np.uint8]:
    """Numbers (..., N) of 4 bits, two in a byte (..., N/2): the first is the lower half."""
    bits = (numbers & 15).astype(np.uint8)
    return np.asarray(bits[..., 0::2] | (bits[..., 1::2] << 4), np.uint8)


def _multipliers(blocks: NDArray[np.int8]) -> NDArray[np.int8] | None:
    """The multiplier that leaves -8 to 7 of each block (C/b, b, out); None if a block has none."""
    result = np.zeros((blocks.shape[0], 1, blocks.shape[2]), np.int8)
    largest, smallest = (f(axis=1, keepdims=True) for f in (blocks.max, blocks.min))
    for multiplier in range(MAX_MULTIPLIER, 0, -1):
        divides = (blocks % multiplier == 0).all(axis=1, keepdims=True)
        fits = (largest <= INT4_MAX * multiplier) & (smallest >= INT4_MIN * multiplier)
        result[divides & fits] = multiplier
    return result if result.all() else None


def _tensors(
    name: str, numbers: NDArray[np.int8], multipliers: NDArray[np.int8]
) -> Iterator[TensorProto]:
    yield _tensor(f"{name}.int4", TensorProto.INT4, numbers)
    yield _tensor(f"{name}.multiplier", TensorProto.UINT4, multipliers)


def _tensor(name: str, kind: int, numbers: NDArray[np.int8]) -> TensorProto:
    """Numbers of any shape in 4 bits each."""
    flat = numbers.ravel()
    if len(flat) % 2:
        flat = np.append(flat, np.int8(0))
    return make_tensor(name, kind, numbers.shape, _nibbles(flat).tobytes(), raw=True)


def _unpacking(name: str) -> Iterator[NodeProto]:
    """Nodes that unpack a weight, all in int8: a session keeps their results until it is loaded."""
    numbers, multipliers, product = (f"{name}.{x}" for x in ("numbers", "multipliers", "product"))
    yield make_node("Cast", [f"{name}.int4"], [numbers], numbers, to=TensorProto.INT8)
    yield make_node("Cast", [f"{name}.multiplier"], [multipliers], multipliers, to=TensorProto.INT8)
    yield make_node("Mul", [numbers, multipliers], [product], product)
    yield make_node("Reshape", [product, f"{name}.shape"], [name], f"{name}.unpacked")
