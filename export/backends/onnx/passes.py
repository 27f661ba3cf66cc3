"""Changes to a simplified fp32 graph that make it fast in a session at its default options.

What a session makes of the graph when it loads decides the speed. So the graph is shaped here, and
not by session options that an app's developer would have to know.
"""

from collections.abc import Callable

import numpy as np
from onnx import ModelProto, NodeProto, TensorProto, numpy_helper
from onnx.helper import make_node

from squeezebert_mobile import __version__
from squeezebert_mobile.export.backends.onnx.graph import consumers, drop_unread, initializers

__all__ = ["lower", "make_reproducible"]

IR_VERSION = 10  # the newest that ONNX Runtime 1.26 reads without a warning


def lower(graph: ModelProto) -> None:
    """Apply all passes to a graph, in place."""
    for apply in _PASSES:
        apply(graph)


def make_reproducible(graph: ModelProto) -> None:
    """Remove all that depends on machine or time: the same model gives the same bytes."""
    drop_unread(graph)
    _name_weights(graph)
    graph.ir_version = IR_VERSION
    graph.producer_name, graph.producer_version = "squeezebert-mobile", __version__
    graph.doc_string = graph.graph.doc_string = ""
    del graph.metadata_props[:], graph.graph.value_info[:]
    for node in graph.graph.node:
        node.doc_string = ""
        del node.metadata_props[:]


def _use_sum_before_normalization(graph: ModelProto) -> None:
    """Replace Add before a layer norm by Sum.

    ONNX Runtime fuses Add and LayerNormalization into SkipLayerNormalization, whose CPU kernel is
    far slower than the two: 73.7 ms against 54.4 ms for SqueezeBERT-base int8 (128 tokens, one
    thread, x86-64 with VNNI). It does not fuse Sum, and a Sum of two runs the same kernel as Add.
    """
    readers = consumers(graph)
    for node in graph.graph.node:
        read_by = {reader.op_type for reader in readers.get(node.output[0], [])}
        if node.op_type == "Add" and "LayerNormalization" in read_by:
            node.op_type = "Sum"


def _use_instance_normalization(graph: ModelProto) -> None:
    """Replace layer norms without scale and shift by InstanceNormalization over tokens.

    (B, S, C) is then S channels of C numbers. ONNX Runtime's kernel for ARM64 takes 0.41 M
    instructions for 128 tokens of 768 channels; its LayerNormalization takes 0.99 M, whatever the
    scale. Scales that are not model weights are all ones.
    """
    nodes = list(graph.graph.node)
    plain = [
        node
        for node in nodes
        if node.op_type == "LayerNormalization"
        and not node.input[1].startswith("model.")
        and "first_token" not in node.name
    ]
    if not plain:
        return
    add = graph.graph.initializer.append
    for name, value in ("norm.one", 1.0), ("norm.zero", 0.0):
        add(numpy_helper.from_array(np.array([value], np.float32), name))
    new = [make_node("Shape", [plain[0].input[0]], ["norm.tokens"], "norm.tokens", start=1, end=2)]
    for name in ("one", "zero"):
        inputs, outputs = [f"norm.{name}", "norm.tokens"], [f"norm.{name}s"]
        new.append(make_node("Expand", inputs, outputs, f"norm.{name}s"))
    for node in plain:
        node.op_type = "InstanceNormalization"
        node.input[:] = [node.input[0], "norm.ones", "norm.zeros"]
        epsilon = [attribute for attribute in node.attribute if attribute.name == "epsilon"]
        del node.attribute[:]
        node.attribute.extend(epsilon)
    first = nodes.index(plain[0])
    nodes = [*nodes[:first], *new, *nodes[first:]]
    read = {name for node in nodes for name in node.input}
    del graph.graph.node[:]  # without the scales of ones
    graph.graph.node.extend(n for n in nodes if n.op_type != "Constant" or n.output[0] in read)


def _share_tied_weight(graph: ModelProto) -> None:
    """Store a weight that is the transpose of an embedding table only once, as the table."""
    stored = initializers(graph)
    lookups = {node.input[0] for node in graph.graph.node if node.op_type == "Gather"}
    tables = [stored[name] for name in lookups if name in stored]
    for node in list(graph.graph.node):
        if node.op_type != "MatMul" or node.input[1] not in stored:
            continue
        for table in tables:
            if _is_transposed(table, stored[node.input[1]]):
                _transpose_before(graph, node, table.name)
                break


def _is_transposed(table: TensorProto, weight: TensorProto) -> bool:
    if list(table.dims) != list(weight.dims)[::-1]:
        return False
    return bool((numpy_helper.to_array(table).T == numpy_helper.to_array(weight)).all())


def _transpose_before(graph: ModelProto, node: NodeProto, table: str) -> None:
    transposed = f"{table}.transposed"
    new = make_node("Transpose", [table], [transposed], transposed, perm=[1, 0])
    position = list(graph.graph.node).index(node)
    node.input[1] = transposed
    graph.graph.node.insert(position, new)


def _name_weights(graph: ModelProto) -> None:
    """Name weights that tracing only numbered after the node that reads them."""
    stored, readers = initializers(graph), consumers(graph)
    for name, tensor in stored.items():
        if not name.startswith("model."):
            first = readers[name][0]
            tensor.name = f"{first.name}.{list(first.input).index(name)}"
            for node in readers[name]:
                node.input[:] = [tensor.name if i == name else i for i in node.input]


_PASSES: tuple[Callable[[ModelProto], None], ...] = (
    _share_tied_weight,
    _use_instance_normalization,
    _use_sum_before_normalization,
)
