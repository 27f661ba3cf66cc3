"""The facts that `inspect` shows for a checkpoint agree with its export."""

import dataclasses
import itertools
from collections import Counter
from pathlib import Path
from typing import get_args

import pytest
import tiny
import torch
import transformers
from checkpoint_files import Weights, change_config, change_weights
from every_format import paired
from safetensors.torch import load_file, save_file

from squeezebert_mobile.artifact import read_manifest
from squeezebert_mobile.errors import CheckpointError
from squeezebert_mobile.export import export_checkpoint, initialize, inspect_checkpoint
from squeezebert_mobile.export.quantize.mixed_precision import MAX_FP32
from squeezebert_mobile.export.quantize.sensitivity import units
from squeezebert_mobile.export.sizes import largest_bytes
from squeezebert_mobile.formats import Precision
from squeezebert_mobile.models.checkpoint import shipped_texts
from squeezebert_mobile.models.families import architecture_of
from squeezebert_mobile.models.modeling import PretrainedModel
from squeezebert_mobile.models.rewriting import rewrite
from squeezebert_mobile.tasks import TASKS

# Wide enough that tensor names add almost nothing to the file size.
WIDE = {"num_hidden_layers": 1, "vocab_size": 2000, "hidden_size": 192, "intermediate_size": 384}


@pytest.mark.parametrize(("format", "precision", "family"), paired(tiny.FAMILIES))
def test_the_expected_size_is_the_files_size(
    format: str, family: str, precision: str, tmp_path: Path
) -> None:
    model = initialize("fill-mask", tiny.tiny_config(family, **WIDE))
    model.save_pretrained(tmp_path / "checkpoint")
    tiny.write_vocabulary(tmp_path / "checkpoint")
    facts = inspect_checkpoint(tmp_path / "checkpoint")
    export_checkpoint(
        tmp_path / "checkpoint",
        tmp_path / "artifact",
        format=format,
        precision=precision,
        texts=shipped_texts()[::8],
    )
    manifest = read_manifest(tmp_path / "artifact")
    stored = sum(part.bytes for part in manifest.parts.values())
    expected = facts.expected_bytes[format][precision]
    assert expected == pytest.approx(stored, rel=0.02)
    assert expected == pytest.approx(manifest.model_bytes, rel=0.1)
    assert facts.model == manifest.model
    assert {name: part.parameters for name, part in facts.parts.items()} == {
        name: part.parameters for name, part in manifest.parts.items()
    }


def _with_a_decoder_of_its_own(weights: Weights) -> None:
    weights["cls.predictions.decoder.weight"] = torch.randn(WIDE["vocab_size"], 192) / 10


@pytest.mark.parametrize("by_config", [True, False])
@pytest.mark.parametrize(
    "precision",
    [p if p == "int8" else pytest.param(p, marks=pytest.mark.slow) for p in get_args(Precision)],
)
def test_the_expected_size_with_an_untied_decoder(
    precision: str, by_config: bool, tmp_path: Path
) -> None:
    """Untied by config.json, or by a decoder in the file that is not the word embeddings."""
    model = initialize("fill-mask", tiny.tiny_config(tie_word_embeddings=not by_config, **WIDE))
    model.save_pretrained(tmp_path)
    tiny.write_vocabulary(tmp_path)
    if not by_config:
        change_weights(tmp_path, _with_a_decoder_of_its_own)
    facts = inspect_checkpoint(tmp_path)
    out = tmp_path / "out"
    manifest = export_checkpoint(tmp_path, out, precision=precision, texts=shipped_texts()[::8])
    stored = sum(part.bytes for part in manifest.parts.values())
    assert facts.expected_bytes["onnx"][precision] == pytest.approx(stored, rel=0.02)
    assert facts.model == manifest.model
    assert facts.model.parameters > 2 * WIDE["vocab_size"] * WIDE["hidden_size"]
    if precision in {"int8", "int4"}:
        assert stored < facts.largest_bytes


def _largest_repair(model: PretrainedModel) -> int:
    """The bytes of the weights with all tables in fp32, and as many products as repair may take."""
    products = [unit for unit in units(rewrite(model)).values() if not unit.is_table]
    room = MAX_FP32 * sum(unit.numbers for unit in products)
    saved = [
        sum(3 * part.weight.numel() - 4 * len(part.weight) for part in unit.stored)
        for unit in products
    ]
    most = 0
    for chosen in itertools.product((False, True), repeat=len(products)):
        if sum(unit.numbers for unit, kept in zip(products, chosen, strict=True) if kept) <= room:
            most = max(most, sum(itertools.compress(saved, chosen)))
    parameters = sum(parameter.numel() for parameter in model.parameters())
    return 4 * parameters - sum(saved) + most


@pytest.mark.parametrize("family", tiny.FAMILIES)
@pytest.mark.parametrize("is_tied", [True, False])
@pytest.mark.parametrize("vocabulary", [64, 300, 2000])
def test_no_repair_makes_the_file_larger_than_promised(
    vocabulary: int, is_tied: bool, family: str
) -> None:
    sizes = WIDE | {"vocab_size": vocabulary, "hidden_size": 96, "intermediate_size": 192}
    config = tiny.tiny_config(family, tie_word_embeddings=is_tied, **sizes)
    model = initialize("fill-mask", config).eval()
    largest = largest_bytes(model)
    assert 0.8 * largest < _largest_repair(model) <= largest


@pytest.mark.parametrize("family", tiny.FAMILIES)
def test_the_largest_size_after_repair(family: str, tmp_path: Path) -> None:
    """Half of the products' weights and all tables in fp32, the other products in int8."""
    tiny.write_checkpoint(tmp_path, family, "text-classification", hidden_size=96)
    facts = inspect_checkpoint(tmp_path)
    # The scales of a product are one float for each of its output channels.
    products = [
        layer
        for layer in facts.operators
        if layer.multiply_adds and layer.shape[0] != facts.model.hidden // 48  # the classifier
    ]
    saved = sum(3 * each.multiply_adds - 4 * each.count * each.shape[0] for each in products)
    assert facts.largest_bytes == pytest.approx(4 * facts.model.parameters - saved / 2, abs=1)
    sizes = facts.expected_bytes["onnx"]
    assert sizes["int4"] < sizes["int8"] < facts.largest_bytes < sizes["fp32"]


@pytest.mark.parametrize("family", tiny.FAMILIES)
def test_parameters_are_those_of_transformers(family: str, tmp_path: Path) -> None:
    theirs = tiny.write_checkpoint(tmp_path, family, "text-classification")
    facts = inspect_checkpoint(tmp_path)
    assert facts.model.parameters == theirs.num_parameters()
    assert sum(layer.parameters for layer in facts.operators) == theirs.num_parameters()


def test_layers_and_their_multiply_adds(tmp_path: Path) -> None:
    tiny.write_checkpoint(tmp_path, "squeezebert", "text-classification")
    layers = inspect_checkpoint(tmp_path).operators
    grouped = [dataclasses.astuple(layer) for layer in layers if layer.kind == "Conv1d"]
    # 2 layers of 24 channels and 48 inside; query, key and value; bias and weight
    assert grouped == [
        ("Conv1d", (24, 24), 4, 6, 6 * (24 * 6 + 24), 6 * 24 * 6),
        ("Conv1d", (24, 24), 1, 2, 2 * (24 * 24 + 24), 2 * 24 * 24),
        ("Conv1d", (48, 24), 4, 2, 2 * (48 * 6 + 48), 2 * 48 * 6),
        ("Conv1d", (24, 48), 4, 2, 2 * (24 * 12 + 24), 2 * 24 * 12),
    ]


def test_the_layers_of_bert_are_linear_as_in_transformers(tmp_path: Path) -> None:
    theirs = tiny.write_checkpoint(tmp_path, "bert", "text-classification")
    layers = inspect_checkpoint(tmp_path).operators
    kinds = Counter({layer.kind: 0 for layer in layers})
    for layer in layers:
        kinds[layer.kind] += layer.count
    modules = Counter(type(module).__name__ for module in theirs.modules())
    assert kinds == {kind: modules[kind] for kind in ("Embedding", "LayerNorm", "Linear")}


@pytest.mark.parametrize("family", tiny.FAMILIES)
@pytest.mark.parametrize("task", TASKS)
def test_the_heads_with_complete_weights(task: str, family: str, tmp_path: Path) -> None:
    tiny.write_checkpoint(tmp_path, family, task)
    facts = inspect_checkpoint(tmp_path)
    # transformers' SqueezeBERT has a pooler beside every head, its BERT where the head reads it.
    has_pooler = family == "squeezebert" or TASKS[task].uses_pooler
    encoder = ["feature-extraction"] if has_pooler else []
    assert facts.task == task
    assert facts.heads == tuple(dict.fromkeys([*encoder, task]))


def test_two_heads_in_one_file(tmp_path: Path) -> None:
    config = tiny.tiny_theirs("bert").config
    theirs = transformers.BertForPreTraining(config)
    theirs.save_pretrained(tmp_path)
    tiny.write_vocabulary(tmp_path)
    assert inspect_checkpoint(tmp_path).heads == ("feature-extraction", "fill-mask")


def test_a_head_that_config_does_not_name(tmp_path: Path) -> None:
    theirs = tiny.write_checkpoint(tmp_path, "bert", "question-answering")
    theirs.config.architectures = None
    theirs.config.save_pretrained(tmp_path)
    assert inspect_checkpoint(tmp_path).task == "question-answering"


def test_a_preset_has_every_head() -> None:
    facts = inspect_checkpoint("preset:bert-base")
    assert facts.heads == tuple(TASKS)
    assert facts.task == "text-classification"
    assert facts.model.parameters == 109_483_778  # transformers' BertForSequenceClassification


def test_weights_of_another_config_are_refused(tmp_path: Path) -> None:
    tiny.write_checkpoint(tmp_path, "squeezebert", "fill-mask")
    weights = load_file(tmp_path / "model.safetensors")
    save_file(
        {k: v for k, v in weights.items() if "layers.1." not in k}, tmp_path / "model.safetensors"
    )
    with pytest.raises(
        CheckpointError, match="it has 1 layers, but num_hidden_layers in config.json is 2"
    ):
        inspect_checkpoint(tmp_path)


@pytest.mark.parametrize("family", tiny.FAMILIES)
@pytest.mark.parametrize("named", [False, True])
@pytest.mark.parametrize(
    ("task", "name", "message"),
    [
        ("fill-mask", "cls.predictions.bias", "cls.predictions.bias has shape [63], not [64]"),
        ("fill-mask", "cls.predictions.transform.dense.weight", "has shape [23, 24], not [24, 24]"),
        ("question-answering", "qa_outputs.bias", "qa_outputs.bias has shape [1], not [2]"),
        ("text-classification", "classifier.bias", "classifier.bias has shape [1], not [2]"),
    ],
)
def test_a_weight_of_the_head_that_is_too_short(
    task: str, name: str, message: str, named: bool, family: str, tmp_path: Path
) -> None:
    tiny.write_checkpoint(tmp_path, family, task)
    if not named:
        change_config(tmp_path, architectures=None)
    change_weights(tmp_path, lambda w: w.update({name: w[name][:-1].clone()}))
    with pytest.raises(CheckpointError, match="do not match its config.json") as error:
        inspect_checkpoint(tmp_path)
    assert message in str(error.value) and "pooler" not in str(error.value)


@pytest.mark.parametrize("family", tiny.FAMILIES)
@pytest.mark.parametrize("lost", ["cls.predictions.bias", "cls.predictions.transform.dense.bias"])
def test_a_weight_of_the_head_that_is_missing(lost: str, family: str, tmp_path: Path) -> None:
    tiny.write_checkpoint(tmp_path, family, "fill-mask")
    change_weights(tmp_path, lambda w: w.pop(lost))
    with pytest.raises(CheckpointError, match=f"has no weights for fill-mask: {lost} is missing"):
        inspect_checkpoint(tmp_path)


def test_an_encoder_without_pooler(tmp_path: Path) -> None:
    tiny.write_checkpoint(tmp_path, "bert")
    change_weights(tmp_path, lambda w: [w.pop(f"pooler.dense.{k}") for k in ("weight", "bias")])
    facts = inspect_checkpoint(tmp_path)
    assert facts.heads == ("feature-extraction",)
    assert facts.notes == ("the checkpoint has no pooler, so the model has no pooler_output",)


@pytest.mark.parametrize("family", tiny.FAMILIES)
@pytest.mark.parametrize("lost", ["weight", "bias"])
def test_half_a_pooler(lost: str, family: str, tmp_path: Path) -> None:
    tiny.write_checkpoint(tmp_path, family)
    change_weights(tmp_path, lambda w: w.pop(f"pooler.dense.{lost}"))
    message = f"pooler.dense.{lost} is missing; copy the checkpoint again$"
    with pytest.raises(CheckpointError, match=message):
        inspect_checkpoint(tmp_path)


def test_an_encoder_whose_config_names_another_class(tmp_path: Path) -> None:
    theirs = tiny.write_checkpoint(tmp_path, "squeezebert", "feature-extraction")
    theirs.config.architectures = [architecture_of(tiny.tiny_config(), "fill-mask")]
    theirs.config.save_pretrained(tmp_path)
    assert inspect_checkpoint(tmp_path).heads == ("feature-extraction",)
