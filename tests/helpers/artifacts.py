"""Tiny fp32 artifacts, exported directly from transformers' models, for tests of the runtime."""

import contextlib
import json
import logging
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import tiny
import torch
import transformers

from squeezebert_mobile import artifact
from squeezebert_mobile.runtime import Pipeline, SqueezeBertTokenizer, load_artifact
from squeezebert_mobile.tasks import INPUT_NAMES, TASKS

LABELS = ("O", "B-PER", "I-PER", "B-LOC", "I-LOC")


class _Traced(torch.nn.Module):
    def __init__(self, model: Any, outputs: list[str]) -> None:
        super().__init__()
        self.model, self.outputs = model, outputs

    def forward(self, *inputs: torch.Tensor) -> tuple[torch.Tensor, ...]:
        outputs = self.model(**dict(zip(INPUT_NAMES, inputs, strict=True)))
        return tuple(outputs[name] for name in self.outputs)


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    logger = logging.getLogger("torch.onnx")
    level = logger.level
    logger.setLevel(logging.ERROR)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield
    logger.setLevel(level)


def _to_onnx(model: Any, task: str, path: Path, fixed: dict[str, int]) -> None:
    axes = {name: TASKS[task].input_axes for name in INPUT_NAMES} | TASKS[task].outputs
    free = {
        name: {i: axis for i, axis in enumerate(names) if axis not in fixed and axis in _FREE}
        for name, names in axes.items()
    }
    shape = [fixed.get(axis, 2 + i) for i, axis in enumerate(TASKS[task].input_axes)]
    example = tuple(torch.ones(shape, dtype=torch.long) for _ in INPUT_NAMES)
    traced = _Traced(model, list(TASKS[task].outputs)).eval()
    with _quiet():
        torch.onnx.export(
            traced,
            example,
            path,
            dynamo=False,
            input_names=list(INPUT_NAMES),
            output_names=list(TASKS[task].outputs),
            dynamic_axes=free,
        )
    onnx.checker.check_model(path)


_FREE = {"batch", "choices", "sequence"}


def write_artifact(
    folder: Path,
    task: str,
    *,
    family: str = "squeezebert",
    fixed: dict[str, int] | None = None,
    problem_type: Any = None,
    **changes: Any,
) -> tuple[Any, Path]:
    """Write a checkpoint to `folder`/checkpoint and its artifact to `folder`/artifact.

    Args:
        folder: the parent folder.
        task: the head.
        family: "squeezebert" or "bert".
        fixed: axes with a fixed length, such as ``{"sequence": 16}``.
        problem_type: as in config.json.
        changes: changes to the tiny config.

    Returns:
        transformers' model, and the artifact.
    """
    fixed = fixed or {}
    if TASKS[task].has_labels:
        changes = {"num_labels": len(LABELS), "id2label": dict(enumerate(LABELS))} | changes
    theirs = tiny.write_checkpoint(folder / "checkpoint", family, task, **changes)
    theirs.config.problem_type = problem_type
    target = folder / "artifact"
    target.mkdir()
    _to_onnx(theirs, task, target / "model.onnx", fixed)
    tokenizer = SqueezeBertTokenizer.from_pretrained(folder / "checkpoint")
    tokenizer.save_pretrained(target)
    artifact.write_json(
        artifact.Golden(schema_version=1, tolerance={}, texts=()), target / artifact.GOLDEN_FILE
    )
    manifest = _manifest(theirs, task, family, fixed, target)
    artifact.write_json(manifest, target / artifact.MANIFEST_FILE)
    return theirs, target


def _manifest(
    theirs: Any, task: str, family: str, fixed: dict[str, int], target: Path
) -> artifact.Manifest:
    config, record = theirs.config, TASKS[task]

    def spec(name: str, dtype: Any, axes: tuple[str, ...]) -> artifact.TensorSpec:
        sizes: tuple[str | int, ...] = tuple(fixed.get(axis, axis) for axis in axes)
        return artifact.TensorSpec(name=name, dtype=dtype, axes=sizes)

    return artifact.Manifest(
        schema_version=1,
        task=task,
        labels=tuple(config.id2label[i] for i in range(config.num_labels))
        if record.has_labels
        else None,
        problem_type=config.problem_type,
        model=artifact.ModelFacts(
            type=family,
            layers=config.num_hidden_layers,
            hidden=config.hidden_size,
            heads=config.num_attention_heads,
            groups={"query": 1},
            parameters=theirs.num_parameters(),
            vocab_size=config.vocab_size,
        ),
        parts={},
        weights="random",
        format="onnx",
        precision="fp32",
        inputs=tuple(spec(name, "int64", record.input_axes) for name in INPUT_NAMES),
        outputs=tuple(spec(name, "float32", axes) for name, axes in record.outputs.items()),
        max_sequence_length=config.max_position_embeddings,
        source=artifact.Source(name="tiny", sha256="0" * 64),
        quantization=None,
        operators={"Gemm": 1},
        files={path.name: artifact.file_facts(path) for path in sorted(target.iterdir())},
        parity=artifact.Parity(
            outputs={}, top1_agreement=None, answers=0, answers_undecided=0, texts=1
        ),
        versions={},
    )


def load_pair(folder: Path, task: str, **options: Any) -> tuple[Any, Pipeline[Any]]:
    """transformers' model, and our pipeline over its artifact."""
    theirs, target = write_artifact(folder, task, **options)
    return theirs, load_artifact(target, threads=1)


def rewrite_manifest(folder: Path, **changes: Any) -> None:
    """Change fields of an artifact's manifest."""
    manifest = artifact.read_manifest(folder)
    data = manifest.model_dump(mode="json") | changes
    path = folder / artifact.MANIFEST_FILE
    artifact.write_json(artifact.Manifest.model_validate_json(json.dumps(data)), path)


def their_tokenizer(folder: Path) -> Any:
    """transformers' tokenizer of the checkpoint that `write_artifact` wrote."""
    tokenizer = transformers.SqueezeBertTokenizerFast.from_pretrained(folder / "checkpoint")
    tokenizer.model_max_length = 40
    return tokenizer


def outputs_of(theirs: Any, inputs: Any) -> dict[str, np.ndarray]:
    """The outputs of transformers' model for tensors or arrays."""
    tensors = {name: torch.as_tensor(np.asarray(value)) for name, value in inputs.items()}
    with torch.no_grad():
        return {name: value.numpy() for name, value in theirs(**tensors).items()}


#: Texts of several lengths, with accents, unknown words, subwords, punctuation, special tokens.
TEXTS = [
    "wake me at half past six.",
    "music",
    "how long is the past? it is one small minute, yes",
    "Clocks ticking: the cát  sat ON the unknownword mats!",
    "play rain songs in the night\tat the big clock, stop at seven. turn it to sun " * 2,
    "what [MASK] is it, Dog?",
    "yes yes no",
    "\u65e5 weather \U0001f600 me",
]
