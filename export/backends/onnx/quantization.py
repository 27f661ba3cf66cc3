"""int8 and int4: the weights of an fp32 ONNX graph as integers and scales (`quantize/recipe.py`).

A product becomes ONNX Runtime's DynamicQuantizeMatMul, which quantizes its input, multiplies in
integers and adds the bias: one operator with ARM64 and x86-64 kernels. The attention of a group,
with the product before it, becomes one QAttention (`attention.py`). An embedding table is stored as
int8, and only the rows that are looked up are dequantized. The decoder of a masked language model
is tied to the word embeddings: the scale of a table row is that of an output channel of the
decoder, so both read one table. `int4.py` packs the weights of a quantized graph in 4 bits.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

import numpy as np
from onnx import ModelProto, NodeProto, TensorProto, numpy_helper
from onnx.helper import make_node, make_opsetid

from squeezebert_mobile.export.backends.onnx import int4
from squeezebert_mobile.export.backends.onnx.attention import fuse_attention
from squeezebert_mobile.export.backends.onnx.graph import (
    CONTRIB_DOMAIN,
    check,
    consumers,
    copy_without,
    drop_unread,
    initializers,
    put_back,
)
from squeezebert_mobile.export.quantize.int4 import is_int4_table, quantize_table
from squeezebert_mobile.export.quantize.recipe import (
    RECIPES,
    TABLE_BLOCK,
    fp32_reason,
    stays_fp32,
)
from squeezebert_mobile.export.quantize.rounding import quantize_symmetric

__all__ = ["quantize"]


@dataclass
class _Graph:
    """The graph being rebuilt: its stored tensors, the readers of each value, and the new nodes."""

    fp32: ModelProto
    proto: ModelProto  # the result, without the matrices of `fp32` until the end
    precision: str
    overrides: Mapping[str, str]  # module -> its precision, where that is another one
    nodes: list[NodeProto] = field(default_factory=list)
    merged: set[str] = field(default_factory=set)  # nodes merged into another, by their output
    kept: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.stored = initializers(self.fp32)
        self.readers = consumers(self.fp32)
        self.tied = {n.input[0] for n in self.fp32.graph.node if n.op_type == "Transpose"}

    def precision_of(self, module: str) -> str:
        """int4, int8 or fp32."""
        return self.overrides.get(module, self.precision)

    def precision_of_table(self, name: str) -> str:
        """The precision of the table whose weight has this name."""
        return self.precision_of(name.removeprefix("model.").removesuffix(".weight"))

    def array(self, name: str) -> np.ndarray:
        return numpy_helper.to_array(self.stored[name])

    def store(self, name: str, array: np.ndarray) -> str:
        """Store a tensor, once: tied weights are stored by two callers."""
        if name not in self.stored:
            self.stored[name] = numpy_helper.from_array(np.ascontiguousarray(array), name)
            self.proto.graph.initializer.append(self.stored[name])
        return name


def quantize(
    fp32: ModelProto, precision: str = "int8", overrides: Mapping[str, str] | None = None
) -> tuple[ModelProto, dict[str, str]]:
    """The int8 or int4 form of a graph, and why small modules stay fp32.

    Args:
        fp32: The result of `to_onnx`; it does not change.
        precision: "int8" or "int4".
        overrides: Modules with a higher precision: path in the traced model -> precision.
    """
    matrices = {tensor.name for tensor in fp32.graph.initializer if _is_matrix(tensor)}
    proto = copy_without(fp32, matrices)
    by_name = {path.removeprefix("model."): higher for path, higher in (overrides or {}).items()}
    graph = _Graph(fp32, proto, precision, by_name)
    tables = {node.input[0] for node in proto.graph.node if _is_lookup(graph, node)}
    for node in proto.graph.node:
        if node.output[0] in graph.merged:
            continue
        graph.nodes.extend(_quantized(graph, node, tables))
    del proto.graph.node[:]
    proto.graph.node.extend(graph.nodes)
    proto.opset_import.append(make_opsetid(CONTRIB_DOMAIN, 1))
    fuse_attention(proto)
    if precision == "int4":
        int4.pack(proto)
    drop_unread(proto)
    _put_back_read(proto, fp32, matrices)
    check(proto)
    return proto, graph.kept


def _put_back_read(proto: ModelProto, fp32: ModelProto, names: set[str]) -> None:
    """Store those matrices that some node still reads as they were."""
    read = names & consumers(proto).keys()
    tensors = fp32.graph.initializer
    put_back(proto, [t for t in tensors if t.name in read], [t.name for t in tensors])


def _is_lookup(graph: _Graph, node: NodeProto) -> bool:
    """Whether a node looks up a table that is to be quantized."""
    if node.op_type != "Gather" or node.input[0] not in graph.stored:
        return False
    table = node.input[0]
    if not _is_matrix(graph.stored[table]):
        return False
    module, size = table.removesuffix(".weight"), graph.array(table).nbytes
    if stays_fp32(module, size):
        graph.kept |= fp32_reason(module, size)
        return False
    return graph.precision_of_table(table) != "fp32"


def _is_matrix(tensor: TensorProto) -> bool:
    return tensor.data_type == TensorProto.FLOAT and len(tensor.dims) == 2


def _quantized(graph: _Graph, node: NodeProto, tables: set[str]) -> Iterator[NodeProto]:
    """The nodes that replace `node`."""
    if node.op_type == "Gather" and node.input[0] in tables:
        yield from _lookup(graph, node)
    elif node.op_type == "MatMul" and _is_int4(graph, _table_of(node, tables)):
        yield from _product_with_table(graph, node, _table_of(node, tables))
    elif node.op_type == "Transpose" and _is_int4(graph, node.input[0]):
        return  # the product that reads it multiplies by the packed table
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
        rows, scale = quantize_symmetric(graph.array(name), axis=1, pairs=name in graph.tied)
        graph.store(weights, rows)
        graph.store(scales, scale)
    return weights, scales


def _is_int4(graph: _Graph, table: str) -> bool:
    return (
        graph.precision_of_table(table) == "int4"
        and table in graph.stored
        and _is_matrix(graph.stored[table])
        and is_int4_table(graph.stored[table].dims)
    )


def _table_of(node: NodeProto, tables: set[str]) -> str:
    """The table whose transpose a product reads, or an empty string."""
    table = node.input[1].removesuffix(".transposed")
    return table if table in tables and table != node.input[1] else ""


def _packed_table(graph: _Graph, name: str) -> tuple[str, str]:
    """The table's rows in 4 bits (rows, C/2), and their scales (rows, C/32)."""
    packed, scales = f"{name}.int4", f"{name}.scales"
    if packed not in graph.stored:
        numbers, scale = quantize_table(graph.array(name))
        graph.store(packed, int4.pack_table(numbers))
        graph.store(scales, scale)
    return packed, scales


def _product_with_table(graph: _Graph, node: NodeProto, table: str) -> Iterator[NodeProto]:
    packed, scales = _packed_table(graph, table)
    rows, width = graph.stored[table].dims
    bias, out = _bias(graph, node)
    blocks = np.array([rows, width // TABLE_BLOCK, TABLE_BLOCK // 2], np.int64)
    shape = graph.store(f"{table}.blocks.shape", blocks)
    yield make_node("Reshape", [packed, shape], [f"{table}.blocks"], f"{table}.blocks")
    yield make_node(
        "MatMulNBits",
        [node.input[0], f"{table}.blocks", scales, "", "", *([bias] if bias else [])],
        [out],
        node.name,
        domain=CONTRIB_DOMAIN,
        K=width,
        N=rows,
        bits=4,
        block_size=TABLE_BLOCK,
        accuracy_level=4,  # activations as int8
    )


def _lookup(graph: _Graph, node: NodeProto) -> Iterator[NodeProto]:
    if _is_int4(graph, node.input[0]):
        packed, scales = _packed_table(graph, node.input[0])
        yield make_node(
            "GatherBlockQuantized",
            [packed, node.input[1], scales],
            node.output,
            node.name,
            domain=CONTRIB_DOMAIN,
            gather_axis=0,
            quantize_axis=1,
            block_size=TABLE_BLOCK,
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
    """The names of int8 values (in, out) and float scales (out)."""

    values: str
    scales: str


def _weight_of(graph: _Graph, node: NodeProto, tables: set[str]) -> _Weight | None:
    """The quantized weight of a product; None if the node is not a product, or stays fp32."""
    if node.op_type not in {"MatMul", "Gemm"}:
        return None
    name = node.input[1]
    for table in tables:
        if name == f"{table}.transposed":
            return _Weight(name, _table(graph, table)[1])
    if name not in graph.stored or not _is_matrix(graph.stored[name]):
        return None
    array, precision = graph.array(name), graph.precision_of(_module_of(node))
    if precision == "fp32":
        return None
    if stays_fp32(_module_of(node), array.nbytes):
        graph.kept |= fp32_reason(_module_of(node), array.nbytes)
        return None
    if _attribute(node, "transB"):
        array = array.T
    max_value = RECIPES[precision].max_value
    values, scales = quantize_symmetric(array, axis=0, max_value=max_value, pairs=True)
    if precision == "int4" and not int4.is_packable(values):  # not in the encoder: not rounded
        values, scales = quantize_symmetric(array, axis=0, pairs=True)
    name = node.name or node.output[0]
    return _Weight(graph.store(f"{name}.int8", values), graph.store(f"{name}.scale", scales))


def _product(graph: _Graph, node: NodeProto, weight: _Weight) -> NodeProto:
    bias, out = _bias(graph, node)
    inputs = [node.input[0], weight.values, weight.scales]
    if bias:
        inputs += ["", bias]  # "": no zero point, because weights are symmetric
    return make_node("DynamicQuantizeMatMul", inputs, [out], node.name, domain=CONTRIB_DOMAIN)


def _bias(graph: _Graph, node: NodeProto) -> tuple[str | None, str]:
    """The bias of a product, if it has one, and the name of the output after it is added."""
    out = node.output[0]
    if node.op_type == "Gemm":
        return (node.input[2] if len(node.input) > 2 else None), out
    readers = graph.readers.get(out, [])
    if len(readers) == 1 and readers[0].op_type == "Add":
        other = next(name for name in readers[0].input if name != out)
        if other in graph.stored and len(graph.stored[other].dims) == 1:
            graph.merged.add(readers[0].output[0])
            return other, readers[0].output[0]
    return None, out


def _attribute(node: NodeProto, name: str) -> int:
    return next((attribute.i for attribute in node.attribute if attribute.name == name), 0)


def _module_of(node: NodeProto) -> str:
    """'/model/classifier/Gemm' as 'classifier'."""
    parts = [part for part in node.name.split("/") if part not in {"", "model"}]
    return ".".join(parts[:-1]) or node.name
