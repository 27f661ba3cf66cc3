"""fp16: the weights of an fp32 ONNX graph stored in half the bytes; it computes in fp32.

A session turns the weights of products to fp32 when it loads (constant folding). Tables stay as
they are, and only the rows looked up become floats.
"""

import numpy as np
from onnx import ModelProto, NodeProto, TensorProto, numpy_helper
from onnx.helper import make_node

from squeezebert_mobile.errors import ExportError
from squeezebert_mobile.export.backends.onnx.graph import consumers, initializers

__all__ = ["halve"]

_LARGEST = float(np.finfo(np.float16).max)
_SMALLEST = 1024  # numbers; fewer gain nothing


def halve(proto: ModelProto) -> None:
    """Store the large weights of a graph that `to_onnx` gave as float16, in place.

    Raises:
        ExportError: a weight is too large for float16.
    """
    readers = consumers(proto)
    before: list[NodeProto] = []
    for name, tensor in initializers(proto).items():
        if tensor.data_type != TensorProto.FLOAT or np.prod(tensor.dims) < _SMALLEST:
            continue
        weight = numpy_helper.to_array(tensor)
        if not (largest := np.abs(weight).max()) <= _LARGEST:
            raise ExportError(
                f"{name!r} holds {largest:.3g}, and float16 ends at {_LARGEST:.0f}; "
                "use --precision fp32"
            )
        halved = weight.astype(np.float16)
        proto.graph.initializer.remove(tensor)
        proto.graph.initializer.append(numpy_helper.from_array(halved, f"{name}.fp16"))
        for reader in readers[name]:
            _read_half(reader, name, before)
    nodes = [*before, *proto.graph.node]
    del proto.graph.node[:]
    for node in nodes:
        proto.graph.node.append(node)
        if node.op_type in _CHOOSE and node.input[0].endswith(".fp16"):
            proto.graph.node.append(_widened(proto.graph.node[-1]))


#: Operators that choose or move numbers: what they give becomes float32, not what they read.
_CHOOSE = {"Gather", "Transpose"}


def _read_half(reader: NodeProto, name: str, before: list[NodeProto]) -> None:
    """Let a node read the halved weight, itself or through a Cast."""
    half = f"{name}.fp16"
    if reader.op_type not in _CHOOSE:
        if not any(node.output[0] == name for node in before):
            before.append(_to_float(half, name))
        return
    reader.input[:] = [half if each == name else each for each in reader.input]


def _widened(node: NodeProto) -> NodeProto:
    """The Cast after a node that gives float16 now; the node's output is renamed."""
    given = node.output[0]
    node.output[0] = f"{given}.fp16"
    return _to_float(node.output[0], given)


def _to_float(source: str, target: str) -> NodeProto:
    return make_node("Cast", [source], [target], f"{target}.float", to=TensorProto.FLOAT)
