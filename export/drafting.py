"""The manifest of a model: everything but what verification and the finished files say."""

import importlib.metadata

from squeezebert_mobile import __version__
from squeezebert_mobile.artifact import SCHEMA_VERSION, Manifest, Parity, Source, TensorSpec
from squeezebert_mobile.export.checkpoint import Checkpoint
from squeezebert_mobile.export.config import SqueezeBertConfig
from squeezebert_mobile.export.facts import model_facts, parts_of
from squeezebert_mobile.export.formats import Request
from squeezebert_mobile.export.written import Written
from squeezebert_mobile.tasks import INPUT_NAMES, get_task

__all__ = ["draft_manifest"]

#: What made the file, and what it was verified with.
_TOOLS = {
    "onnx": ("torch", "onnx", "onnxruntime", "onnxsim"),
    "torchscript": ("torch",),
    "executorch": ("torch", "executorch", "torchao"),
}


def draft_manifest(source: Checkpoint, request: Request, written: Written) -> Manifest:
    """Everything but what verification and the finished files say."""
    config = source.model.config
    task = get_task(source.model.task)
    has_labels = task.name in {"text-classification", "token-classification"}
    return Manifest(
        schema_version=SCHEMA_VERSION,
        task=task.name,
        labels=tuple(config.id2label.values()) if has_labels else None,
        problem_type=config.problem_type if task.name == "text-classification" else None,  # type: ignore[arg-type]
        model=model_facts(source.model),
        parts=parts_of(source.model, written.stored),
        weights=source.weights,
        format=request.format,  # type: ignore[arg-type]
        precision=request.precision,  # type: ignore[arg-type]
        inputs=tuple(
            TensorSpec(name=name, dtype="int64", axes=_axes(task.input_axes, config, request))
            for name in INPUT_NAMES
        ),
        outputs=tuple(
            TensorSpec(name=name, dtype="float32", axes=_axes(axes, config, request))
            for name, axes in task.outputs.items()
        ),
        max_sequence_length=request.max_sequence_length,
        source=Source(name=source.name, sha256=source.sha256, license=source.license),
        quantization=written.quantization,
        operators=written.operators,
        delegated=written.delegated,
        planned_bytes=written.planned_bytes,
        files={},
        parity=Parity(outputs={}, top1_agreement=None, answers=0, answers_undecided=0, texts=0),
        versions={"squeezebert-mobile": __version__}
        | {tool: importlib.metadata.version(tool) for tool in _TOOLS[request.format]},
    )


def _axes(
    names: tuple[str, ...], config: SqueezeBertConfig, request: Request
) -> tuple[str | int, ...]:
    """The axes with the lengths that are known."""
    one = 1 if request.format == "executorch" else None
    known: dict[str, int | None] = {
        "batch": one,
        "choices": one,
        "sequence": request.sequence_length,
        "hidden": config.hidden_size,
        "vocab": config.vocab_size,
        "labels": config.num_labels,
    }
    return tuple(known.get(name) or name for name in names)
