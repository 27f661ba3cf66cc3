"""ONNX: a rewritten model as a graph for ONNX Runtime, in every precision."""

from pathlib import Path

from squeezebert_mobile.export.backends.base.backend import Backend, ExportOptions, ModelFile
from squeezebert_mobile.export.backends.onnx import external_data
from squeezebert_mobile.export.backends.onnx.fp16 import store_fp16
from squeezebert_mobile.export.backends.onnx.graph import operators
from squeezebert_mobile.export.backends.onnx.quantization import quantize
from squeezebert_mobile.export.backends.onnx.tracing import to_onnx
from squeezebert_mobile.export.quantize.recipe import RECIPES
from squeezebert_mobile.models.rewriting import Traceable
from squeezebert_mobile.progress import Progress

__all__ = ["ONNX", "write_onnx"]


def write_onnx(
    model: Traceable, path: Path, options: ExportOptions, progress: Progress
) -> ModelFile:
    """Trace, quantize and save; large weights go to a file beside `path`.

    Raises:
        ExportError: tracing failed, or a weight is too large for fp16.
    """
    with progress("export"):
        graph = to_onnx(model, sequence_length=options.sequence_length)
    kept: dict[str, str] = {}
    if options.precision == "fp16":
        store_fp16(graph)
    elif options.precision in RECIPES:
        with progress("quantize"):
            graph, kept = quantize(graph, options.precision, options.overrides)
    stored = {tensor.name: tensor.ByteSize() for tensor in graph.graph.initializer}
    external_data.save(graph, path)
    return ModelFile(stored, operators(graph), kept)


ONNX = Backend(
    format="onnx",
    tools=("torch", "onnx", "onnxruntime", "onnxsim"),
    write=write_onnx,
    tanh_gelu=True,  # ONNX Runtime's erf is slow
)
