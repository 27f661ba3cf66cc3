"""From a rewritten model to an fp32 ONNX graph.

The model is traced with torch's TorchScript-based exporter: on this model it takes a tenth of the
time of the torch.export-based one and gives the same operators after simplification
(docs/measurements.md has the figures).
"""

import contextlib
import io
import logging
import warnings
from collections.abc import Callable, Iterator
from typing import Any

import onnx
import torch
from onnx import ModelProto

from squeezebert_mobile.errors import ExportError
from squeezebert_mobile.export.backends.onnx.graph import check
from squeezebert_mobile.export.backends.onnx.passes import lower, make_reproducible
from squeezebert_mobile.export.backends.onnx.simplification import simplify
from squeezebert_mobile.models.rewriting import Traceable
from squeezebert_mobile.tasks import INPUT_NAMES

__all__ = ["to_onnx"]

OPSET = 20  # the first with Gelu as one operator


def to_onnx(model: Traceable, *, sequence_length: int | None) -> ModelProto:
    """The fp32 graph, simplified and checked.

    Args:
        model: The result of `rewrite`.
        sequence_length: The fixed length, or None for any. The batch (and the number of choices)
            is always dynamic.

    Raises:
        ExportError: tracing failed.
    """
    graph = simplify(_trace(model, sequence_length))
    lower(graph)
    make_reproducible(graph)
    check(graph)
    return graph


def _trace(model: Traceable, sequence_length: int | None) -> ModelProto:
    axes = model.task.input_axes
    shape = [2] * (len(axes) - 1) + [sequence_length or model.example_length]
    example = tuple(torch.zeros(shape, dtype=torch.long) for _ in INPUT_NAMES)
    dynamic = {
        name: {i: axis for i, axis in enumerate(axes) if _is_dynamic(axis, sequence_length)}
        for name, axes in [(name, axes) for name in INPUT_NAMES] + list(model.outputs.items())
    }
    written = _Written()
    with _quiet(), _static_reshapes():
        try:
            torch.onnx.export(
                model,
                example,
                written,  # type: ignore[arg-type]  # this exporter takes a file object
                dynamo=False,
                opset_version=OPSET,
                input_names=list(INPUT_NAMES),
                output_names=list(model.outputs),
                dynamic_axes=dynamic,
            )
        except torch.onnx.errors.OnnxExporterError as error:
            raise ExportError(f"torch.onnx.export failed: {error}") from error
    return onnx.load_from_string(written.data)


class _Written(io.RawIOBase):
    """A file in memory. Unlike io.BytesIO it does not copy what is written at once."""

    data = b""

    def write(self, data: Any) -> int:
        self.data += data
        return len(data)


def _is_dynamic(axis: str, sequence_length: int | None) -> bool:
    return axis in {"batch", "choices"} or (axis == "sequence" and sequence_length is None)


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Hide the exporter's warnings (use dynamo; a shape is a constant)."""
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
    """Export the reshapes that split and merge heads as one Reshape, in which 0 keeps an axis.

    The exporter would compute the new shape at run time, with four operators per reshape.
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
