"""The manifest of an artifact, built once everything else is written."""

import importlib.metadata

from squeezebert_mobile import __version__
from squeezebert_mobile.artifact import (
    FORMATS,
    SCHEMA_VERSION,
    Accuracy,
    FileFacts,
    Manifest,
    ModelSpec,
    Parity,
    Source,
)
from squeezebert_mobile.export.backends.base import Request
from squeezebert_mobile.export.backends.written import Written
from squeezebert_mobile.models.checkpoint import Checkpoint
from squeezebert_mobile.models.facts import model_facts, parts_of
from squeezebert_mobile.models.spec import model_spec

__all__ = ["make_manifest", "spec_of"]

#: What made the file, and what it was verified with.
_TOOLS = {
    "onnx": ("torch", "onnx", "onnxruntime", "onnxsim"),
    "torchscript": ("torch",),
    "executorch": ("torch", "executorch", "torchao"),
}


def make_manifest(
    source: Checkpoint,
    request: Request,
    written: Written,
    parity: Parity,
    accuracy: Accuracy | None,
    files: dict[str, FileFacts],
) -> Manifest:
    """The manifest of an artifact whose other files are written and verified."""
    spec = spec_of(source, request)
    return Manifest(
        schema_version=SCHEMA_VERSION,
        task=spec.task,
        labels=spec.labels,
        problem_type=spec.problem_type,  # type: ignore[arg-type]
        model=model_facts(source.model),
        parts=parts_of(source.model, written.stored),
        weights=source.weights,
        format=request.format,  # type: ignore[arg-type]
        precision=request.precision,  # type: ignore[arg-type]
        inputs=spec.inputs,
        outputs=spec.outputs,
        max_sequence_length=spec.max_sequence_length,
        source=Source(name=source.name, sha256=source.sha256, license=source.license),
        quantization=written.quantization,
        operators=written.operators,
        delegated=written.delegated,
        planned_bytes=written.planned_bytes,
        files=files,
        parity=parity,
        accuracy=accuracy,
        versions={"squeezebert-mobile": __version__}
        | {tool: importlib.metadata.version(tool) for tool in _TOOLS[request.format]},
    )


def spec_of(source: Checkpoint, request: Request) -> ModelSpec:
    """What a session of the exported model must know."""
    packed = (request.format, request.precision) == ("torchscript", "int8")
    return model_spec(
        source.model,
        max_sequence_length=request.max_sequence_length,
        sequence_length=request.sequence_length,
        single_row=FORMATS[request.format].single_row,
        engine=request.engine if packed else None,
    )
