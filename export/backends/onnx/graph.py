"""Reading an ONNX graph: its stored tensors, the readers of each value, and its operators."""

from collections import Counter

from onnx import ModelProto, NodeProto, TensorProto

__all__ = ["CONTRIB_DOMAIN", "consumers", "drop_unread", "initializers", "operators"]

CONTRIB_DOMAIN = "com.microsoft"  # operators of ONNX Runtime beyond ONNX


def operators(graph: ModelProto) -> dict[str, int]:
    """How often each operator occurs, by name; those beyond ONNX with their domain."""
    names = (f"{node.domain}.{node.op_type}".lstrip(".") for node in graph.graph.node)
    return dict(sorted(Counter(names).items()))


def initializers(graph: ModelProto) -> dict[str, TensorProto]:
    """The stored tensors by name."""
    return {tensor.name: tensor for tensor in graph.graph.initializer}


def consumers(graph: ModelProto) -> dict[str, list[NodeProto]]:
    """Value -> the nodes that read it."""
    readers: dict[str, list[NodeProto]] = {}
    for node in graph.graph.node:
        for name in node.input:
            readers.setdefault(name, []).append(node)
    return readers


def drop_unread(graph: ModelProto) -> None:
    """Remove the stored tensors that no node reads."""
    read = set(consumers(graph)) | {output.name for output in graph.graph.output}
    kept = [tensor for tensor in graph.graph.initializer if tensor.name in read]
    del graph.graph.initializer[:]
    graph.graph.initializer.extend(kept)
