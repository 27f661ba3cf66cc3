"""Reading the weights of a checkpoint, checking them against its config, and writing them.

A checkpoint is an untrusted file. Only tensors are read and no code in it runs; every weight's name
and shape is checked against the config before memory is allocated for it.
"""

import hashlib
import json
import re
import zipfile
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from squeezebert_mobile.errors import CheckpointError
from squeezebert_mobile.models.config import EncoderConfig
from squeezebert_mobile.models.families import architecture_of, family_of
from squeezebert_mobile.models.weight_names import (
    checkpoint_names,
    current_name,
    encoder_names,
    head_names,
)
from squeezebert_mobile.tasks import TASKS

__all__ = [
    "check_weights",
    "load_encoder",
    "load_weights",
    "read_weights",
    "save_weights",
    "weight_files",
    "weights_sha256",
]

SAFETENSORS_FILE = "model.safetensors"
BIN_FILE = "pytorch_model.bin"
_FLOATS = {torch.float16, torch.bfloat16, torch.float32, torch.float64}

# Loading ------------------------------------------------------------------------------------


class _Entry(NamedTuple):
    """A tensor of a checkpoint."""

    key: str  # its name in the file
    tensor: Tensor


class _Problems(NamedTuple):
    """Why the weights of a checkpoint do not fit a model, by the names in the file."""

    missing: list[str]
    unknown: list[str]
    mismatched: list[str]  # each with the shape or dtype that is wrong


def load_weights(model: nn.Module, folder: Path, config: EncoderConfig, task: str) -> None:
    """Load the weights in `folder` as float32 into `model`, which may be on the meta device.

    Raises:
        CheckpointError: weights are missing, unknown, or of the wrong shape or type.
    """
    wanted = model.state_dict()
    entries = _match(wanted, read_weights(folder), folder, config, task)
    model.load_state_dict(_converted(entries, wanted, folder), assign=True)


def load_encoder(model: nn.Module, folder: Path, config: EncoderConfig, task: str) -> None:
    """Load only the encoder in `folder` into `model`.

    The head of `model` keeps its weights, and so does its pooler if the checkpoint has none.

    Raises:
        CheckpointError: weights are missing, unknown, or of the wrong shape or type.
    """
    tensors = read_weights(folder)
    wanted = {
        name: weight for name, weight in model.state_dict().items() if name.startswith("base.")
    }
    renamed, unknown = _rename(tensors, folder, config, task)
    entries = {name: entry for name, entry in renamed.items() if name in wanted}
    problems = _compare(entries, unknown, wanted, config, task)
    required = [key for key in problems.missing if "pooler.dense." not in key]
    problems = problems._replace(missing=required)
    if any(problems):
        raise CheckpointError(_misfit_message(problems, tensors.keys(), folder, config))
    model.load_state_dict(_converted(entries, wanted, folder), strict=False)


def check_weights(
    model: nn.Module,
    tensors: Mapping[str, Tensor],
    folder: Path,
    config: EncoderConfig,
    task: str,
) -> None:
    """Check by names and shapes that `load_weights` would accept what `read_weights` returned.

    Raises:
        CheckpointError: weights are missing, unknown, or of the wrong shape or type.
    """
    _match(model.state_dict(), tensors, folder, config, task)


def _match(
    wanted: Mapping[str, Tensor],
    tensors: Mapping[str, Tensor],
    folder: Path,
    config: EncoderConfig,
    task: str,
) -> dict[str, _Entry]:
    """The entry of the checkpoint for each of our names in `wanted`."""
    _check_head(folder, config, task)
    entries, unknown = _rename(tensors, folder, config, task)
    problems = _compare(entries, unknown, wanted, config, task)
    if not any(problems):
        return entries
    missing, unknown, mismatched = problems
    if not unknown and not mismatched and _is_head(missing, task):
        raise CheckpointError(_no_head_message(missing, folder, task))
    raise CheckpointError(_misfit_message(problems, tensors.keys(), folder, config))


def _rename(
    tensors: Mapping[str, Tensor], folder: Path, config: EncoderConfig, task: str
) -> tuple[dict[str, _Entry], list[str]]:
    """The weights that the model of `task` has, by our names; and the keys that are unknown."""
    encoder, head = encoder_names(config, task), head_names(task)
    if "cls.predictions.bias" not in tensors:  # tied: a file may hold it under either name
        head["cls.predictions.decoder.bias"] = head["cls.predictions.bias"]
    entries: dict[str, _Entry] = {}
    unknown = []
    for key, tensor in tensors.items():
        name = current_name(key)
        in_encoder = name.removeprefix(family_of(config).weight_prefix)
        if name not in head and in_encoder not in encoder:
            unknown.append(key)
            continue
        ours = head[name] if name in head else encoder[in_encoder]
        if ours in entries:
            raise CheckpointError(
                f"{str(folder)!r} holds one weight under two names: {entries[ours].key}, {key}"
            )
        if ours is not None:
            entries[ours] = _Entry(key, tensor)
    return entries, unknown


def _compare(
    entries: Mapping[str, _Entry],
    unknown: list[str],
    wanted: Mapping[str, Tensor],
    config: EncoderConfig,
    task: str,
) -> _Problems:
    keys = checkpoint_names(config, task)
    mismatches = (_mismatch(entry, wanted[name], config) for name, entry in entries.items())
    return _Problems(
        missing=[keys[name] for name in wanted if name not in entries],
        unknown=unknown,
        mismatched=[mismatch for mismatch in mismatches if mismatch],
    )


def _mismatch(entry: _Entry, wanted: Tensor, config: EncoderConfig) -> str | None:
    key, tensor = entry
    shape = wanted.shape
    if family_of(config).stores_matrices and wanted.dim() == 3:
        shape = shape[:2]  # a matrix in the file, a pointwise convolution here
    if tensor.layout != torch.strided or tensor.device.type != "cpu":
        return f"{key} is not a dense tensor"
    if tensor.shape != shape:
        return f"{key} has shape {list(tensor.shape)}, not {list(shape)}"
    if tensor.dtype not in _FLOATS:
        return f"{key} holds {str(tensor.dtype).removeprefix('torch.')}, not floating point numbers"
    return None


def _converted(
    entries: Mapping[str, _Entry], wanted: Mapping[str, Tensor], folder: Path
) -> dict[str, Tensor]:
    """Float32 copies in our shapes: a tensor may be a view of the file, which can change on disk.

    Raises:
        CheckpointError: a weight is NaN or infinite.
    """
    weights = {
        name: entry.tensor.to(torch.float32, copy=True).reshape(wanted[name].shape).contiguous()
        for name, entry in entries.items()
    }
    broken = [entries[name].key for name, w in weights.items() if not w.isfinite().all()]
    if broken:
        raise CheckpointError(
            f"{str(folder)!r} has weights that are not finite (NaN or infinite): {_few(broken)}; "
            "its training has diverged, or the file is damaged"
        )
    return weights


# Messages -----------------------------------------------------------------------------------


def _few(items: Sequence[str]) -> str:
    shown = ", ".join(items[:3])
    return shown if len(items) <= 3 else f"{shown} and {len(items) - 3} more"


def _check_head(folder: Path, config: EncoderConfig, task: str) -> None:
    """Reject the classifier of another task: names are shared, and the shapes may fit as well."""
    weights = TASKS[task].head_weights
    sharing = [name for name, other in TASKS.items() if weights and other.head_weights == weights]
    saved = sorted(
        name for name in sharing if architecture_of(config, name) in (config.architectures or ())
    )
    if saved and task not in saved:
        raise CheckpointError(
            f"{str(folder)!r} has a head for {saved[0]}, according to its config.json, but none "
            f"for {task}; export it with --task {saved[0]}, or fine-tune it for {task} first"
        )


def _is_head(missing: Sequence[str], task: str) -> bool:
    head = head_names(task)
    return all(key in head or "pooler.dense." in key for key in missing)


def _no_head_message(missing: Sequence[str], folder: Path, task: str) -> str:
    remedy = f"fine-tune it for {task} first"
    if TASKS[task].has_head and not any("pooler.dense." in key for key in missing):
        remedy = f"export it with --task feature-extraction, or {remedy}"
    return (
        f"{str(folder)!r} has no weights for {task}: {_few(missing)} "
        f"{'is' if len(missing) == 1 else 'are'} missing; {remedy}"
    )


def _misfit_message(
    problems: _Problems, keys: Iterable[str], folder: Path, config: EncoderConfig
) -> str:
    missing, unknown, mismatched = problems
    parts = [
        f"missing: {_few(missing)}" if missing else "",
        f"unknown: {_few(unknown)}" if unknown else "",
        _few(mismatched),
    ]
    layers = {
        int(match[1]) for key in keys if (match := re.search(r"encoder\.layers?\.(\d+)\.", key))
    }
    in_file, in_config = max(layers, default=-1) + 1, config.num_hidden_layers
    if in_file != in_config:
        parts.insert(
            0, f"it has {in_file} layers, but num_hidden_layers in config.json is {in_config}"
        )
    return (
        f"the weights in {str(folder)!r} do not match its config.json, a {config.model_type}; "
        + "; ".join(part for part in parts if part)
    )


# Files --------------------------------------------------------------------------------------


def weight_files(folder: Path) -> list[Path]:
    """The weight files of a checkpoint in name order; safetensors is preferred over pickle.

    Raises:
        CheckpointError: there are none, or an index lists a file that is not in the folder.
    """
    for name in (SAFETENSORS_FILE, BIN_FILE):
        if (folder / name).is_file():
            return [folder / name]
        index = folder / f"{name}.index.json"
        if index.is_file():
            return sorted({folder / shard for shard in _weight_map(index).values()})
    raise CheckpointError(
        f"{str(folder)!r} has no weights: neither {SAFETENSORS_FILE} nor {BIN_FILE}, nor shards "
        "of them; save it again with save_pretrained of transformers"
    )


def weights_sha256(folder: Path) -> str:
    """The SHA-256 of the weight files, concatenated; of a single file, the file's own SHA-256."""
    digest = hashlib.sha256()
    for path in weight_files(folder):
        with path.open("rb") as file:
            while block := file.read(2**20):
                digest.update(block)
    return digest.hexdigest()


def _weight_map(index: Path) -> dict[str, str]:
    """Weight name -> shard, from the index of a sharded checkpoint; shards lie beside the index."""
    try:
        shards: Any = json.loads(index.read_text(encoding="utf-8"))["weight_map"]
    except (OSError, ValueError, RecursionError, KeyError, TypeError) as error:
        raise CheckpointError(
            f"{str(index)!r} cannot be read as an index of shards: {error!r}"
        ) from None
    if not isinstance(shards, dict) or not shards:
        raise CheckpointError(f"{str(index)!r} must map weights to files under weight_map")
    for name in shards.values():
        if not isinstance(name, str) or name in {"", ".", ".."} or re.search(r"[/\\:\0]", name):
            raise CheckpointError(f"{str(index)!r} names {name!r:.80}, which is outside its folder")
        if not (index.parent / name).is_file():
            raise CheckpointError(f"shard {name!r} of {str(index)!r} is missing; download it again")
    return shards


def read_weights(folder: Path) -> dict[str, Tensor]:
    """Every tensor of the checkpoint by its name in the file, memory-mapped where possible."""
    tensors: dict[str, Tensor] = {}
    for path in weight_files(folder):
        part = _read_safetensors(path) if path.suffix == ".safetensors" else _read_bin(path)
        if duplicates := sorted(tensors.keys() & part.keys()):
            raise CheckpointError(f"{str(folder)!r} holds {duplicates[0]} in two of its shards")
        tensors |= part
    return tensors


def _read_safetensors(path: Path) -> dict[str, Tensor]:
    try:
        return load_file(path)
    except (SafetensorError, OSError, ValueError) as error:
        raise CheckpointError(
            f"{str(path)!r} is damaged, or not a safetensors file: {error}; download it again"
        ) from None


def _read_bin(path: Path) -> dict[str, Tensor]:
    try:
        mmap = _is_mappable(path)
        data = torch.load(path, map_location="cpu", weights_only=True, mmap=mmap)
    except Exception as error:  # a malicious or truncated pickle may raise anything
        raise CheckpointError(
            f"{str(path)!r} is damaged, or holds more than tensors, which could run code and is "
            f"not opened ({type(error).__name__}); download it again, or as {SAFETENSORS_FILE}"
        ) from None
    if not isinstance(data, dict) or not all(
        isinstance(key, str) and isinstance(value, Tensor) for key, value in data.items()
    ):
        raise CheckpointError(
            f"{str(path)!r} must hold a state_dict, a map from names to tensors; "
            "save it again with save_pretrained of transformers"
        )
    return dict(data)


def _is_mappable(path: Path) -> bool:
    """Whether torch can memory-map the file: the zip format, its default since 1.6."""
    if not zipfile.is_zipfile(path):
        return False
    with zipfile.ZipFile(path) as archive:
        # torch never compresses entries; a compressed one would be mapped as garbage.
        if any(entry.compress_type != zipfile.ZIP_STORED for entry in archive.infolist()):
            raise zipfile.BadZipFile("compressed")
    return True


# Writing ------------------------------------------------------------------------------------


def save_weights(model: nn.Module, folder: Path, config: EncoderConfig, task: str) -> None:
    """Write model.safetensors with transformers' names; equal weights give equal bytes."""
    folder.mkdir(parents=True, exist_ok=True)
    names = checkpoint_names(config, task)
    tensors = {
        names[name]: _saved_form(tensor, config) for name, tensor in model.state_dict().items()
    }
    save_file(tensors, folder / SAFETENSORS_FILE, metadata={"format": "pt"})


def _saved_form(tensor: Tensor, config: EncoderConfig) -> Tensor:
    if family_of(config).stores_matrices and tensor.dim() == 3:
        tensor = tensor.squeeze(-1)
    return tensor.detach().to("cpu", torch.float32).contiguous()
