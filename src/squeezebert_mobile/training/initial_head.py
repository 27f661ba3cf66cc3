"""Where a training starts: a checkpoint's encoder, and its head where that fits the data."""

from dataclasses import dataclass, replace
from pathlib import Path

import torch

from squeezebert_mobile.errors import CheckpointError, InputError
from squeezebert_mobile.evaluation.labels import match_labels
from squeezebert_mobile.evaluation.readers.data import DataSet
from squeezebert_mobile.models.checkpoint import (
    Checkpoint,
    assemble_checkpoint,
    open_checkpoint,
    resolve_folder,
)
from squeezebert_mobile.models.config import EncoderConfig
from squeezebert_mobile.models.families import load_config
from squeezebert_mobile.models.heads import MODEL_CLASSES, initialize
from squeezebert_mobile.models.weights import check_weights, load_encoder, read_weights
from squeezebert_mobile.tasks import get_task, is_regression

__all__ = ["Start", "open_start"]

#: What a head that gives a number calls it.
VALUE = "value"


@dataclass(frozen=True)
class Start:
    """A checkpoint to train."""

    checkpoint: Checkpoint
    is_new: bool  # whether the head was drawn, as the checkpoint has none that fits
    label_ids: dict[str, int]  # of the data's classes; empty where there are none


def open_start(name: str | Path, data: DataSet, *, seed: int) -> Start:
    """The checkpoint called `name` with a head for the data.

    Its own head is kept where it is for the task and knows every class; the labels are then the
    checkpoint's, in its order. Otherwise the head is drawn at random.

    Args:
        name: A folder, a Hub id, a demo, or a preset.
        data: What is to be learned.
        seed: Of a head that is drawn.

    Raises:
        CheckpointError: there is no such checkpoint, or it is damaged.
    """
    task = get_task(data.task).name
    fresh = {label: place for place, label in enumerate(data.classes)}
    if str(name).startswith("preset:"):
        preset = open_checkpoint(name, task=task)
        model = initialize(task, _config_for(data, preset.model.config), seed=seed)
        return Start(replace(preset, model=model), True, fresh)
    folder = resolve_folder(name)
    config = load_config(folder)
    own = _own_labels(config, data)
    if own is not None and _has_head(folder, config, task):
        return Start(open_checkpoint(name, task=task), False, own)
    model = initialize(task, _config_for(data, config), seed=seed)
    load_encoder(model, folder, config, task)
    return Start(assemble_checkpoint(name, folder, model), True, fresh)


def _own_labels(config: EncoderConfig, data: DataSet) -> dict[str, int] | None:
    """The id that each of the data's classes has in the checkpoint; None: its labels are others."""
    labels = tuple(config.id2label.values())
    if get_task(data.task).has_problem_type:
        numbers = is_regression(config.problem_type, len(labels))
        several = config.problem_type == "multi_label_classification" or (
            numbers and len(labels) != 1
        )
        if several or data.is_regression != numbers:
            return None
    if data.class_ids and len(labels) != len(data.classes):
        return None  # by id alone they would be called what others were called
    try:
        places = match_labels(labels, data) if data.classes else {}
    except InputError:
        return None
    return {data.classes[place]: labels.index(label) for label, place in places.items()}


def _has_head(folder: Path, config: EncoderConfig, task: str) -> bool:
    try:
        with torch.device("meta"):
            model = MODEL_CLASSES[task](config)
        check_weights(model, read_weights(folder), folder, config, task)
    except CheckpointError:  # no head; or damage, which loading the encoder tells
        return False
    return True


def _config_for(data: DataSet, config: EncoderConfig) -> EncoderConfig:
    """The same encoder for the data's labels."""
    labels = (VALUE,) if data.is_regression else data.classes
    config = replace(config, problem_type=None)
    if labels:
        config = config.with_labels(labels)
    if not get_task(data.task).has_problem_type:
        return config
    kind = "regression" if data.is_regression else "single_label_classification"
    return replace(config, problem_type=kind)
