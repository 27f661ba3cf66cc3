"""The model to fine-tune: a checkpoint's encoder, with its own head or a newly initialized one."""

from dataclasses import dataclass, replace
from pathlib import Path

from squeezebert_mobile.errors import CheckpointError, InputError
from squeezebert_mobile.evaluation.labels import match_labels
from squeezebert_mobile.evaluation.readers.data import DataSet
from squeezebert_mobile.hub import is_preset
from squeezebert_mobile.models.checkpoint import (
    Checkpoint,
    assemble_checkpoint,
    open_checkpoint,
    resolve_folder,
)
from squeezebert_mobile.models.config import EncoderConfig
from squeezebert_mobile.models.families import load_config
from squeezebert_mobile.models.heads import MODEL_CLASSES, initialize
from squeezebert_mobile.models.weight_files import read_weights
from squeezebert_mobile.models.weights import check_weights, load_encoder
from squeezebert_mobile.tasks import get_task, is_regression

__all__ = ["InitialCheckpoint", "labels_of", "open_initial_checkpoint"]

#: The label of a regression head's single output.
REGRESSION_LABEL = "value"


@dataclass(frozen=True)
class InitialCheckpoint:
    """A checkpoint to fine-tune."""

    checkpoint: Checkpoint
    has_new_head: bool  # whether the head is newly initialized instead of the checkpoint's own
    label_ids: dict[str, int]  # the output index of each of the data's classes


def open_initial_checkpoint(
    name: str | Path, data: DataSet, *, seed: int, revision: str | None = None
) -> InitialCheckpoint:
    """Open the checkpoint called `name`, with a head for the data.

    The checkpoint's head is kept if it is for the task and has every class of the data; then the
    checkpoint's label order applies. Otherwise the head is randomly initialized.

    Args:
        name: A folder, a Hub id, a demo, or a preset.
        data: The training data.
        seed: Random seed for a new head.
        revision: A branch, a tag or a commit of a Hub id; None is its default branch.

    Raises:
        CheckpointError: the checkpoint does not exist, or is damaged.
    """
    task = get_task(data.task).name
    new_ids = {label: index for index, label in enumerate(data.classes)}
    if is_preset(name):
        preset = open_checkpoint(name, task=task)
        model = initialize(task, _config_for(data, preset.model.config), seed=seed)
        return InitialCheckpoint(replace(preset, model=model), True, new_ids)
    folder = resolve_folder(name, revision=revision)
    config = load_config(folder)
    own_ids = _own_label_ids(config, data)
    if own_ids is not None and _has_head(folder, config, task):
        return InitialCheckpoint(
            open_checkpoint(name, task=task, revision=revision), False, own_ids
        )
    model = initialize(task, _config_for(data, config), seed=seed)
    model.config = model.config.with_notes(*load_encoder(model, folder, config, task))
    return InitialCheckpoint(assemble_checkpoint(name, folder, model), True, new_ids)


def labels_of(name: str | Path, *, revision: str | None = None) -> tuple[str, ...]:
    """The labels of the checkpoint called `name`; none for a preset.

    Raises:
        CheckpointError: the checkpoint does not exist, or its config.json is invalid.
    """
    if is_preset(name):
        return ()
    return tuple(load_config(resolve_folder(name, revision=revision)).id2label.values())


def _own_label_ids(config: EncoderConfig, data: DataSet) -> dict[str, int] | None:
    """The checkpoint's output index for each class; None if its labels do not fit the data."""
    labels = tuple(config.id2label.values())
    if get_task(data.task).has_problem_type:
        outputs_numbers = is_regression(config.problem_type, len(labels))
        several = config.problem_type == "multi_label_classification" or (
            outputs_numbers and len(labels) != 1
        )
        if several or data.is_regression != outputs_numbers:
            return None
    if data.class_ids and len(labels) != len(data.classes):
        return None  # ids alone do not show that the labels mean the same
    try:
        class_indices = match_labels(labels, data) if data.classes else {}
    except InputError:
        return None
    return {data.classes[index]: labels.index(label) for label, index in class_indices.items()}


def _has_head(folder: Path, config: EncoderConfig, task: str) -> bool:
    tensors = read_weights(folder)
    try:
        model = MODEL_CLASSES[task].on_meta(config, tensors)
        check_weights(model, tensors, folder, model.config, task)
    except CheckpointError:  # no head, or a damaged encoder, which load_encoder reports
        return False
    return True


def _config_for(data: DataSet, config: EncoderConfig) -> EncoderConfig:
    """The configuration with the labels of the data."""
    labels = (REGRESSION_LABEL,) if data.is_regression else data.classes
    config = replace(config, problem_type=None)
    if labels:
        config = config.with_labels(labels)
    if not get_task(data.task).has_problem_type:
        return config
    kind = "regression" if data.is_regression else "single_label_classification"
    return replace(config, problem_type=kind)
