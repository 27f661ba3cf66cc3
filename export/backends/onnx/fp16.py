"""fp16: the weights of an fp32 ONNX graph are stored as float16; the model computes in fp32.

A session converts the weights of products to fp32 when it loads (constant folding). Embedding
tables stay fp16, and only the rows that are looked up are converted.
"""

import numpy as np
from onnx import ModelProto, NodeProto, TensorProto, numpy_helper
from onnx.helper import make_node

from squeezebert_mobile.errors import ExportError
from squeezebert_mobile.export.backends.onnx.graph import consumers, initializers

__all__ = ["store_fp16"]

_LARGEST = float(np.finfo(np.float16).max)
_MIN_NUMBERS = 1024  # smaller weights save nothing


def store_fp16(proto: ModelProto) -> None:
    """Store the large weights of an fp32 graph as float16, in place.

    Raises:
        ExportError: a weight is too large for float16.
    """
    readers = consumers(proto)
    before: list[NodeProto] = []
    for name, tensor in initializers(proto).items():
        if tensor.data_type != TensorProto.FLOAT or np.prod(tensor.dims) < _MIN_NUMBERS:
            continue
        weight = numpy_helper.to_array(tensor)
        if not (largest := np.abs(weight).max()) <= _LARGEST:
            raise ExportError(
                f"{name!r} contains {largest:.3g}, and the largest float16 is {_LARGEST:.0f}; "
                "use --precision fp32"
            )
        fp16 = weight.astype(np.float16)
        proto.graph.initializer.remove(tensor)
        proto.graph.initializer.append(numpy_helper.from_array(fp16, f"{name}.fp16"))
        for reader in readers[name]:
            _read_fp16(reader, name, before)
    nodes = [*before, *proto.graph.node]
    del proto.graph.node[:]
    for node in nodes:
        proto.graph.node.append(node)
        if node.op_type in _SELECTING and node.input[0].endswith(".fp16"):
            proto.graph.node.append(_cast_after(proto.graph.node[-1]))


#: Operators that select or move numbers: their output is converted to float32, not their input.
_SELECTING = {"Gather", "Transpose"}


def _read_fp16(reader: NodeProto, name: str, before: list[NodeProto]) -> None:
    """Let a node read the float16 weight, directly or through a Cast in `before`."""
    fp16 = f"{name}.fp16"
    if reader.op_type not in _SELECTING:
        if not any(node.output[0] == name for node in before):
            before.append(_to_float(fp16, name))
        return
    reader.input[:] = [fp16 if value == name else value for value in reader.input]


def _cast_after(node: NodeProto) -> NodeProto:
    """The Cast after a node whose output is float16 now; that output is renamed."""
    output = node.output[0]
    node.output[0] = f"{output}.fp16"
    return _to_float(node.output[0], output)


def _to_float(source: str, target: str) -> NodeProto:
    return make_node("Cast", [source], [target], f"{target}.float", to=TensorProto.FLOAT)
