"""The weights of a checkpoint: their Hugging Face names, reading, checking and writing them.

A checkpoint is somebody else's file. What is read is tensors only, nothing in it is run, and every
weight is checked against the config before memory is taken for it.
"""

import hashlib
import json
import re
import zipfile
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from squeezebert_mobile.errors import CheckpointError
from squeezebert_mobile.models.config import SqueezeBertConfig, architecture_of
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

# Names --------------------------------------------------------------------------------------
# Theirs -> ours; {} is the layer, * is weight and bias, None is dropped on purpose.

_PREFIX = {"squeezebert": "transformer.", "bert": "bert."}  # of the encoder, beside a head

_EMBEDDINGS: dict[str, str | None] = {
    "embeddings.word_embeddings.weight": "embeddings.word.weight",
    "embeddings.position_embeddings.weight": "embeddings.position.weight",
    "embeddings.token_type_embeddings.weight": "embeddings.token_type.weight",
    "embeddings.LayerNorm.*": "embeddings.norm.*",
    "embeddings.position_ids": None,  # buffers that older versions saved: 0, 1, 2, ... and 0, 0, 0
    "embeddings.token_type_ids": None,
}
_ENCODER: dict[str, dict[str, str | None]] = {
    "squeezebert": {
        **_EMBEDDINGS,
        "encoder.layers.{}.attention.query.*": "layers.{}.query.*",
        "encoder.layers.{}.attention.key.*": "layers.{}.key.*",
        "encoder.layers.{}.attention.value.*": "layers.{}.value.*",
        "encoder.layers.{}.post_attention.conv1d.*": "layers.{}.attention_output.*",
        "encoder.layers.{}.post_attention.layernorm.*": "layers.{}.attention_norm.*",
        "encoder.layers.{}.intermediate.conv1d.*": "layers.{}.intermediate.*",
        "encoder.layers.{}.output.conv1d.*": "layers.{}.output.*",
        "encoder.layers.{}.output.layernorm.*": "layers.{}.output_norm.*",
        "pooler.dense.*": "pooler.*",
    },
    "bert": {
        **_EMBEDDINGS,
        "encoder.layer.{}.attention.self.query.*": "layers.{}.query.*",
        "encoder.layer.{}.attention.self.key.*": "layers.{}.key.*",
        "encoder.layer.{}.attention.self.value.*": "layers.{}.value.*",
        "encoder.layer.{}.attention.output.dense.*": "layers.{}.attention_output.*",
        "encoder.layer.{}.attention.output.LayerNorm.*": "layers.{}.attention_norm.*",
        "encoder.layer.{}.intermediate.dense.*": "layers.{}.intermediate.*",
        "encoder.layer.{}.output.dense.*": "layers.{}.output.*",
        "encoder.layer.{}.output.LayerNorm.*": "layers.{}.output_norm.*",
        "pooler.dense.*": "pooler.*",
    },
}
_FILL_MASK = {
    "cls.predictions.transform.dense.*": "transform.*",
    "cls.predictions.transform.LayerNorm.*": "transform_norm.*",
    "cls.predictions.bias": "decoder.bias",
}
_HEADS: dict[str, dict[str, str]] = {
    "feature-extraction": {},
    "fill-mask": _FILL_MASK,
    "text-classification": {"classifier.*": "classifier.*"},
    "multiple-choice": {"classifier.*": "classifier.*"},
    "token-classification": {"classifier.*": "classifier.*"},
    "question-answering": {"qa_outputs.*": "classifier.*"},
}
_OTHER_HEADS = (
    "cls.predictions.decoder.*",  # the word embeddings and cls.predictions.bias once more
    "cls.seq_relationship.*",  # next sentence: no task of this package
)
_OLD_ENDINGS = {"LayerNorm.gamma": "LayerNorm.weight", "LayerNorm.beta": "LayerNorm.bias"}


def _expanded(table: Mapping[str, str | None], layers: int) -> dict[str, str | None]:
    """The table with every layer and both parameters written out."""
    names: dict[str, str | None] = {}
    for theirs, ours in table.items():
        for layer in range(layers) if "{}" in theirs else (0,):
            for parameter in ("weight", "bias") if theirs.endswith("*") else ("",):
                full = theirs.format(layer).replace("*", parameter)
                names[full] = None if ours is None else ours.format(layer).replace("*", parameter)
    return names


def _encoder_names(config: SqueezeBertConfig, task: str) -> dict[str, str | None]:
    """Theirs, without the prefix -> the name in our model of `task`."""
    names = _expanded(_ENCODER[config.model_type], config.num_hidden_layers)
    base = "base." if TASKS[task].has_head else ""
    pooled = TASKS[task].uses_pooler
    return {
        theirs: None if ours is None or (ours.startswith("pooler") and not pooled) else base + ours
        for theirs, ours in names.items()
    }


def _head_names(task: str) -> dict[str, str | None]:
    """Theirs -> ours for the head of `task`; the other heads' weights are known, and dropped."""
    others = dict.fromkeys((*_OTHER_HEADS, *(name for head in _HEADS.values() for name in head)))
    return _expanded({**others, **_HEADS[task]}, 1)


def _canonical_names(config: SqueezeBertConfig, task: str) -> dict[str, str]:
    """Ours -> theirs, as transformers writes it."""
    prefix = _PREFIX[config.model_type] if TASKS[task].has_head else ""
    encoder = {
        ours: prefix + theirs for theirs, ours in _encoder_names(config, task).items() if ours
    }
    return encoder | {ours: theirs for theirs, ours in _head_names(task).items() if ours}


# Loading ------------------------------------------------------------------------------------


def load_weights(model: nn.Module, folder: Path, config: SqueezeBertConfig, task: str) -> None:
    """Give `model`, which may be on the meta device, the weights in `folder` as float32.

    Raises:
        CheckpointError: what does not fit, by the names in the file.
    """
    wanted = model.state_dict()
    found = _fitting(wanted, read_weights(folder), folder, config, task)
    state = {name: _as_ours(tensor, wanted[name]) for name, (_, tensor) in found.items()}
    _check_finite({found[name][0]: tensor for name, tensor in state.items()}, folder)
    model.load_state_dict(state, assign=True)


def load_encoder(model: nn.Module, folder: Path, config: SqueezeBertConfig, task: str) -> None:
    """Give `model` the encoder in `folder`; its head, and a pooler that is not there, stay.

    Raises:
        CheckpointError: what does not fit, by the names in the file.
    """
    tensors = read_weights(folder)
    wanted = {
        name: weight for name, weight in model.state_dict().items() if name.startswith("base.")
    }
    renamed, unknown = _renamed(tensors, folder, config, task)
    found = {name: each for name, each in renamed.items() if name in wanted}
    theirs = _canonical_names(config, task)
    missing = [
        theirs[name] for name in wanted if name not in found and not name.startswith("base.pooler.")
    ]
    other = [
        mismatch
        for name, (key, tensor) in found.items()
        if (mismatch := _mismatch(key, tensor, wanted[name], config))
    ]
    if missing or unknown or other:
        raise CheckpointError(_unfit(missing, unknown, other, tensors.keys(), folder, config))
    state = {name: _as_ours(tensor, wanted[name]) for name, (_, tensor) in found.items()}
    _check_finite({found[name][0]: tensor for name, tensor in state.items()}, folder)
    model.load_state_dict(state, strict=False)


def check_weights(
    model: nn.Module,
    tensors: Mapping[str, Tensor],
    folder: Path,
    config: SqueezeBertConfig,
    task: str,
) -> None:
    """Whether `load_weights` would take what `read_weights` gave, judged by names and shapes.

    Raises:
        CheckpointError: what does not fit, by the names in the file.
    """
    _fitting(model.state_dict(), tensors, folder, config, task)


def _fitting(
    wanted: Mapping[str, Tensor],
    tensors: Mapping[str, Tensor],
    folder: Path,
    config: SqueezeBertConfig,
    task: str,
) -> dict[str, tuple[str, Tensor]]:
    """For each of our names in `wanted`, the file's name and the tensor."""
    _check_head(folder, config, task)
    found, unknown = _renamed(tensors, folder, config, task)
    theirs = _canonical_names(config, task)
    missing = [theirs[name] for name in wanted if name not in found]
    other = [
        mismatch
        for name, (key, tensor) in found.items()
        if (mismatch := _mismatch(key, tensor, wanted[name], config))
    ]
    if missing and not unknown and not other and _is_head(missing, task):
        raise CheckpointError(_headless(missing, folder, config, task))
    if missing or unknown or other:
        raise CheckpointError(_unfit(missing, unknown, other, tensors.keys(), folder, config))
    return found


def _renamed(
    tensors: Mapping[str, Tensor], folder: Path, config: SqueezeBertConfig, task: str
) -> tuple[dict[str, tuple[str, Tensor]], list[str]]:
    """What the model of `task` has: our name -> the file's and the tensor; and unknown names."""
    encoder, head = _encoder_names(config, task), _head_names(task)
    if "cls.predictions.bias" not in tensors:  # tied: a file may hold it under either name
        head["cls.predictions.decoder.bias"] = head["cls.predictions.bias"]
    found: dict[str, tuple[str, Tensor]] = {}
    unknown = []
    for key, tensor in tensors.items():
        name = _current_name(key)
        in_encoder = name.removeprefix(_PREFIX[config.model_type])
        if name not in head and in_encoder not in encoder:
            unknown.append(key)
            continue
        ours = head[name] if name in head else encoder[in_encoder]
        if ours in found:
            raise CheckpointError(
                f"{str(folder)!r} holds one weight under two names: {found[ours][0]}, {key}"
            )
        if ours is not None:
            found[ours] = key, tensor
    return found, unknown


def _current_name(key: str) -> str:
    """`key`, by the name that its parameter has had since checkpoints came from TensorFlow."""
    for old, new in _OLD_ENDINGS.items():
        if key.endswith(old):
            return key.removesuffix(old) + new
    return key


def _mismatch(key: str, tensor: Tensor, wanted: Tensor, config: SqueezeBertConfig) -> str | None:
    shape = wanted.shape
    if config.model_type == "bert" and wanted.dim() == 3:
        shape = shape[:2]  # a matrix in the file, a pointwise convolution here
    if tensor.layout != torch.strided or tensor.device.type != "cpu":
        return f"{key} is no dense tensor"
    if tensor.shape != shape:
        return f"{key} has shape {list(tensor.shape)}, not {list(shape)}"
    if tensor.dtype not in _FLOATS:
        return f"{key} holds {str(tensor.dtype).removeprefix('torch.')}, not floating point numbers"
    return None


def _as_ours(tensor: Tensor, wanted: Tensor) -> Tensor:
    """A float32 copy: `tensor` may be a view of the file, which can change on disk."""
    return tensor.to(torch.float32, copy=True).reshape(wanted.shape).contiguous()


# What to say when they do not fit -----------------------------------------------------------


def _few(items: Sequence[str]) -> str:
    shown = ", ".join(items[:3])
    return shown if len(items) <= 3 else f"{shown} and {len(items) - 3} more"


def _check_head(folder: Path, config: SqueezeBertConfig, task: str) -> None:
    """The three tasks with a `classifier` do not take each other's, though its shape may fit."""
    sharing = (
        {name for name, head in _HEADS.items() if head == _HEADS[task]} if _HEADS[task] else {}
    )
    saved = {
        name for name in sharing if architecture_of(config, name) in (config.architectures or ())
    }
    if saved and task not in saved:
        (other, *_) = sorted(saved)
        raise CheckpointError(
            f"{str(folder)!r} has a head for {other}, by its config.json, and none for {task}; "
            f"export it with --task {other}, or fine-tune it for {task} first"
        )


def _is_head(missing: Sequence[str], task: str) -> bool:
    head = _head_names(task)
    return all(key in head or "pooler.dense." in key for key in missing)


def _headless(missing: Sequence[str], folder: Path, config: SqueezeBertConfig, task: str) -> str:
    remedy = f"fine-tune it for {task} first"
    if TASKS[task].has_head and not any("pooler.dense." in key for key in missing):
        remedy = f"export it with --task feature-extraction, or {remedy}"
    return (
        f"{str(folder)!r} has no weights for {task}: {_few(missing)} "
        f"{'is' if len(missing) == 1 else 'are'} missing; {remedy}"
    )


def _unfit(
    missing: Sequence[str],
    unknown: Sequence[str],
    other: Sequence[str],
    keys: Iterable[str],
    folder: Path,
    config: SqueezeBertConfig,
) -> str:
    parts = [
        f"missing: {_few(missing)}" if missing else "",
        f"unknown: {_few(unknown)}" if unknown else "",
        _few(other),
    ]
    layers = {
        int(match[1]) for key in keys if (match := re.search(r"encoder\.layers?\.(\d+)\.", key))
    }
    found, wanted = max(layers, default=-1) + 1, config.num_hidden_layers
    if found != wanted:
        parts.insert(0, f"it has {found} layers, config.json says num_hidden_layers {wanted}")
    return (
        f"the weights in {str(folder)!r} are not those of its config.json, a {config.model_type}; "
        + "; ".join(part for part in parts if part)
    )


def _check_finite(weights: Mapping[str, Tensor], folder: Path) -> None:
    if broken := [key for key, tensor in weights.items() if not tensor.isfinite().all()]:
        raise CheckpointError(
            f"{str(folder)!r} has weights that are not finite (NaN or infinite): {_few(broken)}; "
            "its training has diverged, or the file is damaged"
        )


# Files --------------------------------------------------------------------------------------


def weight_files(folder: Path) -> list[Path]:
    """The weight files of a checkpoint in name order; safetensors before pickled tensors.

    Raises:
        CheckpointError: there are none, or an index that names a file that is not in the folder.
    """
    for name in (SAFETENSORS_FILE, BIN_FILE):
        if (folder / name).is_file():
            return [folder / name]
        index = folder / f"{name}.index.json"
        if index.is_file():
            return sorted({folder / shard for shard in _weight_map(index).values()})
    raise CheckpointError(
        f"{str(folder)!r} has no weights: no {SAFETENSORS_FILE} and no {BIN_FILE}, whole or in "
        "shards; save it again with save_pretrained of transformers"
    )


def weights_sha256(folder: Path) -> str:
    """The SHA-256 over the weight files one after the other: for one file, that file's own."""
    digest = hashlib.sha256()
    for path in weight_files(folder):
        with path.open("rb") as file:
            while block := file.read(2**20):
                digest.update(block)
    return digest.hexdigest()


def _weight_map(index: Path) -> dict[str, str]:
    """Which shard holds which weight; every shard a file beside the index."""
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
    """Every tensor of the checkpoint by its name in the file, not yet copied into memory."""
    tensors: dict[str, Tensor] = {}
    for path in weight_files(folder):
        part = _read_safetensors(path) if path.suffix == ".safetensors" else _read_bin(path)
        if twice := sorted(tensors.keys() & part.keys()):
            raise CheckpointError(f"{str(folder)!r} holds {twice[0]} in two of its shards")
        tensors |= part
    return tensors


def _read_safetensors(path: Path) -> dict[str, Tensor]:
    try:
        return load_file(path)
    except (SafetensorError, OSError, ValueError) as error:
        raise CheckpointError(
            f"{str(path)!r} is damaged, or no safetensors file: {error}; download it again"
        ) from None


def _read_bin(path: Path) -> dict[str, Tensor]:
    try:
        mapped = _is_mappable(path)
        data = torch.load(path, map_location="cpu", weights_only=True, mmap=mapped)
    except Exception as error:  # a hostile or cut-off pickle may raise anything
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
    """Whether torch can read the tensors in place: the zip form that torch has saved since 1.6."""
    if not zipfile.is_zipfile(path):
        return False
    with zipfile.ZipFile(path) as archive:
        # torch never compresses, and mapped into memory a compressed entry reads as noise.
        if any(entry.compress_type != zipfile.ZIP_STORED for entry in archive.infolist()):
            raise zipfile.BadZipFile("compressed")
    return True


# Writing ------------------------------------------------------------------------------------


def save_weights(model: nn.Module, folder: Path, config: SqueezeBertConfig, task: str) -> None:
    """Write model.safetensors under transformers' names; the same weights give the same bytes."""
    folder.mkdir(parents=True, exist_ok=True)
    names = _canonical_names(config, task)
    tensors = {
        names[name]: _as_theirs(tensor, config) for name, tensor in model.state_dict().items()
    }
    save_file(tensors, folder / SAFETENSORS_FILE, metadata={"format": "pt"})


def _as_theirs(tensor: Tensor, config: SqueezeBertConfig) -> Tensor:
    if config.model_type == "bert" and tensor.dim() == 3:
        tensor = tensor.squeeze(-1)
    return tensor.detach().to("cpu", torch.float32).contiguous()
