import hashlib
import json
import os
import pickle
import random
import shutil
import zipfile
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import tiny
import torch
import transformers
from safetensors import safe_open
from safetensors.torch import load_file, save_file

from squeezebert_mobile.errors import CheckpointError
from squeezebert_mobile.models.families import FAMILIES, architecture_of
from squeezebert_mobile.models.heads import MODEL_CLASSES, initialize
from squeezebert_mobile.models.weights import read_weights, weight_files, weights_sha256
from squeezebert_mobile.tasks import TASKS

Weights = dict[str, torch.Tensor]

EVERY_HEAD = pytest.mark.parametrize(
    ("family", "task"), [(family, task) for family in tiny.FAMILIES for task in TASKS]
)


def saved(folder: Path, family: str = "squeezebert", task: str = "fill-mask", **kw: Any) -> Any:
    """transformers' model, saved in `folder`."""
    theirs = tiny.tiny_theirs(family, task, **kw)
    theirs.save_pretrained(folder)
    return theirs


def changed(folder: Path, change: Callable[[Weights], Any]) -> None:
    """Write model.safetensors again after `change`."""
    weights = load_file(folder / "model.safetensors")
    weights = {name: tensor.clone() for name, tensor in weights.items()}
    change(weights)
    save_file(weights, folder / "model.safetensors")


def as_bin(folder: Path, *, zipped: bool = True) -> Path:
    """Put pytorch_model.bin in the place of model.safetensors."""
    weights = {n: t.clone() for n, t in load_file(folder / "model.safetensors").items()}
    (folder / "model.safetensors").unlink()
    path = folder / "pytorch_model.bin"
    torch.save(weights, path, _use_new_zipfile_serialization=zipped)
    return path


def config_changed(folder: Path, **values: Any) -> None:
    path = folder / "config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | values))


def logits(folder: Path, task: str = "fill-mask") -> torch.Tensor:
    model = MODEL_CLASSES[task].from_pretrained(folder)
    with torch.no_grad():
        return model(torch.arange(24).reshape(2, 12)).logits


def refused(folder: Path, message: str, task: str = "fill-mask") -> None:
    with pytest.raises(CheckpointError, match=message) as error:
        MODEL_CLASSES[task].from_pretrained(folder)
    assert "\n" not in str(error.value)


# There and back -----------------------------------------------------------------------------


@EVERY_HEAD
def test_what_we_save_is_theirs(family, task, tmp_path):
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
    theirs = saved(tmp_path)
    model = MODEL_CLASSES["fill-mask"].from_pretrained(tmp_path)
    model.save_pretrained(tmp_path)
    model.save_pretrained(tmp_path)
    again = MODEL_CLASSES["fill-mask"].from_pretrained(tmp_path)
    weight = theirs.get_input_embeddings().weight
    assert torch.equal(again.base.embeddings.word.weight, weight)


@pytest.mark.parametrize("binary", [False, True])
def test_loaded_weights_do_not_change_with_the_file(binary, tmp_path):
    saved(tmp_path)
    path = as_bin(tmp_path) if binary else tmp_path / "model.safetensors"
    model = MODEL_CLASSES["fill-mask"].from_pretrained(tmp_path)
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    with path.open("r+b") as file:
        file.write(b"\x11" * path.stat().st_size)
    for name, tensor in model.state_dict().items():
        assert torch.equal(tensor, before[name]), name


@EVERY_HEAD
def test_loading_leaves_nothing_without_memory(family, task, tmp_path):
    saved(tmp_path, family, task)
    model = MODEL_CLASSES[task].from_pretrained(tmp_path)
    tensors = [*model.parameters(), *model.buffers()]
    assert {t.device.type for t in tensors} == {"cpu"}
    assert all(p.requires_grad and p.dtype == torch.float32 for p in model.parameters())


# Forms of a checkpoint ----------------------------------------------------------------------


@pytest.mark.parametrize("zipped", [True, False])
@pytest.mark.parametrize("family", tiny.FAMILIES)
def test_bin(family, zipped, tmp_path):
    saved(tmp_path, family)
    expected = logits(tmp_path)
    path = as_bin(tmp_path, zipped=zipped)
    assert weight_files(tmp_path) == [path]
    assert torch.equal(logits(tmp_path), expected)


def test_safetensors_shards(tmp_path):
    theirs = saved(tmp_path / "whole")
    theirs.save_pretrained(tmp_path / "shards", max_shard_size="8KB")
    files = weight_files(tmp_path / "shards")
    assert len(files) > 2 and files == sorted(files)
    assert torch.equal(logits(tmp_path / "shards"), logits(tmp_path / "whole"))


def test_bin_shards(tmp_path):
    saved(tmp_path)
    expected = logits(tmp_path)
    weights = torch.load(as_bin(tmp_path), weights_only=True)
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


def test_safetensors_come_first(tmp_path):
    saved(tmp_path)
    (tmp_path / "pytorch_model.bin").write_bytes(b"never read")
    assert weight_files(tmp_path) == [tmp_path / "model.safetensors"]
    logits(tmp_path)


def test_sha256_of_one_file_is_its_own(tmp_path):
    saved(tmp_path)
    digest = hashlib.sha256((tmp_path / "model.safetensors").read_bytes()).hexdigest()
    assert weights_sha256(tmp_path) == digest


def test_links_are_followed(tmp_path):
    """In the Hub's cache every file of a checkpoint is a link."""
    saved(tmp_path / "blobs")
    (tmp_path / "snapshot").mkdir()
    for path in (tmp_path / "blobs").iterdir():
        (tmp_path / "snapshot" / path.name).symlink_to(path)
    logits(tmp_path / "snapshot")


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64])
def test_other_precisions_become_float32(dtype, tmp_path):
    theirs = saved(tmp_path)
    theirs.to(dtype).save_pretrained(tmp_path)
    model = MODEL_CLASSES["fill-mask"].from_pretrained(tmp_path)
    weight = theirs.get_input_embeddings().weight.to(torch.float32)
    assert torch.equal(model.base.embeddings.word.weight, weight)
    model.save_pretrained(tmp_path / "again")
    reloaded = type(theirs).from_pretrained(tmp_path / "again")
    assert reloaded.dtype == torch.float32


# Names --------------------------------------------------------------------------------------


@pytest.mark.parametrize("family", FAMILIES)
def test_prefix_is_optional(family, tmp_path):
    prefix = FAMILIES[family].weight_prefix
    saved(tmp_path, family, "feature-extraction")

    def add(weights: Weights) -> None:
        for name in [*weights]:
            weights[prefix + name] = weights.pop(name)

    expected = read_weights(tmp_path)["pooler.dense.bias"].clone()
    changed(tmp_path, add)
    model = MODEL_CLASSES["feature-extraction"].from_pretrained(tmp_path)
    assert torch.equal(model.pooler.bias, expected)

    saved(tmp_path / "head", family, "fill-mask")
    before = logits(tmp_path / "head")

    def remove(weights: Weights) -> None:
        for name in [*weights]:
            weights[name.removeprefix(prefix)] = weights.pop(name)

    changed(tmp_path / "head", remove)
    assert torch.equal(logits(tmp_path / "head"), before)


@pytest.mark.parametrize("family", tiny.FAMILIES)
def test_names_from_tensorflow(family, tmp_path):
    saved(tmp_path, family)
    expected = logits(tmp_path)

    def rename(weights: Weights) -> None:
        for name in [*weights]:
            old = name.replace("LayerNorm.weight", "LayerNorm.gamma")
            weights[old.replace("LayerNorm.bias", "LayerNorm.beta")] = weights.pop(name)

    changed(tmp_path, rename)
    assert any(name.endswith("gamma") for name in read_weights(tmp_path))
    assert torch.equal(logits(tmp_path), expected)


def test_what_is_dropped_on_purpose(tmp_path):
    saved(tmp_path, "bert")
    expected = logits(tmp_path)

    def add(weights: Weights) -> None:
        weights["bert.embeddings.position_ids"] = torch.arange(40)[None]
        weights["bert.embeddings.token_type_ids"] = torch.zeros(1, 40, dtype=torch.long)
        weights["cls.seq_relationship.weight"] = torch.ones(2, 24)
        weights["cls.seq_relationship.bias"] = torch.ones(2)
        weights["cls.predictions.decoder.weight"] = torch.ones(64, 24)
        weights["cls.predictions.decoder.bias"] = torch.ones(64)
        weights["bert.pooler.dense.weight"] = torch.ones(24, 24)
        weights["bert.pooler.dense.bias"] = torch.full((24,), torch.nan)
        weights["classifier.weight"] = torch.ones(7, 24)
        weights["classifier.bias"] = torch.ones(7)
        weights["qa_outputs.weight"] = torch.ones(2, 24)
        weights["qa_outputs.bias"] = torch.ones(2)

    changed(tmp_path, add)
    assert torch.equal(logits(tmp_path), expected)


def test_tied_bias_under_its_other_name(tmp_path):
    saved(tmp_path)
    expected = logits(tmp_path)
    changed(tmp_path, lambda w: w.update({"cls.predictions.decoder.bias": w.pop(BIAS)}))
    assert torch.equal(logits(tmp_path), expected)


BIAS = "cls.predictions.bias"
KEY = "transformer.encoder.layers.1.attention.key.weight"


def test_unknown_weight(tmp_path):
    saved(tmp_path)
    changed(tmp_path, lambda w: w.update({"transformer.encoder.gate": torch.ones(1)}))
    refused(tmp_path, "a squeezebert; unknown: transformer.encoder.gate$")


def test_missing_weight(tmp_path):
    saved(tmp_path)
    changed(tmp_path, lambda w: w.pop(KEY))
    refused(tmp_path, f"not those of its config.json, a squeezebert; missing: {KEY}$")


def test_misshaped_weight(tmp_path):
    saved(tmp_path)
    changed(tmp_path, lambda w: w.update({KEY: w[KEY][:12].clone()}))
    refused(tmp_path, rf"{KEY} has shape \[12, 6, 1\], not \[24, 6, 1\]$")


def test_misshaped_weight_of_bert(tmp_path):
    saved(tmp_path, "bert")
    key = "bert.encoder.layer.0.output.dense.weight"
    changed(tmp_path, lambda w: w.update({key: w[key].T.contiguous()}))
    refused(tmp_path, rf"{key} has shape \[48, 24\], not \[24, 48\]$")


def test_everything_wrong_is_counted(tmp_path):
    saved(tmp_path)

    def break_much(weights: Weights) -> None:
        for name in [name for name in weights if "query" in name or "LayerNorm" in name]:
            weights[f"x.{name}"] = weights.pop(name)
        weights[KEY] = weights[KEY][:1].clone()

    changed(tmp_path, break_much)
    refused(
        tmp_path,
        r"missing: transformer.embeddings.LayerNorm.weight, .* and 5 more; unknown: x\..*, x\..* "
        rf"and 5 more; {KEY} has shape",
    )


def test_groups_of_another_checkpoint(tmp_path):
    saved(tmp_path)
    config_changed(tmp_path, k_groups=2)
    refused(tmp_path, r"layers.0.attention.key.weight has shape \[24, 6, 1\], not \[24, 12, 1\]")


@pytest.mark.parametrize("family", tiny.FAMILIES)
@pytest.mark.parametrize("layers", [1, 3])
def test_layers_of_another_checkpoint(family, layers, tmp_path):
    saved(tmp_path, family)
    config_changed(tmp_path, num_hidden_layers=layers)
    refused(tmp_path, f"it has 2 layers, config.json says num_hidden_layers {layers}; ")


def test_family_of_another_checkpoint(tmp_path):
    saved(tmp_path, "squeezebert", "feature-extraction")
    config_changed(tmp_path, model_type="bert")
    refused(tmp_path, "a bert; missing: encoder.layer.0.attention.self", "feature-extraction")


def test_weight_under_two_names(tmp_path):
    saved(tmp_path)
    second = {KEY.removeprefix("transformer."): torch.zeros(24, 6, 1)}
    changed(tmp_path, lambda w: w.update(second))
    refused(tmp_path, "holds one weight under two names: .*key.weight, .*key.weight")


@pytest.mark.parametrize("value", [torch.nan, torch.inf, -torch.inf])
def test_weights_that_are_not_finite(value, tmp_path):
    saved(tmp_path)
    changed(tmp_path, lambda w: w[KEY][3].fill_(value))
    refused(tmp_path, rf"not finite \(NaN or infinite\): {KEY}; its training has diverged")


@pytest.mark.parametrize("dtype", [torch.int8, torch.float8_e4m3fn])
def test_weights_that_are_quantized(dtype, tmp_path):
    saved(tmp_path)
    changed(tmp_path, lambda w: w.update({KEY: w[KEY].to(dtype)}))
    refused(tmp_path, f"{KEY} holds {str(dtype).partition('.')[2]}, not floating point numbers")


def test_huge_config_takes_no_memory(tmp_path):
    """A terabyte by its config, 60 kB by its file."""
    saved(tmp_path)
    sizes = {"hidden_size": 2**14, "embedding_size": 2**14, "intermediate_size": 2**16}
    sizes |= {"vocab_size": 2**20, "num_hidden_layers": 256, "num_attention_heads": 16}
    config_changed(tmp_path, **sizes)
    refused(tmp_path, r"has 2 layers, .* 256; missing: .*; cls.* has shape .* and 39 more$")


# Heads --------------------------------------------------------------------------------------


@pytest.mark.parametrize("family", tiny.FAMILIES)
@pytest.mark.parametrize(
    ("task", "missing"),
    [
        ("fill-mask", "cls.predictions.transform.dense.weight, .* and 2 more are"),
        ("text-classification", "classifier.weight, classifier.bias are"),
        ("multiple-choice", "classifier.weight, classifier.bias are"),
        ("token-classification", "classifier.weight, classifier.bias are"),
        ("question-answering", "qa_outputs.weight, qa_outputs.bias are"),
    ],
)
def test_headless_checkpoint(family, task, missing, tmp_path):
    saved(tmp_path, family, "feature-extraction")
    refused(
        tmp_path,
        f"has no weights for {task}: {missing} missing; export it with --task "
        f"feature-extraction, or fine-tune it for {task} first$",
        task,
    )


def test_checkpoint_without_pooler(tmp_path):
    saved(tmp_path, "bert", "token-classification")
    refused(
        tmp_path,
        "has no weights for feature-extraction: pooler.dense.weight, pooler.dense.bias are "
        "missing; fine-tune it for feature-extraction first$",
        "feature-extraction",
    )


def test_half_a_head(tmp_path):
    saved(tmp_path)
    changed(tmp_path, lambda w: w.pop(BIAS))
    refused(tmp_path, f"has no weights for fill-mask: {BIAS} is missing; export it with --task")


def test_classifier_of_another_task(tmp_path):
    """Its shape fits, so that without the check the answers would be noise."""
    saved(tmp_path, "bert", "text-classification")
    refused(
        tmp_path,
        "has a head for text-classification, by its config.json, and none for "
        "token-classification; export it with --task text-classification, or fine-tune it",
        "token-classification",
    )
    config_changed(tmp_path, architectures=None)
    assert logits(tmp_path, "token-classification").shape == (2, 12, 2)


# Files that cannot be read ------------------------------------------------------------------


def test_no_weights(tmp_path):
    tiny.tiny_config().save_pretrained(tmp_path)
    (tmp_path / "tf_model.h5").write_bytes(b"")
    refused(tmp_path, "has no weights: no model.safetensors and no pytorch_model.bin, whole or in")
    with pytest.raises(CheckpointError, match="has no weights"):
        weights_sha256(tmp_path)


def safetensors_header(data: bytes) -> tuple[dict[str, Any], bytes]:
    length = int.from_bytes(data[:8], "little")
    return json.loads(data[8 : 8 + length]), data[8 + length :]


def with_header(header: dict[str, Any], rest: bytes) -> bytes:
    text = json.dumps(header).encode()
    return len(text).to_bytes(8, "little") + text + rest


def lying_shape(data: bytes) -> bytes:
    header, rest = safetensors_header(data)
    header[KEY]["shape"] = [2**40, 2**20, 1]
    return with_header(header, rest)


def lying_offsets(data: bytes) -> bytes:
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
        lying_shape,
        lying_offsets,
    ],
)
def test_damaged_safetensors(damage, tmp_path):
    saved(tmp_path)
    path = tmp_path / "model.safetensors"
    path.write_bytes(damage(path.read_bytes()))
    refused(tmp_path, "is damaged, or not a safetensors file: .*; download it again$")


class Malicious:
    """Makes a file where it is unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> Any:
        return os.mkdir, (str(self.path),)


@pytest.mark.parametrize("zipped", [True, False, None])
def test_pickle_does_not_run(zipped, tmp_path):
    saved(tmp_path)
    as_bin(tmp_path)
    proof, path = tmp_path / "proof", tmp_path / "pytorch_model.bin"
    state = {BIAS: torch.ones(64), "more": Malicious(proof)}
    if zipped is None:
        path.write_bytes(pickle.dumps(state))
    else:
        torch.save(state, path, _use_new_zipfile_serialization=zipped)
    refused(tmp_path, "holds more than tensors, which could run code and is not opened")
    assert not proof.exists()


@pytest.mark.parametrize("zipped", [True, False])
@pytest.mark.parametrize(
    "damage",
    [
        lambda data: b"",
        lambda data: data[:-300],
        lambda data: data[:5000],
        lambda data: bytes(5000),
        lambda data: b"PK\x05\x06" + bytes(18),  # an empty archive
    ],
)
def test_damaged_bin(zipped, damage, tmp_path):
    saved(tmp_path)
    path = as_bin(tmp_path, zipped=zipped)
    path.write_bytes(damage(path.read_bytes()))
    refused(tmp_path, r"is damaged, or holds more than tensors, .* \(\w+\); download it again")


def test_compressed_bin(tmp_path):
    """torch writes none; mapped into memory, the compressed bytes would be taken for weights."""
    saved(tmp_path)
    path = as_bin(tmp_path)
    with zipfile.ZipFile(path) as archive:
        entries = {name: archive.read(name) for name in archive.namelist()}
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in entries.items():
            archive.writestr(name, data)
    refused(tmp_path, r"is damaged, .* \(BadZipFile\)")


@pytest.mark.parametrize("content", [[1, 2], {"a": 1}, {1: torch.ones(2)}, torch.ones(2)])
def test_bin_that_is_no_state_dict(content, tmp_path):
    saved(tmp_path)
    torch.save(content, as_bin(tmp_path))
    refused(tmp_path, "must hold a state_dict, a map from names to tensors; save it again")


@pytest.mark.filterwarnings("ignore:.*[Ss]parse")
@pytest.mark.parametrize("odd", [torch.eye(8).to_sparse(), torch.ones(64, device="meta")])
def test_bin_with_a_tensor_that_is_not_dense(odd, tmp_path):
    saved(tmp_path)
    path = as_bin(tmp_path)
    torch.save(torch.load(path, weights_only=True) | {BIAS: odd}, path)
    refused(tmp_path, f"{BIAS} is not a dense tensor")


def test_bin_with_one_number_for_a_terabyte(tmp_path):
    saved(tmp_path)
    path = as_bin(tmp_path)
    weights = torch.load(path, weights_only=True)
    torch.save(weights | {BIAS: torch.ones(1).expand(2**40)}, path)
    refused(tmp_path, rf"{BIAS} has shape \[1099511627776\], not \[64\]")


@pytest.mark.parametrize("binary", [False, True])
def test_any_byte_may_be_wrong(binary, tmp_path):
    """Then the file is refused, or its numbers are others; nothing else may happen."""
    tiny.tiny_theirs(num_hidden_layers=1).save_pretrained(tmp_path)
    path = as_bin(tmp_path) if binary else tmp_path / "model.safetensors"
    data, draw = path.read_bytes(), random.Random(0)
    # where the structure is: a header in front, or a pickle in front and a directory at the end
    places = [*range(0, 2000, 37), *range(len(data) - 3000, len(data), 59)]
    outcomes = Counter()
    for place in places:
        path.write_bytes(data[:place] + bytes([draw.randrange(256)]) + data[place + 1 :])
        try:
            MODEL_CLASSES["feature-extraction"].from_pretrained(tmp_path)
            outcomes["read"] += 1
        except CheckpointError:
            outcomes["refused"] += 1
    assert min(outcomes["read"], outcomes["refused"]) > 10, outcomes


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
    refused(tmp_path / "checkpoint", "index.json' names .*, which is outside its folder")


def test_missing_shard(tmp_path):
    sharded(tmp_path)
    gone = weight_files(tmp_path)[1]
    gone.unlink()
    refused(tmp_path, f"shard '{gone.name}' of .* is missing; download it again")


def test_weight_in_two_shards(tmp_path):
    sharded(tmp_path)
    first, second, *_ = weight_files(tmp_path)
    shutil.copy(first, second)
    refused(tmp_path, "holds .* in two of its shards")


@pytest.mark.parametrize("text", ["", "{", "[]", "{}", "null", '{"weight_map": 3}', "\x00"])
def test_broken_index(text, tmp_path):
    index = sharded(tmp_path)
    index.write_text(text)
    refused(tmp_path, "cannot be read as an index of shards|must map weights to files under")
