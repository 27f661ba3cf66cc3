"""An ONNX graph: its stored tensors, the readers of each value, its operators, and copies.

Copies leave out large tensors: a message cannot share a tensor with another one, and keeps the
memory of those that are removed from it.
"""

from collections import Counter
from collections.abc import Container, Iterable, Sequence
from typing import TypeVar

import onnx
from onnx import GraphProto, ModelProto, NodeProto, TensorProto
from onnx.helper import make_tensor_value_info

__all__ = [
    "CONTRIB_DOMAIN",
    "check",
    "consumers",
    "copy_without",
    "copy_with_inputs",
    "drop_unread",
    "initializers",
    "operators",
    "put_back",
]

_Message = TypeVar("_Message", ModelProto, GraphProto)

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
    tensors = graph.graph.initializer
    for index in reversed(range(len(tensors))):
        if tensors[index].name not in read:
            del tensors[index]


def copy_without(graph: ModelProto, names: Container[str]) -> ModelProto:
    """A copy of the graph that does not store the tensors with these names."""
    copy = ModelProto()
    _copy_fields(graph, copy, besides="graph")
    _copy_fields(graph.graph, copy.graph, besides="initializer")
    copy.graph.initializer.extend(t for t in graph.graph.initializer if t.name not in names)
    return copy


def _copy_fields(source: _Message, target: _Message, *, besides: str) -> None:
    """Copy all fields of a message besides one; none of the others is a message."""
    for field, value in source.ListFields():
        if field.name == besides:
            continue
        if isinstance(value, str | int):
            setattr(target, field.name, value)
        else:
            getattr(target, field.name).extend(value)


def copy_with_inputs(graph: ModelProto, names: Container[str]) -> ModelProto:
    """A copy of the graph in which the stored tensors with these names are inputs."""
    copy = copy_without(graph, names)
    copy.graph.input.extend(
        make_tensor_value_info(tensor.name, tensor.data_type, tensor.dims)
        for tensor in graph.graph.initializer
        if tensor.name in names
    )
    return copy


def put_back(graph: ModelProto, tensors: Iterable[TensorProto], order: Sequence[str]) -> None:
    """Store tensors that were left out of a copy.

    Args:
        graph: The copy.
        tensors: The tensors.
        order: The names of all tensors of the graph that was copied. Those of the copy alone come
            last.
    """
    place = {name: index for index, name in enumerate(order)}
    stored = sorted(
        [*graph.graph.initializer, *tensors], key=lambda t: place.get(t.name, len(place))
    )
    del graph.graph.initializer[:]
    graph.graph.initializer.extend(stored)


def check(graph: ModelProto) -> None:
    """Check the operators of a graph and the types and shapes of its values.

    Raises:
        onnx.checker.ValidationError: the graph is wrong.
    """
    matrices = {tensor.name for tensor in graph.graph.initializer if len(tensor.dims) > 1}
    onnx.checker.check_model(copy_with_inputs(graph, matrices), full_check=True)
