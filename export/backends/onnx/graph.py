"""A rewritten model as an ONNX graph.

Traced with torch's TorchScript-based exporter: on this graph it takes a tenth of the time of the
torch.export-based one and gives the same operators after simplification (docs/develop.md has the
figures). What a session does with the graph at its default options decides the speed, so the
graph is shaped here (`_LOWERINGS`) and not by options that an app's developer would have to know.
"""

import contextlib
import io
import logging
import warnings
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import onnx
import onnxsim
import torch
from onnx import ModelProto, NodeProto, numpy_helper
from onnx.helper import make_node

from squeezebert_mobile import __version__
from squeezebert_mobile.errors import ExportError
from squeezebert_mobile.models.rewriting import Traceable
from squeezebert_mobile.tasks import INPUT_NAMES

__all__ = ["CONTRIB_DOMAIN", "consumers", "drop_unread", "initializers", "operators", "to_onnx"]

OPSET = 20  # the first with Gelu as one operator
IR_VERSION = 10  # what ONNX Runtime 1.26 reads without question
CONTRIB_DOMAIN = "com.microsoft"


def to_onnx(model: Traceable, *, sequence_length: int | None) -> ModelProto:
    """The fp32 graph, simplified and checked.

    Args:
        model: What `rewrite` gave.
        sequence_length: The fixed length, or None for any. The batch (and the number of choices)
            is always free.

    Raises:
        ExportError: tracing failed, or the result is not valid ONNX.
    """
    graph = _simplify(_trace(model, sequence_length))
    for lower in _LOWERINGS:
        lower(graph)
    _tidy(graph)
    onnx.checker.check_model(graph, full_check=True)
    return graph


def _trace(model: Traceable, sequence_length: int | None) -> ModelProto:
    axes = model.task.input_axes
    shape = [2] * (len(axes) - 1) + [sequence_length or 9]
    example = tuple(torch.zeros(shape, dtype=torch.long) for _ in INPUT_NAMES)
    named = {
        name: {i: axis for i, axis in enumerate(axes) if _is_free(axis, sequence_length)}
        for name, axes in [(name, axes) for name in INPUT_NAMES] + list(model.task.outputs.items())
    }
    buffer = io.BytesIO()
    with _quiet(), _static_reshapes():
        try:
            torch.onnx.export(
                model,
                example,
                buffer,  # type: ignore[arg-type]  # this exporter takes a file object
                dynamo=False,
                opset_version=OPSET,
                input_names=list(INPUT_NAMES),
                output_names=list(model.task.outputs),
                dynamic_axes=named,
            )
        except torch.onnx.errors.OnnxExporterError as error:
            raise ExportError(f"torch.onnx.export failed: {error}") from error
    return onnx.load_from_string(buffer.getvalue())


def _is_free(axis: str, sequence_length: int | None) -> bool:
    return axis in {"batch", "choices"} or (axis == "sequence" and sequence_length is None)


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Keep the exporter's advice (use dynamo; a shape is a constant) from the terminal."""
    logger = logging.getLogger("torch.onnx")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)
            warnings.simplefilter("ignore", torch.jit.TracerWarning)  # type: ignore[attr-defined]
            yield
    finally:
        logger.setLevel(level)


@contextlib.contextmanager
def _static_reshapes() -> Iterator[None]:
    """Splitting and joining heads as one Reshape whose 0 keeps an axis.

    The exporter would compute the new shape at run time, with four operators a reshape.
    """

    @torch.onnx.symbolic_helper.parse_args("v", "i", "is")
    def unflatten(g: Any, x: Any, axis: int, sizes: list[int]) -> Any:  # (..., H*D) to (..., H, D)
        return g.op("Reshape", x, constant(g, [0] * axis + list(sizes[:-1]) + [-1]))

    @torch.onnx.symbolic_helper.parse_args("v", "i", "i")
    def flatten(g: Any, x: Any, start: int, end: int) -> Any:
        if end == -1:  # heads: (B, S, H, D) to (B, S, H*D)
            return g.op("Reshape", x, constant(g, [0] * start + [-1]))
        return g.op("Flatten", x, axis_i=end + 1)  # choices: (B, N, S) to (B*N, S)

    def constant(g: Any, numbers: list[int]) -> Any:
        return g.op("Constant", value_t=torch.tensor(numbers))

    custom: dict[str, Callable[..., Any]] = {"aten::unflatten": unflatten, "aten::flatten": flatten}
    for name, symbolic in custom.items():
        torch.onnx.register_custom_op_symbolic(name, symbolic, OPSET)  # type: ignore[attr-defined]
    try:
        yield
    finally:
        for name in custom:
            torch.onnx.unregister_custom_op_symbolic(name, OPSET)  # type: ignore[attr-defined]


# Simplification and lowerings ---------------------------------------------------------------


#: Products stay as the rewrite made them, beside their bias: as a Gemm each would need reshapes
#: around it, and a merged one would lose the name of its module. A bias of zeros stays as well:
#: a preset must cost what a trained checkpoint costs.
_SKIPPED = [
    "eliminate_nop_with_unit",
    "fuse_matmul_add_bias_into_gemm",
    "fuse_matmul_add_bias_into_gemm_batched",
    "fuse_qkv",
]


def _simplify(graph: ModelProto) -> ModelProto:
    simplified: ModelProto
    simplified, _ = onnxsim.simplify(graph, check_n=0, skipped_optimizers=_SKIPPED)
    return simplified


def operators(graph: ModelProto) -> dict[str, int]:
    """How often each operator stands in the graph, by name; those beyond ONNX with their domain."""
    names = (f"{node.domain}.{node.op_type}".lstrip(".") for node in graph.graph.node)
    return dict(sorted(Counter(names).items()))


def initializers(graph: ModelProto) -> dict[str, onnx.TensorProto]:
    """The stored tensors by name."""
    return {tensor.name: tensor for tensor in graph.graph.initializer}


def consumers(graph: ModelProto) -> dict[str, list[NodeProto]]:
    """For every value the nodes that read it."""
    found: dict[str, list[NodeProto]] = {}
    for node in graph.graph.node:
        for name in node.input:
            found.setdefault(name, []).append(node)
    return found


def _residual_sums(graph: ModelProto) -> None:
    """The sum before a layer norm as Sum, not Add.

    ONNX Runtime fuses Add and LayerNormalization into SkipLayerNormalization, whose CPU kernel is
    far slower than the two: 73.7 ms against 54.4 ms for SqueezeBERT-base int8 (128 tokens, one
    thread, x86-64 with VNNI). It does not look for Sum, and Sum of two is the same kernel as Add.
    """
    readers = consumers(graph)
    for node in graph.graph.node:
        read_by = {reader.op_type for reader in readers.get(node.output[0], [])}
        if node.op_type == "Add" and "LayerNormalization" in read_by:
            node.op_type = "Sum"


def _normalizations(graph: ModelProto) -> None:
    """A layer norm without scale and shift as InstanceNormalization, whose channels are the tokens.

    (B, S, C) is then S channels of C numbers. ONNX Runtime's kernel for ARM64 takes 0.41 M
    instructions for 128 tokens of 768, and the one of LayerNormalization 0.99 M, whatever its scale
    is. A scale that is none of the model's is made of ones.
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
    made = [make_node("Shape", [plain[0].input[0]], ["norm.tokens"], "norm.tokens", start=1, end=2)]
    for name in ("one", "zero"):
        inputs, outputs = [f"norm.{name}", "norm.tokens"], [f"norm.{name}s"]
        made.append(make_node("Expand", inputs, outputs, f"norm.{name}s"))
    for node in plain:
        node.op_type = "InstanceNormalization"
        node.input[:] = [node.input[0], "norm.ones", "norm.zeros"]
        kept = [each for each in node.attribute if each.name == "epsilon"]
        del node.attribute[:]
        node.attribute.extend(kept)
    first = nodes.index(plain[0])
    nodes = [*nodes[:first], *made, *nodes[first:]]
    read = {name for node in nodes for name in node.input}
    del graph.graph.node[:]  # without the scales of ones
    graph.graph.node.extend(n for n in nodes if n.op_type != "Constant" or n.output[0] in read)


def _tied_decoder(graph: ModelProto) -> None:
    """Store a weight that is the transpose of an embedding table once, as that table."""
    stored = initializers(graph)
    tables = {node.input[0] for node in graph.graph.node if node.op_type == "Gather"}
    arrays = {name: numpy_helper.to_array(stored[name]) for name in tables if name in stored}
    for node in list(graph.graph.node):
        if node.op_type != "MatMul" or node.input[1] not in stored:
            continue
        weight = numpy_helper.to_array(stored[node.input[1]])
        for name, table in arrays.items():
            if table.T.shape == weight.shape and (table.T == weight).all():
                _transpose_before(graph, node, name)
                break


def _transpose_before(graph: ModelProto, node: NodeProto, table: str) -> None:
    transposed = f"{table}.transposed"
    new = make_node("Transpose", [table], [transposed], transposed, perm=[1, 0])
    position = list(graph.graph.node).index(node)
    node.input[1] = transposed
    graph.graph.node.insert(position, new)


_LOWERINGS: tuple[Callable[[ModelProto], None], ...] = (
    _tied_decoder,
    _normalizations,
    _residual_sums,
)


def drop_unread(graph: ModelProto) -> None:
    """Remove the stored tensors that no node reads."""
    read = set(consumers(graph)) | {output.name for output in graph.graph.output}
    kept = [tensor for tensor in graph.graph.initializer if tensor.name in read]
    del graph.graph.initializer[:]
    graph.graph.initializer.extend(kept)


def _name_weights(graph: ModelProto) -> None:
    """Call a weight that tracing numbered by the node that reads it."""
    stored, readers = initializers(graph), consumers(graph)
    for name, tensor in stored.items():
        if not name.startswith("model."):
            first = readers[name][0]
            tensor.name = f"{first.name}.{list(first.input).index(name)}"
            for node in readers[name]:
                node.input[:] = [tensor.name if i == name else i for i in node.input]


def _tidy(graph: ModelProto) -> None:
    """Leave nothing of the machine or the moment in the file: the same model, the same bytes."""
    drop_unread(graph)
    _name_weights(graph)
    graph.ir_version = IR_VERSION
    graph.producer_name, graph.producer_version = "squeezebert-mobile", __version__
    graph.doc_string = graph.graph.doc_string = ""
    del graph.metadata_props[:], graph.graph.value_info[:]
    for node in graph.graph.node:
        node.doc_string = ""
        del node.metadata_props[:]
