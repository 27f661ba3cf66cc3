"""Checkpoint files of tiny models, and changes to them, for the tests of loading weights."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import tiny
import torch
from safetensors.torch import load_file, save_file

from squeezebert_mobile.errors import CheckpointError
from squeezebert_mobile.models.heads import MODEL_CLASSES

Weights = dict[str, torch.Tensor]

#: Names of two weights in a SqueezeBERT checkpoint with a fill-mask head.
BIAS = "cls.predictions.bias"
KEY = "transformer.encoder.layers.1.attention.key.weight"


def save_theirs(
    folder: Path, family: str = "squeezebert", task: str = "fill-mask", **kw: Any
) -> Any:
    """transformers' model, saved in `folder`."""
    theirs = tiny.tiny_theirs(family, task, **kw)
    theirs.save_pretrained(folder)
    return theirs


def change_weights(folder: Path, change: Callable[[Weights], Any]) -> None:
    """Apply `change` to the weights in model.safetensors."""
    weights = load_file(folder / "model.safetensors")
    weights = {name: tensor.clone() for name, tensor in weights.items()}
    change(weights)
    save_file(weights, folder / "model.safetensors")


def convert_to_bin(folder: Path, *, zipped: bool = True) -> Path:
    """Replace model.safetensors by pytorch_model.bin."""
    weights = {n: t.clone() for n, t in load_file(folder / "model.safetensors").items()}
    (folder / "model.safetensors").unlink()
    path = folder / "pytorch_model.bin"
    torch.save(weights, path, _use_new_zipfile_serialization=zipped)
    return path


def change_config(folder: Path, **values: Any) -> None:
    """Set keys of config.json."""
    path = folder / "config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | values))


def logits(folder: Path, task: str = "fill-mask") -> torch.Tensor:
    """The logits of our model of the checkpoint, for a fixed input."""
    model = MODEL_CLASSES[task].from_pretrained(folder)
    with torch.no_grad():
        return model(torch.arange(24).reshape(2, 12)).logits


def rejected(folder: Path, message: str, task: str = "fill-mask") -> None:
    """Check that loading raises a CheckpointError with one line that matches `message`."""
    with pytest.raises(CheckpointError, match=message) as error:
        MODEL_CLASSES[task].from_pretrained(folder)
    assert "\n" not in str(error.value)
