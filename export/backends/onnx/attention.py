"""A group's int8 attention as one operator, ONNX Runtime's QAttention.

The rewrite gives eleven: a product for query, key and value, three transposes, two products more.
QAttention multiplies straight into the layout that attention reads, with the same numbers as
DynamicQuantizeMatMul and the rest: on x86 the outputs are equal to the bit. docs/develop.md says
what it saves.
"""

import math
import re

import numpy as np
from onnx import ModelProto, NodeProto, TensorProto, numpy_helper
from onnx.helper import make_node

from squeezebert_mobile.export.backends.onnx.graph import CONTRIB_DOMAIN, initializers

__all__ = ["fuse_attention"]

_GROUP = re.compile(r"(.*/attention/groups\.\d+)/")  # of rewriting.py
_OPERATORS = (
    *("DynamicQuantizeMatMul", "Reshape", "Transpose", "Split", "Transpose"),
    *("MatMul", "Add", "Softmax", "MatMul", "Transpose", "Reshape"),
)
_MASK, _ZERO = "attention_mask.int32", "int8.zero"


def fuse_attention(proto: ModelProto) -> None:
    """Replace the operators of every attention group of a quantized graph, in place.

    Tensors that nobody reads any more stay; `drop_unread` removes them.
    """
    groups: dict[str, list[NodeProto]] = {}
    for node in proto.graph.node:
        if found := _GROUP.match(node.name):
            groups.setdefault(found[1], []).append(node)
    # A product that stays in fp32 keeps the operators around it.
    groups = {name: nodes for name, nodes in groups.items() if nodes[0].op_type == _OPERATORS[0]}
    if not groups:
        return
    nodes, stored = _mask(proto), initializers(proto)
    for node in proto.graph.node:
        found = _GROUP.match(node.name)
        if not found or found[1] not in groups:
            nodes.append(node)
        elif node is groups[found[1]][0]:
            fused, tensors = _fused(stored, found[1], groups[found[1]])
            nodes += fused
            proto.graph.initializer.extend(tensors)
    del proto.graph.node[:]
    proto.graph.node.extend(nodes)
    zero = numpy_helper.from_array(np.array(0, np.int8), _ZERO)  # the weights are symmetric
    proto.graph.initializer.append(zero)


def _mask(proto: ModelProto) -> list[NodeProto]:
    """The attention mask as (B, S) int32; choices (B, N, S) are rows of their own."""
    given = next(each for each in proto.graph.input if each.name == "attention_mask")
    last = len(given.type.tensor_type.shape.dim) - 1
    flat = f"{_MASK}.flat"
    return [
        make_node("Flatten", [given.name], [flat], flat, axis=last),
        make_node("Cast", [flat], [_MASK], _MASK, to=TensorProto.INT32),
    ]


def _fused(
    stored: dict[str, TensorProto], name: str, nodes: list[NodeProto]
) -> tuple[list[NodeProto], list[TensorProto]]:
    """The two operators that take the place of one group's, and the tensors they need."""
    assert tuple(node.op_type for node in nodes) == _OPERATORS, f"{name} is made of other operators"
    product, reshape = nodes[:2]
    hidden, weight, scales, _, bias = product.input
    _, _, thrice_heads, _ = numpy_helper.to_array(stored[reshape.input[1]])
    heads = int(thrice_heads) // 3
    # The operator divides by the root of the head size; the rewrite has folded that in.
    factors = np.ones(stored[scales].dims[0], np.float32)
    factors[: len(factors) // 3] = math.sqrt(len(factors) // 3 // heads)
    tensors = [
        numpy_helper.from_array(numpy_helper.to_array(stored[each]) * factors, f"{name}/{each}")
        for each in (scales, bias)
    ]
    read = [f"{name}.{part}" for part in ("uint8", "scale", "zero")]
    return [
        make_node("DynamicQuantizeLinear", [hidden], read, f"{name}.quantized"),
        make_node(
            "QAttention",
            [read[0], weight, f"{name}/{bias}", read[1], f"{name}/{scales}", _MASK, read[2], _ZERO],
            [nodes[-1].output[0]],
            name,
            domain=CONTRIB_DOMAIN,
            num_heads=heads,
            mask_filter_value=float(np.finfo(np.float32).min),
        ),
    ], tensors
