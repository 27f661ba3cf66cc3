"""int8 and int4: the weights of an fp32 ONNX graph as small integers and scales.

    weights       int8, symmetric, one scale an output channel
    activations   uint8, asymmetric, one scale a tensor, found at run time
    embeddings    int8, symmetric, one scale a row

That is int8; `four_bits.py` says what int4 makes of it.

A product becomes ONNX Runtime's DynamicQuantizeMatMul, which quantizes its input, multiplies in
integers and adds the bias: one operator with ARM64 and x86-64 kernels. A group's attention, with
the product before it, becomes one QAttention (`attention.py`). A table stays a table of bytes, and
only the rows looked up become floats. The decoder of a masked language model is tied to the word
embeddings: a row's scale of the one is an output channel's scale of the other, so both read one
table.

On x86 without VNNI the integer kernels add pairs of products in 16 bits; the scales are such that
none overflows (`pairs.py`).
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

import numpy as np
import onnx
import torch
from onnx import ModelProto, NodeProto, TensorProto, numpy_helper
from onnx.helper import make_node, make_opsetid

from squeezebert_mobile.artifact import Quantization
from squeezebert_mobile.export.backends.onnx.attention import fuse_attention
from squeezebert_mobile.export.backends.onnx.graph import (
    CONTRIB_DOMAIN,
    consumers,
    drop_unread,
    initializers,
)
from squeezebert_mobile.export.quantize import int4 as four_bits
from squeezebert_mobile.export.quantize.saturation import largest_pairs

__all__ = [
    "EMBEDDINGS",
    "KEPT",
    "WEIGHTS",
    "nothing_to_gain",
    "quantize",
    "stays_float",
    "symmetric",
]

#: These stay fp32 where they are small: a few labels, or two types of text, gain nothing as int8
#: and lose precision. (The two rows of types made 5 % of the noise of all-MiniLM-L6-v2's int8.)
_SMALL = ("classifier", "token_type")
_LEAST_BYTES = 64 * 1024
# The recipe, in the words of the manifest.
WEIGHTS = "int8, symmetric, one scale an output channel"
EMBEDDINGS = "int8, symmetric, one scale a row"
_WEIGHTS = {
    "int8": WEIGHTS,
    "int4": "int4, symmetric, a multiplier a block of 32, one scale an output channel",
}
_EMBEDDINGS = {
    "int8": EMBEDDINGS,
    "int4": "words int4, symmetric, one scale a block of 32; others int8, one scale a row",
}
KEPT = {"attention scores, softmax, layer norms": "fp32: no weights to make smaller"}


@dataclass
class _Graph:
    """The graph being rebuilt: what is stored, who reads what, and the new nodes and tensors."""

    proto: ModelProto
    precision: str
    apart: Mapping[str, str]  # module -> the precision it has instead
    nodes: list[NodeProto] = field(default_factory=list)
    done: set[str] = field(default_factory=set)  # nodes that became part of another, by output
    kept: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.stored = initializers(self.proto)
        self.readers = consumers(self.proto)
        self.tied = {n.input[0] for n in self.proto.graph.node if n.op_type == "Transpose"}

    def precision_of(self, module: str) -> str:
        """int4, int8 or fp32."""
        return self.apart.get(module, self.precision)

    def precision_of_table(self, name: str) -> str:
        """That of the module whose weight has this name."""
        return self.precision_of(name.removeprefix("model.").removesuffix(".weight"))

    def array(self, name: str) -> np.ndarray:
        return numpy_helper.to_array(self.stored[name])

    def store(self, name: str, array: np.ndarray) -> str:
        """Store a tensor once; tied weights ask twice."""
        if name not in self.stored:
            self.stored[name] = numpy_helper.from_array(np.ascontiguousarray(array), name)
            self.proto.graph.initializer.append(self.stored[name])
        return name


def quantize(
    fp32: ModelProto, precision: str = "int8", apart: Mapping[str, str] | None = None
) -> tuple[ModelProto, Quantization]:
    """The int8 or int4 form of a graph that `to_onnx` gave, and the recipe for the manifest.

    Args:
        fp32: The graph; it stays as it is.
        precision: "int8" or "int4".
        apart: The modules that have a higher precision, by their names in the traced model.
    """
    proto = ModelProto()
    proto.CopyFrom(fp32)
    names = {path.removeprefix("model."): higher for path, higher in (apart or {}).items()}
    graph = _Graph(proto, precision, names)
    tables = {node.input[0] for node in proto.graph.node if _is_lookup(graph, node)}
    for node in proto.graph.node:
        if node.output[0] in graph.done:
            continue
        graph.nodes.extend(_quantized(graph, node, tables))
    del proto.graph.node[:]
    proto.graph.node.extend(graph.nodes)
    proto.opset_import.append(make_opsetid(CONTRIB_DOMAIN, 1))
    fuse_attention(proto)
    if precision == "int4":
        four_bits.pack(proto)
    drop_unread(proto)
    onnx.checker.check_model(proto)
    return proto, Quantization(
        weights=_WEIGHTS[precision],
        embeddings=_EMBEDDINGS[precision],
        activations="uint8, asymmetric, one scale a tensor, dynamic",
        kept=KEPT | graph.kept,
    )


def _is_lookup(graph: _Graph, node: NodeProto) -> bool:
    """Whether a table is looked up that is to be quantized."""
    if node.op_type != "Gather" or node.input[0] not in graph.stored:
        return False
    table = node.input[0]
    if not _is_matrix(graph.stored[table]):
        return False
    module, size = table.removesuffix(".weight"), graph.array(table).nbytes
    if stays_float(module, size):
        graph.kept |= nothing_to_gain(module, size)
        return False
    return graph.precision_of_table(table) != "fp32"


def _is_matrix(tensor: TensorProto) -> bool:
    return tensor.data_type == TensorProto.FLOAT and len(tensor.dims) == 2


def _quantized(graph: _Graph, node: NodeProto, tables: set[str]) -> Iterator[NodeProto]:
    """The nodes that take the place of `node`."""
    if node.op_type == "Gather" and node.input[0] in tables:
        yield from _lookup(graph, node)
    elif node.op_type == "MatMul" and _is_four_bits(graph, _table_of(node, tables)):
        yield from _product_with_table(graph, node, _table_of(node, tables))
    elif node.op_type == "Transpose" and _is_four_bits(graph, node.input[0]):
        return  # the product that reads it multiplies by the table itself
    elif node.op_type == "Transpose" and node.input[0] in tables:
        weights, _ = _table(graph, node.input[0])
        yield make_node("Transpose", [weights], node.output, node.name, perm=[1, 0])
    elif (weight := _weight_of(graph, node, tables)) is not None:
        yield _product(graph, node, weight)
    else:
        yield node


# Embeddings ---------------------------------------------------------------------------------


def _table(graph: _Graph, name: str) -> tuple[str, str]:
    """The table's rows as int8 (rows, C), and their scales (rows)."""
    weights, scales = f"{name}.int8", f"{name}.scale"
    if weights not in graph.stored:
        rows, scale = symmetric(graph.array(name), axis=1, multiplied=name in graph.tied)
        graph.store(weights, rows)
        graph.store(scales, scale)
    return weights, scales


def _is_four_bits(graph: _Graph, table: str) -> bool:
    return (
        graph.precision_of_table(table) == "int4"
        and table in graph.stored
        and _is_matrix(graph.stored[table])
        and four_bits.is_packed(graph.stored[table].dims)
    )


def _table_of(node: NodeProto, tables: set[str]) -> str:
    """The table whose transpose a product reads, or nothing."""
    table = node.input[1].removesuffix(".transposed")
    return table if table in tables and table != node.input[1] else ""


def _packed_table(graph: _Graph, name: str) -> tuple[str, str]:
    """The table's rows in 4 bits (rows, C/2), and their scales (rows, C/32)."""
    numbers, scales = f"{name}.int4", f"{name}.scales"
    if numbers not in graph.stored:
        rows, scale = four_bits.packed_rows(graph.array(name))
        graph.store(numbers, rows)
        graph.store(scales, scale)
    return numbers, scales


def _product_with_table(graph: _Graph, node: NodeProto, table: str) -> Iterator[NodeProto]:
    numbers, scales = _packed_table(graph, table)
    rows, width = graph.stored[table].dims
    bias, out = _bias(graph, node)
    blocks = np.array([rows, width // four_bits.BLOCK, four_bits.BLOCK // 2], np.int64)
    shape = graph.store(f"{table}.blocks.shape", blocks)
    yield make_node("Reshape", [numbers, shape], [f"{table}.blocks"], f"{table}.blocks")
    yield make_node(
        "MatMulNBits",
        [node.input[0], f"{table}.blocks", scales, "", "", *([bias] if bias else [])],
        [out],
        node.name,
        domain=CONTRIB_DOMAIN,
        K=width,
        N=rows,
        bits=4,
        block_size=four_bits.BLOCK,
        accuracy_level=4,  # activations as int8
    )


def _lookup(graph: _Graph, node: NodeProto) -> Iterator[NodeProto]:
    if _is_four_bits(graph, node.input[0]):
        numbers, scales = _packed_table(graph, node.input[0])
        yield make_node(
            "GatherBlockQuantized",
            [numbers, node.input[1], scales],
            node.output,
            node.name,
            domain=CONTRIB_DOMAIN,
            gather_axis=0,
            quantize_axis=1,
            block_size=four_bits.BLOCK,
            bits=4,
        )
        return
    weights, scales = _table(graph, node.input[0])
    ids, out = node.input[1], node.output[0]
    axis = graph.store("last_axis", np.array([-1], np.int64))
    yield make_node("Gather", [weights, ids], [f"{out}.int8"], f"{node.name}.rows")
    yield make_node("Cast", [f"{out}.int8"], [f"{out}.float"], f"{node.name}.cast", to=1)
    yield make_node("Gather", [scales, ids], [f"{out}.scale"], f"{node.name}.scales")
    yield make_node(
        "Unsqueeze", [f"{out}.scale", axis], [f"{out}.column"], f"{node.name}.unsqueeze"
    )
    yield make_node("Mul", [f"{out}.float", f"{out}.column"], [out], f"{node.name}.scaled")


# Products -----------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Weight:
    """int8 (in, out) and float (out), by name."""

    values: str
    scales: str


def _weight_of(graph: _Graph, node: NodeProto, tables: set[str]) -> _Weight | None:
    """The quantized weight of a product, or None where the node is none or stays fp32."""
    if node.op_type not in {"MatMul", "Gemm"}:
        return None
    name = node.input[1]
    for table in tables:
        if name == f"{table}.transposed":
            return _Weight(name, _table(graph, table)[1])
    if name not in graph.stored or not _is_matrix(graph.stored[name]):
        return None
    array, precision = graph.array(name), graph.precision_of(_readable(node))
    if precision == "fp32":
        return None
    if stays_float(_readable(node), array.nbytes):
        graph.kept |= nothing_to_gain(_readable(node), array.nbytes)
        return None
    if _attribute(node, "transB"):
        array = array.T
    units = four_bits.UNITS if precision == "int4" else 127
    values, scales = symmetric(array, axis=0, units=units, multiplied=True)
    where = node.name or node.output[0]
    return _Weight(graph.store(f"{where}.int8", values), graph.store(f"{where}.scale", scales))


def _product(graph: _Graph, node: NodeProto, weight: _Weight) -> NodeProto:
    bias, out = _bias(graph, node)
    inputs = [node.input[0], weight.values, weight.scales]
    if bias:
        inputs += ["", bias]  # "": no zero point, the weights are symmetric
    return make_node("DynamicQuantizeMatMul", inputs, [out], node.name, domain=CONTRIB_DOMAIN)


def _bias(graph: _Graph, node: NodeProto) -> tuple[str | None, str]:
    """The bias that belongs to a product, and the output after it was added."""
    out = node.output[0]
    if node.op_type == "Gemm":
        return (node.input[2] if len(node.input) > 2 else None), out
    readers = graph.readers.get(out, [])
    if len(readers) == 1 and readers[0].op_type == "Add":
        other = next(name for name in readers[0].input if name != out)
        if other in graph.stored and len(graph.stored[other].dims) == 1:
            graph.done.add(readers[0].output[0])
            return other, readers[0].output[0]
    return None, out


def _attribute(node: NodeProto, name: str) -> int:
    return next((attribute.i for attribute in node.attribute if attribute.name == name), 0)


def _readable(node: NodeProto) -> str:
    """'/model/classifier/Gemm' as 'classifier'."""
    parts = [part for part in node.name.split("/") if part not in {"", "model"}]
    return ".".join(parts[:-1]) or node.name


# Shared with the other formats ---------------------------------------------------------------


def stays_float(name: str, size: int) -> bool:
    """Whether what is called `name`, of `size` bytes in float32, is too small to be quantized."""
    return name.rpartition(".")[2] in _SMALL and size < _LEAST_BYTES


def nothing_to_gain(name: str, size: int) -> dict[str, str]:
    """Why something small is kept in fp32, for the manifest."""
    return {name.rpartition(".")[2]: f"fp32: {size:,} bytes, nothing to gain"}


def symmetric(
    array: np.ndarray, *, axis: int, units: int = 127, multiplied: bool = False
) -> tuple[np.ndarray, np.ndarray]:
    """int8 values and float scales with array = values * scales.

    Args:
        array: Weights (in, out) or rows.
        axis: That of the numbers that share a scale; it is reduced away.
        units: The largest value.
        multiplied: Whether a product multiplies by them: then no pair sums to more (`pairs.py`).
    """
    if multiplied:
        pairs = largest_pairs(torch.tensor(np.moveaxis(array, axis, 0)))
        largest = np.expand_dims(pairs.numpy().max(axis=0), axis)
    else:
        largest = np.abs(array).max(axis=axis, keepdims=True)
    scales = np.where(largest > 0, largest / units, 1).astype(np.float32)
    values = np.clip(np.rint(array / scales), -units, units).astype(np.int8)
    return values, scales.squeeze(axis)
