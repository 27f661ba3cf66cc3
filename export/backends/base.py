"""From a rewritten model to a model file in each format: the one table of writers."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from squeezebert_mobile.export.backends.executorch.lowering import to_executorch
from squeezebert_mobile.export.backends.onnx import external_data
from squeezebert_mobile.export.backends.onnx.fp16 import halve
from squeezebert_mobile.export.backends.onnx.graph import operators, to_onnx
from squeezebert_mobile.export.backends.onnx.quantization import quantize
from squeezebert_mobile.export.backends.torchscript import to_torchscript
from squeezebert_mobile.export.backends.written import Written
from squeezebert_mobile.export.quantize.sensitivity import Activations
from squeezebert_mobile.models.rewriting import Traceable
from squeezebert_mobile.progress import Progress

__all__ = ["WRITERS", "Request", "activations"]


@dataclass(frozen=True)
class Request:
    """What was asked for, checked; and what quantization leaves alone."""

    format: str
    precision: str
    sequence_length: int | None
    max_sequence_length: int
    engine: str
    apart: Mapping[str, str] = field(default_factory=dict)  # module -> a higher precision


def _onnx(model: Traceable, path: Path, request: Request, progress: Progress) -> Written:
    with progress("export"):
        graph = to_onnx(model, sequence_length=request.sequence_length)
    recipe = None
    if request.precision == "fp16":
        halve(graph)
    elif request.precision != "fp32":
        with progress("quantize"):
            graph, recipe = quantize(graph, request.precision, request.apart)
    stored = {tensor.name: tensor.ByteSize() for tensor in graph.graph.initializer}
    external_data.save(graph, path)
    return Written(stored, operators(graph), recipe)


def _torchscript(model: Traceable, path: Path, request: Request, progress: Progress) -> Written:
    with progress("export"):
        return to_torchscript(
            model,
            path,
            precision=request.precision,
            sequence_length=request.sequence_length,
            engine=request.engine,
            apart=request.apart,
        )


def _executorch(model: Traceable, path: Path, request: Request, progress: Progress) -> Written:
    return to_executorch(
        model,
        path,
        precision=request.precision,
        sequence_length=request.sequence_length,
        max_sequence_length=request.max_sequence_length,
        apart=request.apart,
        progress=progress,
    )


def activations(request: Request) -> Activations:
    """How the format's int8 products quantize what they read."""
    return Activations(a_token=request.format == "executorch")


WRITERS: dict[str, Callable[[Traceable, Path, Request, Progress], Written]] = {
    "onnx": _onnx,
    "torchscript": _torchscript,
    "executorch": _executorch,
}
