"""Facts of a checkpoint before it is exported, for `squeezebert-mobile inspect`."""

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn

from squeezebert_mobile.artifact import ModelFacts, SentenceVector
from squeezebert_mobile.errors import CheckpointError
from squeezebert_mobile.export.sizes import expected_bytes, largest_bytes
from squeezebert_mobile.hub import is_preset, named_errors
from squeezebert_mobile.models.checkpoint import (
    PRESET_TASK,
    download_checkpoint,
    find_task,
    preset_config,
    read_license,
    resolve_folder,
)
from squeezebert_mobile.models.config import EncoderConfig
from squeezebert_mobile.models.facts import (
    FLOAT_BYTES,
    model_facts,
    parameters_of,
)
from squeezebert_mobile.models.families import load_config
from squeezebert_mobile.models.heads import MODEL_CLASSES
from squeezebert_mobile.models.modeling import PretrainedModel, SqueezeBertModel
from squeezebert_mobile.models.sentence_modules import SentenceModules, read_sentence_modules
from squeezebert_mobile.models.weight_files import read_weights
from squeezebert_mobile.models.weights import check_weights, find_head, has_pooler
from squeezebert_mobile.progress import Progress, as_progress
from squeezebert_mobile.runtime.tokenizer.vocabulary import UNLIMITED, read_settings

__all__ = ["CheckpointFacts", "CheckpointPart", "OperatorFacts", "inspect_checkpoint"]


@dataclass(frozen=True)
class CheckpointPart:
    """Size of the embeddings, the encoder, or the head."""

    parameters: int
    bytes: int  # in fp32


@dataclass(frozen=True)
class OperatorFacts:
    """Layers of one kind and shape."""

    kind: str  # name of the torch class
    shape: tuple[int, ...]  # of the weight: [output, input], [rows, channels] or [channels]
    groups: int
    count: int
    parameters: int  # of all layers
    multiply_adds: int  # of all layers, per token


@dataclass(frozen=True)
class CheckpointFacts:
    """Facts of a checkpoint; sizes include the head of `task`."""

    name: str
    task: str  # the one that its config names, or the first of `heads`
    heads: tuple[str, ...]  # the tasks whose weights are complete
    labels: tuple[str, ...]
    max_sequence_length: int  # the longest input, in tokens, of an export by default
    license: str | None  # None: not stated
    model: ModelFacts
    parts: dict[str, CheckpointPart]
    operators: tuple[OperatorFacts, ...]
    expected_bytes: dict[str, dict[str, int]]  # format -> precision -> bytes of weights
    largest_bytes: int  # of weights in int8 or int4, if parts are repaired; ONNX
    notes: tuple[str, ...]  # what a user should know of how it was read
    sentence_vector: SentenceVector | None  # None: no modules.json, or another task
    tokenizer_error: str | None  # why an export cannot read the tokenizer; None: it can


def inspect_checkpoint(
    name: str | Path, *, revision: str | None = None, progress: Progress | bool = False
) -> CheckpointFacts:
    """The facts of a checkpoint. Names and shapes of its weights are read, but not the values.

    Args:
        name: A folder in Hugging Face layout, a Hub id, ``demo`` or ``preset:NAME``.
        revision: A branch, a tag or a commit of a Hub id; None is its default branch.
        progress: Shows the download of a Hub id, as in `export_checkpoint`.

    Raises:
        CheckpointError: it is not a checkpoint, or its weights do not match its config.
    """
    revision = download_checkpoint(name, revision=revision, progress=as_progress(progress))
    notes: list[str] = []
    folder: Path | None = None
    if is_preset(name):
        config, license = preset_config(str(name)), None
        models, named = _preset_models(config), PRESET_TASK
    else:
        folder = resolve_folder(name, revision=revision)
        with named_errors(name, folder):
            config, tensors = load_config(folder), read_weights(folder)
            license = read_license(folder, config)
            named, notes = _named_task(folder, config, tensors)
            models = _models_in(folder, config, tensors, named)
    task = named if named in models else next(iter(models))
    model = models[task]
    sentences = SentenceModules()
    if folder is not None and task == SqueezeBertModel.task:
        sentences, problems = _sentence_modules(folder)
        notes += [text.replace(str(folder), str(name)) for text in problems]
    length, tokenizer_error = _tokenizer_length(folder)
    longest = sentences.max_length or length
    return CheckpointFacts(
        name=str(name),
        task=task,
        heads=tuple(models),
        labels=tuple(config.id2label.values()),
        max_sequence_length=min(config.max_position_embeddings, longest),
        license=license,
        model=model_facts(model),
        parts={
            part: CheckpointPart(count, count * FLOAT_BYTES)
            for part, count in parameters_of(model).items()
        },
        operators=tuple(_operators(model)),
        expected_bytes=expected_bytes(model),
        largest_bytes=largest_bytes(model),
        notes=(*notes, *model.notes),
        sentence_vector=sentences.vector,
        tokenizer_error=tokenizer_error and tokenizer_error.replace(str(folder), str(name)),
    )


def _sentence_modules(folder: Path) -> tuple[SentenceModules, list[str]]:
    """What the files of sentence-transformers say, and a note of what an export would refuse."""
    try:
        return read_sentence_modules(folder), []
    except CheckpointError as error:
        return SentenceModules(), [f"an export is refused: {error}"]


def _tokenizer_length(folder: Path | None) -> tuple[int, str | None]:
    """The longest input of the tokenizer, in tokens; no limit and why, if it cannot be read."""
    try:
        return read_settings(folder).model_max_length if folder else UNLIMITED, None
    except CheckpointError as error:
        return UNLIMITED, str(error)


def _named_task(
    folder: Path, config: EncoderConfig, tensors: Mapping[str, Tensor]
) -> tuple[str, list[str]]:
    """The task that an export would select, and notes; an empty string if it would ask for one."""
    try:
        return find_task(folder, config, tensors)
    except CheckpointError:
        return "", []


def _preset_models(config: EncoderConfig) -> dict[str, PretrainedModel]:
    """Task -> a model on the meta device."""
    with torch.device("meta"):
        return {task: model_class(config) for task, model_class in MODEL_CLASSES.items()}


def _models_in(
    folder: Path, config: EncoderConfig, tensors: Mapping[str, Tensor], named: str
) -> dict[str, PretrainedModel]:
    """Task -> a model on the meta device, for every task whose weights are all in the folder.

    An encoder without pooler is one of them only if there is no other.

    Raises:
        CheckpointError: the head of the task `named` is there, but is not complete; or the weights
            are those of no task.
    """
    models: dict[str, PretrainedModel] = {}
    errors: dict[str, CheckpointError] = {}
    for task, model_class in MODEL_CLASSES.items():
        model = model_class.on_meta(config, tensors)
        try:
            check_weights(model, tensors, folder, model.config, task)
            models[task] = model
        except CheckpointError as error:
            errors[task] = error
    if named in errors and find_head(tensors, config, named):
        raise errors[named]
    encoder = SqueezeBertModel.task
    if not models:
        raise errors[encoder]
    if len(models) > 1 and not has_pooler(tensors, config):
        del models[encoder]
    return models


def _operators(model: PretrainedModel) -> Iterator[OperatorFacts]:
    """The layers with weights, in the order in which the model first runs them."""
    # A pointwise Conv1d of one group is what BERT's checkpoints and users call Linear.
    bert = model.config.model_type == "bert"
    kinds = Counter(_kind(layer, bert) for layer in model.modules() if hasattr(layer, "weight"))
    for (kind, shape, groups, parameters), count in kinds.items():
        products = 1 if kind in {"Conv1d", "Linear"} else 0
        yield OperatorFacts(
            kind=kind,
            shape=shape,
            groups=groups,
            count=count,
            parameters=count * parameters,
            multiply_adds=products * count * shape[0] * shape[-1] // groups,
        )


def _kind(layer: nn.Module, bert: bool) -> tuple[str, tuple[int, ...], int, int]:
    """What distinguishes two layers: class, shape of the weight, groups, parameters."""
    groups = layer.groups if isinstance(layer, nn.Conv1d) else 1
    outputs, *inputs = layer.get_parameter("weight").shape
    shape = (outputs, *(size * groups for size in inputs[:1]))  # without a Conv1d's kernel size
    parameters = sum(parameter.numel() for parameter in layer.parameters(recurse=False))
    name = "Linear" if bert and isinstance(layer, nn.Conv1d) else type(layer).__name__
    return name, shape, groups, parameters
