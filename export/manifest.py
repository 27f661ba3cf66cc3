"""The manifest of an artifact, built once everything else is model_file."""

import importlib.metadata

from squeezebert_mobile import __version__
from squeezebert_mobile.artifact import (
    SCHEMA_VERSION,
    Accuracy,
    FileFacts,
    Manifest,
    ModelSpec,
    Parity,
    Quantization,
    Source,
)
from squeezebert_mobile.export.backends import BACKENDS
from squeezebert_mobile.export.backends.base.backend import ExportOptions, ModelFile
from squeezebert_mobile.models.checkpoint import Checkpoint
from squeezebert_mobile.models.facts import model_facts, model_spec, parts_of

__all__ = ["make_manifest", "make_spec"]


def make_manifest(
    source: Checkpoint,
    options: ExportOptions,
    model_file: ModelFile,
    quantization: Quantization | None,
    parity: Parity,
    accuracy: Accuracy | None,
    files: dict[str, FileFacts],
) -> Manifest:
    """The manifest of an artifact; its other files must be written and verified."""
    spec = make_spec(source, options)
    return Manifest(
        schema_version=SCHEMA_VERSION,
        task=spec.task,
        labels=spec.labels,
        problem_type=spec.problem_type,  # type: ignore[arg-type]
        model=model_facts(source.model),
        parts=parts_of(source.model, model_file.stored),
        weights=source.weights,
        format=options.format,  # type: ignore[arg-type]
        precision=options.precision,  # type: ignore[arg-type]
        inputs=spec.inputs,
        outputs=spec.outputs,
        max_sequence_length=spec.max_sequence_length,
        sequence_lengths=spec.sequence_lengths,
        sentence_vector=spec.sentence_vector,
        source=Source(name=source.name, sha256=source.sha256, license=source.license),
        quantization=quantization,
        operators=model_file.operators,
        delegated=model_file.delegated,
        planned_bytes=model_file.planned_bytes,
        files=files,
        parity=parity,
        accuracy=accuracy,
        versions={"squeezebert-mobile": __version__}
        | {tool: importlib.metadata.version(tool) for tool in BACKENDS[options.format].tools},
    )


def make_spec(source: Checkpoint, options: ExportOptions) -> ModelSpec:
    """What a session must know about the exported model."""
    facts = BACKENDS[options.format].facts
    return model_spec(
        source.model,
        max_sequence_length=options.max_sequence_length,
        sequence_length=options.sequence_length,
        single_row=facts.single_row,
        engine=options.engine,
        integers=facts.integers,
        sequence_lengths=options.sequence_lengths,
        sentence_vector=source.sentences.vector,
    )
