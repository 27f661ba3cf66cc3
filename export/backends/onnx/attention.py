"""The int8 attention of a group as one operator, ONNX Runtime's QAttention.

The rewritten model has eleven operators there: a product for query, key and value, three
transposes, two more products and others. QAttention writes its product directly in the layout that
attention reads, and computes the same numbers: on x86 the outputs are bit-identical.
docs/measurements.md has the time it saves.
"""

import math
import re

import numpy as np
from onnx import ModelProto, NodeProto, TensorProto, numpy_helper
from onnx.helper import make_node

from squeezebert_mobile.export.backends.onnx.graph import CONTRIB_DOMAIN, initializers

__all__ = ["fuse_attention"]

_GROUP = re.compile(r"(.*/attention/groups\.\d+)/")  # module paths of the rewritten model
_OPERATORS = (
    *("DynamicQuantizeMatMul", "Reshape", "Transpose", "Split", "Transpose"),
    *("MatMul", "Add", "Softmax", "MatMul", "Transpose", "Reshape"),
)
_MASK, _ZERO = "attention_mask.int32", "int8.zero"


def fuse_attention(proto: ModelProto) -> None:
    """Replace the operators of every attention group of a quantized graph, in place.

    Tensors that no node reads any more stay; `drop_unread` removes them.
    """
    groups: dict[str, list[NodeProto]] = {}
    for node in proto.graph.node:
        if match := _GROUP.match(node.name):
            groups.setdefault(match[1], []).append(node)
    # A group whose product stays fp32 keeps its operators.
    groups = {name: nodes for name, nodes in groups.items() if nodes[0].op_type == _OPERATORS[0]}
    if not groups:
        return
    nodes, stored = _mask(proto), initializers(proto)
    for node in proto.graph.node:
        match = _GROUP.match(node.name)
        if not match or match[1] not in groups:
            nodes.append(node)
        elif node is groups[match[1]][0]:
            fused, tensors = _fused(stored, match[1], groups[match[1]])
            nodes += fused
            proto.graph.initializer.extend(tensors)
    del proto.graph.node[:]
    proto.graph.node.extend(nodes)
    zero = numpy_helper.from_array(np.array(0, np.int8), _ZERO)  # the weights are symmetric
    proto.graph.initializer.append(zero)


def _mask(proto: ModelProto) -> list[NodeProto]:
    """Nodes that compute the mask as int32 (B, S); choices (B, N, S) become rows."""
    mask = next(value for value in proto.graph.input if value.name == "attention_mask")
    last = len(mask.type.tensor_type.shape.dim) - 1
    flat = f"{_MASK}.flat"
    return [
        make_node("Flatten", [mask.name], [flat], flat, axis=last),
        make_node("Cast", [flat], [_MASK], _MASK, to=TensorProto.INT32),
    ]


def _fused(
    stored: dict[str, TensorProto], name: str, nodes: list[NodeProto]
) -> tuple[list[NodeProto], list[TensorProto]]:
    """The two operators that replace those of a group, and the tensors they need."""
    assert tuple(node.op_type for node in nodes) == _OPERATORS, f"{name} has other operators"
    product, reshape = nodes[:2]
    hidden, weight, scales, _, bias = product.input
    _, _, thrice_heads, _ = numpy_helper.to_array(stored[reshape.input[1]])
    heads = int(thrice_heads) // 3
    # The operator divides by the root of the head size, which the weights contain already.
    factors = np.ones(stored[scales].dims[0], np.float32)
    factors[: len(factors) // 3] = math.sqrt(len(factors) // 3 // heads)
    tensors = [
        numpy_helper.from_array(numpy_helper.to_array(stored[key]) * factors, f"{name}/{key}")
        for key in (scales, bias)
    ]
    inputs = [f"{name}.{part}" for part in ("uint8", "scale", "zero")]
    return [
        make_node("DynamicQuantizeLinear", [hidden], inputs, f"{name}.quantized"),
        make_node(
            "QAttention",
            [
                *(inputs[0], weight, f"{name}/{bias}", inputs[1], f"{name}/{scales}"),
                *(_MASK, inputs[2], _ZERO),
            ],
            [nodes[-1].output[0]],
            name,
            domain=CONTRIB_DOMAIN,
            num_heads=heads,
            mask_filter_value=float(np.finfo(np.float32).min),
        ),
    ], tensors
