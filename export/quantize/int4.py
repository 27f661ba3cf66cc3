"""int4: files half the size of int8's, which compute as fast.

    weights       int8 values of which each block of 32 uses fifteen: a multiplier times -7 to 7.
                  The file holds the fifteen in 4 bits and the multiplier; a session multiplies them
                  out when it loads (constant folding), and then runs the operators of int8
    word table    4 bits, one scale a block of 32; only the rows looked up become floats. A tied
                  decoder multiplies by the same 4 bits
    the rest      as int8: the classifier, smaller tables, activations

Fifteen values a block are found by `grid` before the weights are rounded (`rounding.py`), so that
packing loses nothing: what a session computes is what the int8 graph would.
"""

import math
from collections.abc import Iterator, Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from onnx import ModelProto, NodeProto, TensorProto, numpy_helper
from onnx.helper import make_node, make_tensor
from torch import Tensor

from squeezebert_mobile.export.backends.onnx.graph import initializers
from squeezebert_mobile.export.quantize.saturation import largest_pairs

__all__ = [
    "BLOCK",
    "LARGEST",
    "OPSET",
    "UNITS",
    "grid",
    "is_packed",
    "pack",
    "packed_rows",
    "unpacked_rows",
]

OPSET = 21  # the first with int4
BLOCK = 32  # numbers that share a multiplier, or a scale
LARGEST = 7  # of a number
_MULTIPLIERS = 18
UNITS = LARGEST * _MULTIPLIERS  # the largest int8 value, 126
_SHRUNK = (1, 0.95, 0.9, 0.85, 0.8, 0.75, 0.7)  # of the step that clips nothing; the best is taken
_SMALLEST_TABLE = 1_000_000  # numbers


# Before rounding ----------------------------------------------------------------------------


def grid(weight: Tensor) -> Tensor:
    """The step of every weight (C, out), for rounding to -7 to 7 steps.

    A step is a whole multiple of a unit, which is 1/126 of an output channel's largest pair.
    """
    blocks = torch.unflatten(weight, 0, (-1, _block_of(len(weight))))  # (C/b, b, out)
    largest = blocks.abs().amax(dim=1, keepdim=True)  # (C/b, 1, out)
    pairs = largest_pairs(weight)  # (C/2, out); blocks hold whole ones
    unit = pairs.amax(dim=0, keepdim=True) / UNITS  # (1, out)
    unit = torch.where(unit > 0, unit, 1)
    best, least = torch.empty_like(largest), torch.full_like(largest, math.inf)
    for part in _SHRUNK:
        multiplier = (largest * part / LARGEST / unit).ceil().clamp(1, _MULTIPLIERS)
        error = (_nearest(blocks, multiplier * unit) - blocks).square().sum(dim=1, keepdim=True)
        best, least = torch.where(error < least, multiplier, best), torch.minimum(error, least)
    # The largest pair of an output channel keeps its sum, which makes the unit.
    whole = pairs.argmax(dim=0, keepdim=True) * 2 // blocks.shape[1]  # (1, out): its block
    best.scatter_(0, whole[:, None], _MULTIPLIERS)
    return (best * unit).expand_as(blocks).flatten(0, 1)


def _block_of(channels: int) -> int:
    """32, or how many channels share a multiplier where 32 do not divide them."""
    size = math.gcd(channels, BLOCK)
    return size if size >= BLOCK // 2 else channels


def _nearest(blocks: Tensor, steps: Tensor) -> Tensor:
    return (blocks / steps).round().clamp(-LARGEST, LARGEST) * steps


# The word table -----------------------------------------------------------------------------


def is_packed(shape: Sequence[int]) -> bool:
    """Whether a table (rows, C) is large enough for 4 bits, and of whole blocks."""
    rows, width = shape
    return rows * width >= _SMALLEST_TABLE and width % BLOCK == 0


def packed_rows(table: NDArray[np.float32]) -> tuple[NDArray[np.uint8], NDArray[np.float32]]:
    """Two numbers a byte (rows, C/2), 8 standing for 0, and scales (rows, C/32)."""
    blocks = torch.unflatten(torch.from_numpy(table.copy()), 1, (-1, BLOCK))  # (rows, C/32, 32)
    largest = blocks.abs().amax(dim=2, keepdim=True)
    best, least = torch.ones_like(largest), torch.full_like(largest, math.inf)
    for part in _SHRUNK:
        step = torch.where(largest > 0, largest * part / LARGEST, 1)
        error = (_nearest(blocks, step) - blocks).square().sum(dim=2, keepdim=True)
        best, least = torch.where(error < least, step, best), torch.minimum(error, least)
    numbers = (blocks / best).round().clamp(-LARGEST, LARGEST).flatten(1).numpy()
    unsigned = (numbers + 8).astype(np.uint8)
    bytes_ = np.bitwise_or(unsigned[:, 0::2], unsigned[:, 1::2] << 4, dtype=np.uint8)
    return bytes_, np.asarray(best.squeeze(2).numpy(), np.float32)


def unpacked_rows(packed: NDArray[np.uint8], scales: NDArray[np.float32]) -> Tensor:
    """The table (rows, C) that `packed_rows` gave these bytes and scales of."""
    numbers = np.stack([packed & 15, packed >> 4], axis=-1).reshape(len(packed), -1)
    table = (numbers.astype(np.float32) - 8) * scales.repeat(BLOCK, axis=1)
    return torch.from_numpy(table)


# After quantization -------------------------------------------------------------------------


def pack(proto: ModelProto) -> None:
    """Store the int8 weights of products that use fifteen values a block in 4 bits, in place."""
    stored = initializers(proto)
    weights = {node.input[1] for node in proto.graph.node if node.op_type in _PRODUCTS}
    unpacking: list[NodeProto] = []
    for name in sorted(weights & stored.keys()):
        values = numpy_helper.to_array(stored[name])  # (C, out)
        blocks = values.reshape(-1, _block_of(len(values)), values.shape[1])
        if (multipliers := _multipliers(blocks)) is None:
            continue  # not of the encoder: it was not rounded to a grid
        proto.graph.initializer.remove(stored[name])
        numbers = blocks // multipliers
        proto.graph.initializer.extend(_tensors(name, numbers, multipliers))
        unpacking += _unpacking(name)
        shape = np.array(values.shape, np.int64)
        proto.graph.initializer.append(numpy_helper.from_array(shape, f"{name}.shape"))
    nodes = [*unpacking, *proto.graph.node]
    del proto.graph.node[:]
    proto.graph.node.extend(nodes)
    next(each for each in proto.opset_import if each.domain == "").version = OPSET


_PRODUCTS = {"DynamicQuantizeMatMul", "QAttention"}


def _multipliers(blocks: NDArray[np.int8]) -> NDArray[np.int8] | None:
    """What leaves -7 to 7 of each block (C/b, b, out), or None where a block is no multiple."""
    found = np.zeros((blocks.shape[0], 1, blocks.shape[2]), np.int8)
    largest = np.abs(blocks).max(axis=1, keepdims=True)
    for multiplier in range(_MULTIPLIERS, 0, -1):
        whole = (blocks % multiplier == 0).all(axis=1, keepdims=True)
        found[whole & (largest <= LARGEST * multiplier)] = multiplier
    return found if found.all() else None


def _tensors(
    name: str, numbers: NDArray[np.int8], multipliers: NDArray[np.int8]
) -> Iterator[TensorProto]:
    flat = numbers.ravel() & 15
    if len(flat) % 2:
        flat = np.append(flat, 0)
    halves = (flat[0::2] | (flat[1::2] << 4)).astype(np.uint8).tobytes()
    yield make_tensor(f"{name}.int4", TensorProto.INT4, numbers.shape, halves, raw=True)
    yield numpy_helper.from_array(multipliers, f"{name}.multiplier")


def _unpacking(name: str) -> Iterator[NodeProto]:
    """In bytes at every step: a session keeps what it multiplies out until all is loaded."""
    numbers, product = f"{name}.numbers", f"{name}.product"
    yield make_node("Cast", [f"{name}.int4"], [numbers], numbers, to=TensorProto.INT8)
    yield make_node("Mul", [numbers, f"{name}.multiplier"], [product], product)
    yield make_node("Reshape", [product, f"{name}.shape"], [name], f"{name}.unpacked")
