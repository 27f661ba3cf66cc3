"""Saving and loading weights, in every form of checkpoint that transformers writes."""

import hashlib
import json

import pytest
import tiny
import torch
import transformers
from checkpoint_files import (
    convert_to_bin,
    logits,
    save_theirs,
)
from safetensors import safe_open

from squeezebert_mobile.models.families import architecture_of
from squeezebert_mobile.models.heads import MODEL_CLASSES, initialize
from squeezebert_mobile.models.weight_files import weight_files, weights_sha256
from squeezebert_mobile.tasks import TASKS

EVERY_HEAD = pytest.mark.parametrize(
    ("family", "task"), [(family, task) for family in tiny.FAMILIES for task in TASKS]
)


# Saving and loading -------------------------------------------------------------------------


@EVERY_HEAD
def test_transformers_loads_what_we_save(family, task, tmp_path):
    changes = {"num_labels": 3} if "classification" in task else {}
    config = tiny.tiny_config(family, **changes, extra={"made_by": "us"})
    ours = initialize(task, config, seed=5)
    ours.save_pretrained(tmp_path / "checkpoint")
    their_class = getattr(transformers, architecture_of(config, task))
    theirs, info = their_class.from_pretrained(tmp_path / "checkpoint", output_loading_info=True)
    # transformers' SqueezeBERT has a pooler in every task
    assert {key for key in info["missing_keys"] if ".pooler." not in key} == set()
    assert not info["unexpected_keys"] and not info["mismatched_keys"]
    assert theirs.config.architectures == [their_class.__name__]
    shape = (2, 3, 4) if task == "multiple-choice" else (2, 12)
    ids = torch.arange(24).reshape(shape)
    with torch.no_grad():
        a, b = ours(ids), theirs.eval()(ids)
    for name in TASKS[task].outputs:
        torch.testing.assert_close(getattr(a, name), getattr(b, name), rtol=0, atol=1e-5)
    again = MODEL_CLASSES[task].from_pretrained(tmp_path / "checkpoint")
    assert again.config.extra["made_by"] == "us" and not again.training
    for name, tensor in ours.state_dict().items():
        assert torch.equal(tensor, again.state_dict()[name])


def test_saving_is_deterministic(tmp_path):
    for name in "ab":
        initialize("fill-mask", tiny.tiny_config("bert"), seed=1).save_pretrained(tmp_path / name)
    assert weights_sha256(tmp_path / "a") == weights_sha256(tmp_path / "b")
    with safe_open(tmp_path / "a" / "model.safetensors", "pt") as file:
        assert file.metadata() == {"format": "pt"}


def test_saving_over_the_file_that_was_loaded(tmp_path):
    theirs = save_theirs(tmp_path)
    model = MODEL_CLASSES["fill-mask"].from_pretrained(tmp_path)
    model.save_pretrained(tmp_path)
    model.save_pretrained(tmp_path)
    again = MODEL_CLASSES["fill-mask"].from_pretrained(tmp_path)
    weight = theirs.get_input_embeddings().weight
    assert torch.equal(again.base.embeddings.word.weight, weight)


@pytest.mark.parametrize("binary", [False, True])
def test_loaded_weights_do_not_change_with_the_file(binary, tmp_path):
    save_theirs(tmp_path)
    path = convert_to_bin(tmp_path) if binary else tmp_path / "model.safetensors"
    model = MODEL_CLASSES["fill-mask"].from_pretrained(tmp_path)
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    with path.open("r+b") as file:
        file.write(b"\x11" * path.stat().st_size)
    for name, tensor in model.state_dict().items():
        assert torch.equal(tensor, before[name]), name


@EVERY_HEAD
def test_loading_leaves_no_tensor_on_the_meta_device(family, task, tmp_path):
    save_theirs(tmp_path, family, task)
    model = MODEL_CLASSES[task].from_pretrained(tmp_path)
    tensors = [*model.parameters(), *model.buffers()]
    assert {t.device.type for t in tensors} == {"cpu"}
    assert all(p.requires_grad and p.dtype == torch.float32 for p in model.parameters())


# File formats -------------------------------------------------------------------------------


@pytest.mark.parametrize("zipped", [True, False])
@pytest.mark.parametrize("family", tiny.FAMILIES)
def test_bin(family, zipped, tmp_path):
    save_theirs(tmp_path, family)
    expected = logits(tmp_path)
    path = convert_to_bin(tmp_path, zipped=zipped)
    assert weight_files(tmp_path) == [path]
    assert torch.equal(logits(tmp_path), expected)


def test_safetensors_shards(tmp_path):
    theirs = save_theirs(tmp_path / "whole")
    theirs.save_pretrained(tmp_path / "shards", max_shard_size="8KB")
    files = weight_files(tmp_path / "shards")
    assert len(files) > 2 and files == sorted(files)
    assert torch.equal(logits(tmp_path / "shards"), logits(tmp_path / "whole"))


def test_bin_shards(tmp_path):
    save_theirs(tmp_path)
    expected = logits(tmp_path)
    weights = torch.load(convert_to_bin(tmp_path), weights_only=True)
    (tmp_path / "pytorch_model.bin").unlink()
    names = sorted(weights)
    shards = {"b.bin": names[: len(names) // 2], "a.bin": names[len(names) // 2 :]}
    for shard, part in shards.items():
        torch.save({name: weights[name] for name in part}, tmp_path / shard)
    index = {"weight_map": {name: shard for shard, part in shards.items() for name in part}}
    (tmp_path / "pytorch_model.bin.index.json").write_text(json.dumps(index))
    assert [path.name for path in weight_files(tmp_path)] == ["a.bin", "b.bin"]
    assert torch.equal(logits(tmp_path), expected)
    contents = b"".join((tmp_path / name).read_bytes() for name in ("a.bin", "b.bin"))
    assert weights_sha256(tmp_path) == hashlib.sha256(contents).hexdigest()


def test_safetensors_are_preferred(tmp_path):
    save_theirs(tmp_path)
    (tmp_path / "pytorch_model.bin").write_bytes(b"never read")
    assert weight_files(tmp_path) == [tmp_path / "model.safetensors"]
    logits(tmp_path)


def test_sha256_of_one_file_is_its_own(tmp_path):
    save_theirs(tmp_path)
    digest = hashlib.sha256((tmp_path / "model.safetensors").read_bytes()).hexdigest()
    assert weights_sha256(tmp_path) == digest


def test_links_are_followed(tmp_path):
    """In the cache of the Hub, every file of a checkpoint is a symbolic link."""
    save_theirs(tmp_path / "blobs")
    (tmp_path / "snapshot").mkdir()
    for path in (tmp_path / "blobs").iterdir():
        (tmp_path / "snapshot" / path.name).symlink_to(path)
    logits(tmp_path / "snapshot")


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64])
def test_other_precisions_become_float32(dtype, tmp_path):
    theirs = save_theirs(tmp_path)
    theirs.to(dtype).save_pretrained(tmp_path)
    model = MODEL_CLASSES["fill-mask"].from_pretrained(tmp_path)
    weight = theirs.get_input_embeddings().weight.to(torch.float32)
    assert torch.equal(model.base.embeddings.word.weight, weight)
    model.save_pretrained(tmp_path / "again")
    reloaded = type(theirs).from_pretrained(tmp_path / "again")
    assert reloaded.dtype == torch.float32
