"""What XNNPACK runs for each custom operator, and how ExecuTorch's partitioner finds them.

XNNPACK has operators that ExecuTorch's own patterns do not reach: Gelu in fp16 (a third of fp32's
instructions on a Cortex-A76), products of queries and keys without a transpose, grouped
convolutions that are quantized at run time. docs/measurements.md has the figures.
Shapes: S sequence, C channels, H heads, D channels of a head.
"""

from collections.abc import Callable
from typing import Any

from executorch.backends.xnnpack.operators.node_visitor import NodeVisitor, register_node_visitor
from executorch.backends.xnnpack.partition.config import ALL_PARTITIONER_CONFIGS
from executorch.backends.xnnpack.partition.config.xnnpack_config import (
    ConfigPrecisionType,
    XNNPartitionerConfig,
)
from executorch.backends.xnnpack.partition.xnnpack_partitioner import XnnpackPartitioner
from executorch.backends.xnnpack.serialization import xnnpack_graph_schema as xnn
from executorch.backends.xnnpack.utils.utils import is_param_node

from squeezebert_mobile.export.backends.executorch.nodes import FP16, FP32, Nodes
from squeezebert_mobile.export.backends.executorch.operators import NAMES, NAMESPACE

__all__ = ["partitioner"]


def _product(nodes: Nodes) -> None:
    # XNNPACK's kernels with one scale per token read fp32, which they quantize and pack in one go.
    x = nodes.quantized(nodes.as_type(nodes.input(0), FP32), axes=1)
    nodes.add(
        xnn.XNNFullyConnected(
            input1_id=x,
            filter_id=nodes.weight(1, 2),
            bias_id=nodes.input(3),
            output_id=nodes.output(),
            flags=0,
        )
    )


def _grouped_product(nodes: Nodes) -> None:
    x = nodes.quantized(nodes.input(0), axes=3)
    weight, groups = nodes.weight(1, 2, channels_last=True), nodes.node.args[4]
    nodes.pointwise_convolution(x, weight, nodes.input(3), groups, nodes.output())


def _attend(nodes: Nodes) -> None:
    heads, fp16 = nodes.node.args[4:]
    query, key, value = (
        _heads(nodes, nodes.as_type(nodes.input(place), FP16 if fp16 else FP32), heads)
        for place in range(3)
    )
    _context(nodes, query, key, value, nodes.input(3))


def _attend_joined(nodes: Nodes) -> None:
    heads, fp16 = nodes.node.args[2:]
    projected = nodes.as_type(nodes.input(0), FP16 if fp16 else FP32)
    together = _heads(nodes, projected, 3 * heads)  # (3H, S, D)
    query, key, value = (nodes.slice_first_axis(together, part * heads, heads) for part in range(3))
    _context(nodes, query, key, value, nodes.input(1))


def _heads(nodes: Nodes, x: int, heads: int) -> int:
    """(..., S, H*D) to (H, S, D)."""
    return nodes.transpose(nodes.reshape(x, [0, heads, nodes.shape(x)[-1] // heads]), 1, 0, 2)


def _context(nodes: Nodes, query: int, key: int, value: int, mask: int) -> None:
    """Attention for (H, S, D) each, with a mask (1, 1, 1, S), into the node's output."""
    mask = nodes.as_type(nodes.reshaped_once(mask, [1, 1, 0]), nodes.datatype(query))
    scores = nodes.matmul(query, key, transpose_b=True)  # (H, S, S)
    weights = nodes.unary(xnn.XNNSoftmax, nodes.binary(xnn.XNNAdd, scores, mask))
    context = nodes.transpose(nodes.matmul(weights, value), 1, 0, 2)  # (S, H, D)
    to = nodes.output()
    *batch, _, channels = nodes.shape(to)
    shape = [*batch, 0, channels]
    if nodes.datatype(context) == FP32:
        nodes.reshape(context, shape, to=to)
    else:
        nodes.unary(xnn.XNNConvert, nodes.reshape(context, shape), to=to)


def _normalize(nodes: Nodes) -> None:
    x, eps, to = nodes.input(0), nodes.input(1), nodes.output()
    columns = nodes.transpose(x, 0, 3, 1, 2)  # (1, C, 1, S)
    mean = nodes.mean_of_columns(columns)  # (1, 1, 1, S)
    if nodes.node.args[2]:
        centered = nodes.binary(xnn.XNNSubtract, columns, mean)
        variance = nodes.mean_of_columns(nodes.unary(xnn.XNNSquare, centered))
        variance = nodes.binary(xnn.XNNAdd, variance, eps)
    else:
        squares = nodes.mean_of_columns(nodes.unary(xnn.XNNSquare, columns))
        variance = nodes.binary(xnn.XNNSubtract, squares, nodes.unary(xnn.XNNSquare, mean))
        # Rounding may make it negative.
        variance = nodes.binary(xnn.XNNMaximum, nodes.binary(xnn.XNNAdd, variance, eps), eps)
    scale = nodes.unary(xnn.XNNReciprocalSquareRoot, variance)
    mean, scale = (nodes.reshape(each, [1, 1, 0, 1]) for each in (mean, scale))
    nodes.binary(xnn.XNNMultiply, nodes.binary(xnn.XNNSubtract, x, mean), scale, to=to)


def _fp16_gelu(nodes: Nodes) -> None:
    nodes.unary(xnn.XNNGelu, nodes.as_type(nodes.input(0), FP16), to=nodes.output())


_WRITERS: dict[str, Callable[[Nodes], None]] = {
    "product": _product,
    "grouped_product": _grouped_product,
    "attend": _attend,
    "attend_joined": _attend_joined,
    "normalize": _normalize,
    "fp16_gelu": _fp16_gelu,
}


def _visitor(name: str) -> type[NodeVisitor]:
    """ExecuTorch's visitor for a custom operator."""

    class Visitor(NodeVisitor):  # type: ignore[misc]
        target = f"{NAMESPACE}.{name}.default"

        def define_node(
            self, node: Any, xnn_graph: Any, vals_to_ids: dict[Any, int], debug_handle: int
        ) -> None:
            _WRITERS[name](Nodes(self, node, xnn_graph, vals_to_ids, debug_handle))

    return Visitor


def _config(name: str) -> type[XNNPartitionerConfig]:
    """How the partitioner takes a custom operator: always, with its constants."""

    class Config(XNNPartitionerConfig):  # type: ignore[misc]
        target_name = f"{name}.default"

        def supported_precision_types(self) -> list[ConfigPrecisionType]:
            return [ConfigPrecisionType.FP32]

        def check_constraints(self, node: Any, program: Any) -> bool:
            return True

        def get_node_and_deps(self, node: Any, program: Any) -> list[Any]:
            constants = [each for each in node.all_input_nodes if is_param_node(program, each)]
            return [node, *constants]

    return Config


for _name in NAMES:
    register_node_visitor(_visitor(_name))


def partitioner() -> XnnpackPartitioner:
    """ExecuTorch's partitioner, which also takes the custom operators."""
    return XnnpackPartitioner(configs=[*ALL_PARTITIONER_CONFIGS, *map(_config, NAMES)])
