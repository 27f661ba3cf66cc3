"""Loading the weights of a checkpoint, after checking them against its config, and writing them.

A checkpoint is an untrusted file: every weight's name and shape is checked against the config
before memory is allocated for it. `weight_files.py` reads the tensors.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import torch
from safetensors.torch import save
from torch import Tensor, nn

from squeezebert_mobile.errors import CheckpointError
from squeezebert_mobile.models.config import EncoderConfig
from squeezebert_mobile.models.families import architecture_of, family_of
from squeezebert_mobile.models.weight_files import SAFETENSORS_FILE, read_weights
from squeezebert_mobile.models.weight_names import (
    checkpoint_names,
    current_name,
    encoder_names,
    head_names,
)
from squeezebert_mobile.tasks import TASKS

__all__ = [
    "check_weights",
    "find_head",
    "has_pooler",
    "is_tied",
    "load_encoder",
    "load_weights",
    "save_weights",
]

_DECODER, _BIAS = "cls.predictions.decoder.", "cls.predictions.bias"
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


def load_weights(
    model: nn.Module,
    tensors: Mapping[str, Tensor],
    folder: Path,
    config: EncoderConfig,
    task: str,
) -> list[str]:
    """Load what `read_weights` returned as float32 into `model`, which may be on the meta device.

    Returns:
        Notes for the user, such as which weights are ignored.

    Raises:
        CheckpointError: weights are missing, or of the wrong shape or type.
    """
    wanted = model.state_dict()
    entries, unknown = _match(wanted, tensors, folder, config, task)
    model.load_state_dict(_converted(entries, wanted, folder), assign=True)
    return _notes(tensors, unknown, config, task)


def load_encoder(model: nn.Module, folder: Path, config: EncoderConfig, task: str) -> list[str]:
    """Load only the encoder in `folder` into `model`.

    The head of `model` keeps its weights, and so does its pooler if the checkpoint has none.

    Returns:
        Notes for the user, such as which weights are ignored.

    Raises:
        CheckpointError: weights are missing, or of the wrong shape or type.
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
    if _is_misfit(problems, tensors, config):
        raise CheckpointError(_misfit_message(problems, tensors, folder, config))
    model.load_state_dict(_converted(entries, wanted, folder), strict=False)
    return _notes({}, unknown, config, task)


def check_weights(
    model: nn.Module,
    tensors: Mapping[str, Tensor],
    folder: Path,
    config: EncoderConfig,
    task: str,
) -> None:
    """Check by names and shapes that `load_weights` would accept what `read_weights` returned.

    Raises:
        CheckpointError: weights are missing, or of the wrong shape or type.
    """
    _match(model.state_dict(), tensors, folder, config, task)


def find_head(tensors: Mapping[str, Tensor], config: EncoderConfig, task: str) -> str | None:
    """A weight of the head of `task` in a checkpoint, which need not be complete."""
    names = {name for name, ours in head_names(config, task).items() if ours}
    return next((key for key in tensors if current_name(key) in names), None)


def has_pooler(tensors: Mapping[str, Tensor], config: EncoderConfig) -> bool:
    """Whether the checkpoint has weights of a pooler, complete or not."""
    pooler = {"pooler.dense.weight", "pooler.dense.bias"}
    return any(_encoder_name(key, config) in pooler for key in tensors)


def is_tied(tensors: Mapping[str, Tensor], config: EncoderConfig) -> bool:
    """Whether the decoder of fill-mask multiplies by the word embeddings.

    As in transformers 5: a decoder in the file that differs from them is used instead, whatever
    tie_word_embeddings says.
    """
    decoder, words = tensors.get(f"{_DECODER}weight"), _word_embeddings(tensors, config)
    if not config.tie_word_embeddings or decoder is None or words is None:
        return config.tie_word_embeddings
    return _are_equal(decoder, words)


def _word_embeddings(tensors: Mapping[str, Tensor], config: EncoderConfig) -> Tensor | None:
    name = "embeddings.word_embeddings.weight"
    return next((t for key, t in tensors.items() if _encoder_name(key, config) == name), None)


def _encoder_name(key: str, config: EncoderConfig) -> str:
    """The name without the encoder's prefix."""
    return current_name(key).removeprefix(family_of(config).weight_prefix)


def _are_equal(a: Tensor, b: Tensor) -> bool:
    readable = all(_is_dense(each) and each.dtype in _FLOATS for each in (a, b))
    return readable and torch.equal(a.to(torch.float32), b.to(torch.float32))


def _is_dense(tensor: Tensor) -> bool:
    return tensor.layout == torch.strided and tensor.device.type == "cpu"


def _match(
    wanted: Mapping[str, Tensor],
    tensors: Mapping[str, Tensor],
    folder: Path,
    config: EncoderConfig,
    task: str,
) -> tuple[dict[str, _Entry], list[str]]:
    """The entry of the checkpoint for each of our names in `wanted`, and the keys to ignore."""
    _check_head(folder, config, task)
    entries, unknown = _rename(tensors, folder, config, task)
    problems = _compare(entries, unknown, wanted, config, task)
    if not _is_misfit(problems, tensors, config):
        return entries, unknown
    missing, unknown, mismatched = problems
    if not unknown and not mismatched and _is_head(missing, config, task):
        raise CheckpointError(_no_head_message(missing, folder, task))
    raise CheckpointError(_misfit_message(problems, tensors, folder, config))


def _is_misfit(problems: _Problems, keys: Iterable[str], config: EncoderConfig) -> bool:
    """Whether the weights are not those of the model; weights that it does not have are ignored."""
    surplus_layers = bool(problems.unknown) and _count_layers(keys) != config.num_hidden_layers
    return bool(problems.missing or problems.mismatched or surplus_layers)


def _count_layers(keys: Iterable[str]) -> int:
    matches = (re.search(r"encoder\.layers?\.(\d+)\.", key) for key in keys)
    return max((int(match[1]) for match in matches if match), default=-1) + 1


def _rename(
    tensors: Mapping[str, Tensor], folder: Path, config: EncoderConfig, task: str
) -> tuple[dict[str, _Entry], list[str]]:
    """The weights that the model of `task` has, by our names; and the keys that are unknown."""
    encoder, head = encoder_names(config, task), _head_names(tensors, config, task)
    entries: dict[str, _Entry] = {}
    unknown = []
    for key, tensor in tensors.items():
        name, in_encoder = current_name(key), _encoder_name(key, config)
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


def _head_names(
    tensors: Mapping[str, Tensor], config: EncoderConfig, task: str
) -> dict[str, str | None]:
    """`head_names`, where the decoder of fill-mask may be in the file under either of two names."""
    names = head_names(config, task)
    if not TASKS[task].predicts_masks:
        return names
    # transformers adds decoder.bias; its version 4 saves it as predictions.bias.
    biases = (f"{_DECODER}bias", _BIAS)
    used, other = biases if biases[0] in tensors else biases[::-1]
    names |= {used: "decoder.bias", other: None}
    if config.tie_word_embeddings and _word_embeddings(tensors, config) is None:
        names[f"{_DECODER}weight"] = "base.embeddings.word.weight"
    return names


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
    if not _is_dense(tensor):
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


def _notes(
    tensors: Mapping[str, Tensor], unknown: Sequence[str], config: EncoderConfig, task: str
) -> list[str]:
    """What the user should know of weights that are used or ignored."""
    notes = []
    decoder, bias = tensors.get(f"{_DECODER}bias"), tensors.get(_BIAS)
    if TASKS[task].predicts_masks and bias is not None:
        if decoder is not None and not _are_equal(decoder, bias):
            notes.append(f"{_DECODER}bias is used, as in transformers; {_BIAS} differs from it")
        if decoder is None and not config.tie_word_embeddings:
            notes.append(f"{_BIAS} is used as {_DECODER}bias, which is missing")
    if unknown:
        which = "is no weight" if len(unknown) == 1 else "are no weights"
        notes.append(
            f"{_few(unknown)} {which} of a {config.model_type} for {task} and "
            f"{'is' if len(unknown) == 1 else 'are'} ignored, as in transformers"
        )
    return notes


def _is_head(missing: Sequence[str], config: EncoderConfig, task: str) -> bool:
    head = head_names(config, task)
    return all(key in head or "pooler.dense." in key for key in missing)


def _no_head_message(missing: Sequence[str], folder: Path, task: str) -> str:
    remedy = f"fine-tune it for {task} first"
    if not TASKS[task].has_head:  # an encoder without a pooler is one, half a pooler is damage
        remedy = "copy the checkpoint again"
    elif not any("pooler.dense." in key for key in missing):
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
    in_file, in_config = _count_layers(keys), config.num_hidden_layers
    if in_file != in_config:
        parts.insert(
            0, f"it has {in_file} layers, but num_hidden_layers in config.json is {in_config}"
        )
    return (
        f"the weights in {str(folder)!r} do not match its config.json, a {config.model_type}; "
        + "; ".join(part for part in parts if part)
    )


# Writing ------------------------------------------------------------------------------------


def save_weights(model: nn.Module, folder: Path, config: EncoderConfig, task: str) -> None:
    """Write model.safetensors with transformers' names; equal weights give equal bytes."""
    folder.mkdir(parents=True, exist_ok=True)
    names = checkpoint_names(config, task)
    tensors = {
        names[name]: _saved_form(tensor, config) for name, tensor in model.state_dict().items()
    }
    # Not by save_file, whose file only its owner can read, whatever the umask.
    (folder / SAFETENSORS_FILE).write_bytes(save(tensors, metadata={"format": "pt"}))


def _saved_form(tensor: Tensor, config: EncoderConfig) -> Tensor:
    if family_of(config).stores_matrices and tensor.dim() == 3:
        tensor = tensor.squeeze(-1)
    return tensor.detach().to("cpu", torch.float32).contiguous()
