"""The weight files of a checkpoint: safetensors or pickle, whole or in shards.

A checkpoint is an untrusted file. Only tensors are read, and no code in it runs.
"""

import hashlib
import json
import re
import zipfile
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor

from squeezebert_mobile.errors import CheckpointError
from squeezebert_mobile.files import read_regular
from squeezebert_mobile.hub import WEIGHT_FILES

__all__ = ["SAFETENSORS_FILE", "read_weights", "weight_files", "weights_sha256"]

SAFETENSORS_FILE, BIN_FILE = WEIGHT_FILES


def weight_files(folder: Path) -> list[Path]:
    """The weight files of a checkpoint in name order; safetensors is preferred over pickle.

    Raises:
        CheckpointError: there are none, or an index lists a file that is not in the folder.
    """
    for name in WEIGHT_FILES:
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
        shards: Any = json.loads(read_regular(index).decode("utf-8"))["weight_map"]
    except OSError as error:
        raise CheckpointError(f"{str(index)!r} cannot be read: {error.strerror}") from None
    except (ValueError, RecursionError, KeyError, TypeError) as error:
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
