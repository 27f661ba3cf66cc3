"""Weight files that are damaged, malicious or incomplete."""

import json
import os
import pickle
import random
import shutil
import zipfile
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
import tiny
import torch
from checkpoint_files import (
    BIAS,
    KEY,
    convert_to_bin,
    rejected,
    save_theirs,
)

from squeezebert_mobile.errors import CheckpointError
from squeezebert_mobile.models.heads import MODEL_CLASSES
from squeezebert_mobile.models.weight_files import weight_files, weights_sha256

# Files that cannot be read ------------------------------------------------------------------


def test_no_weights(tmp_path):
    tiny.tiny_config().save_pretrained(tmp_path)
    (tmp_path / "tf_model.h5").write_bytes(b"")
    rejected(
        tmp_path, "has no weights: neither model.safetensors nor pytorch_model.bin, nor shards"
    )
    with pytest.raises(CheckpointError, match="has no weights"):
        weights_sha256(tmp_path)


def safetensors_header(data: bytes) -> tuple[dict[str, Any], bytes]:
    length = int.from_bytes(data[:8], "little")
    return json.loads(data[8 : 8 + length]), data[8 + length :]


def with_header(header: dict[str, Any], rest: bytes) -> bytes:
    text = json.dumps(header).encode()
    return len(text).to_bytes(8, "little") + text + rest


def wrong_shape(data: bytes) -> bytes:
    header, rest = safetensors_header(data)
    header[KEY]["shape"] = [2**40, 2**20, 1]
    return with_header(header, rest)


def wrong_offsets(data: bytes) -> bytes:
    header, rest = safetensors_header(data)
    header[KEY]["data_offsets"] = [0, 2**60]
    return with_header(header, rest)


@pytest.mark.parametrize(
    "damage",
    [
        lambda data: b"",
        lambda data: data[:7],
        lambda data: data[:200],
        lambda data: data[:-1],
        lambda data: data + b"more",
        lambda data: (2**62).to_bytes(8, "little") + data[8:],
        lambda data: b"\xff" * 100,
        wrong_shape,
        wrong_offsets,
    ],
)
def test_damaged_safetensors(damage, tmp_path):
    save_theirs(tmp_path)
    path = tmp_path / "model.safetensors"
    path.write_bytes(damage(path.read_bytes()))
    rejected(tmp_path, "is damaged, or not a safetensors file: .*; download it again$")


class Malicious:
    """Creates a folder when it is unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> Any:
        return os.mkdir, (str(self.path),)


@pytest.mark.parametrize("zipped", [True, False, None])
def test_pickle_does_not_run(zipped, tmp_path):
    save_theirs(tmp_path)
    convert_to_bin(tmp_path)
    proof, path = tmp_path / "proof", tmp_path / "pytorch_model.bin"
    state = {BIAS: torch.ones(64), "more": Malicious(proof)}
    if zipped is None:
        path.write_bytes(pickle.dumps(state))
    else:
        torch.save(state, path, _use_new_zipfile_serialization=zipped)
    rejected(tmp_path, "holds more than tensors, which could run code and is not opened")
    assert not proof.exists()


@pytest.mark.parametrize("zipped", [True, False])
@pytest.mark.parametrize(
    "damage",
    [
        lambda data: b"",
        lambda data: data[:-300],
        lambda data: data[:5000],
        lambda data: bytes(5000),
        lambda data: b"PK\x05\x06" + bytes(18),  # an empty zip archive
    ],
)
def test_damaged_bin(zipped, damage, tmp_path):
    save_theirs(tmp_path)
    path = convert_to_bin(tmp_path, zipped=zipped)
    path.write_bytes(damage(path.read_bytes()))
    rejected(tmp_path, r"is damaged, or holds more than tensors, .* \(\w+\); download it again")


def test_compressed_bin(tmp_path):
    """torch writes none; memory-mapped, the compressed bytes would be taken for weights."""
    save_theirs(tmp_path)
    path = convert_to_bin(tmp_path)
    with zipfile.ZipFile(path) as archive:
        entries = {name: archive.read(name) for name in archive.namelist()}
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in entries.items():
            archive.writestr(name, data)
    rejected(tmp_path, r"is damaged, .* \(BadZipFile\)")


@pytest.mark.parametrize("content", [[1, 2], {"a": 1}, {1: torch.ones(2)}, torch.ones(2)])
def test_bin_that_is_not_a_state_dict(content, tmp_path):
    save_theirs(tmp_path)
    torch.save(content, convert_to_bin(tmp_path))
    rejected(tmp_path, "must hold a state_dict, a map from names to tensors; save it again")


@pytest.mark.filterwarnings("ignore:.*[Ss]parse")
@pytest.mark.parametrize("odd", [torch.eye(8).to_sparse(), torch.ones(64, device="meta")])
def test_bin_with_a_tensor_that_is_not_dense(odd, tmp_path):
    save_theirs(tmp_path)
    path = convert_to_bin(tmp_path)
    torch.save(torch.load(path, weights_only=True) | {BIAS: odd}, path)
    rejected(tmp_path, f"{BIAS} is not a dense tensor")


def test_bin_with_one_number_for_a_terabyte(tmp_path):
    save_theirs(tmp_path)
    path = convert_to_bin(tmp_path)
    weights = torch.load(path, weights_only=True)
    torch.save(weights | {BIAS: torch.ones(1).expand(2**40)}, path)
    rejected(tmp_path, rf"{BIAS} has shape \[1099511627776\], not \[64\]")


@pytest.mark.parametrize("binary", [False, True])
def test_any_byte_may_be_wrong(binary, tmp_path):
    """The file is either rejected or read with other numbers; nothing else may happen."""
    tiny.tiny_theirs(num_hidden_layers=1).save_pretrained(tmp_path)
    path = convert_to_bin(tmp_path) if binary else tmp_path / "model.safetensors"
    data, draw = path.read_bytes(), random.Random(0)
    # the structure: a header at the start, or a pickle at the start and a directory at the end
    places = [*range(0, 2000, 37), *range(len(data) - 3000, len(data), 59)]
    outcomes = Counter()
    for place in places:
        path.write_bytes(data[:place] + bytes([draw.randrange(256)]) + data[place + 1 :])
        try:
            MODEL_CLASSES["feature-extraction"].from_pretrained(tmp_path)
            outcomes["read"] += 1
        except CheckpointError:
            outcomes["rejected"] += 1
    assert min(outcomes["read"], outcomes["rejected"]) > 10, outcomes


# Shards -------------------------------------------------------------------------------------


def sharded(folder: Path) -> Path:
    tiny.tiny_theirs(task="fill-mask").save_pretrained(folder, max_shard_size="8KB")
    return folder / "model.safetensors.index.json"


@pytest.mark.parametrize(
    "name",
    ["../model.safetensors", "/etc/passwd", "a/b.safetensors", "..", "", "..\\x", "C:x", "a\0b", 7],
)
def test_shard_outside_the_folder(name, tmp_path):
    index = sharded(tmp_path / "checkpoint")
    data = json.loads(index.read_text())
    first = next(iter(data["weight_map"]))
    data["weight_map"][first] = name
    index.write_text(json.dumps(data))
    rejected(tmp_path / "checkpoint", "index.json' names .*, which is outside its folder")


def test_missing_shard(tmp_path):
    sharded(tmp_path)
    gone = weight_files(tmp_path)[1]
    gone.unlink()
    rejected(tmp_path, f"shard '{gone.name}' of .* is missing; download it again")


def test_weight_in_two_shards(tmp_path):
    sharded(tmp_path)
    first, second, *_ = weight_files(tmp_path)
    shutil.copy(first, second)
    rejected(tmp_path, "holds .* in two of its shards")


@pytest.mark.parametrize("text", ["", "{", "[]", "{}", "null", '{"weight_map": 3}', "\x00"])
def test_broken_index(text, tmp_path):
    index = sharded(tmp_path)
    index.write_text(text)
    rejected(tmp_path, "cannot be read as an index of shards|must map weights to files under")
