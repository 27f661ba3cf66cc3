"""Which weights of a checkpoint are read, by name, and which are rejected."""

import pytest
import tiny
import torch
from checkpoint_files import (
    BIAS,
    KEY,
    Weights,
    change_config,
    change_weights,
    logits,
    rejected,
    save_theirs,
)

from squeezebert_mobile.models.families import FAMILIES
from squeezebert_mobile.models.heads import MODEL_CLASSES
from squeezebert_mobile.models.weights import read_weights

# Names that are read ----------------------------------------------------------------------------


@pytest.mark.parametrize("family", FAMILIES)
def test_prefix_is_optional(family, tmp_path):
    prefix = FAMILIES[family].weight_prefix
    save_theirs(tmp_path, family, "feature-extraction")

    def add(weights: Weights) -> None:
        for name in [*weights]:
            weights[prefix + name] = weights.pop(name)

    expected = read_weights(tmp_path)["pooler.dense.bias"].clone()
    change_weights(tmp_path, add)
    model = MODEL_CLASSES["feature-extraction"].from_pretrained(tmp_path)
    assert torch.equal(model.pooler.bias, expected)

    save_theirs(tmp_path / "head", family, "fill-mask")
    before = logits(tmp_path / "head")

    def remove(weights: Weights) -> None:
        for name in [*weights]:
            weights[name.removeprefix(prefix)] = weights.pop(name)

    change_weights(tmp_path / "head", remove)
    assert torch.equal(logits(tmp_path / "head"), before)


@pytest.mark.parametrize("family", tiny.FAMILIES)
def test_names_from_tensorflow(family, tmp_path):
    save_theirs(tmp_path, family)
    expected = logits(tmp_path)

    def rename(weights: Weights) -> None:
        for name in [*weights]:
            old = name.replace("LayerNorm.weight", "LayerNorm.gamma")
            weights[old.replace("LayerNorm.bias", "LayerNorm.beta")] = weights.pop(name)

    change_weights(tmp_path, rename)
    assert any(name.endswith("gamma") for name in read_weights(tmp_path))
    assert torch.equal(logits(tmp_path), expected)


def test_weights_that_are_dropped_on_purpose(tmp_path):
    save_theirs(tmp_path, "bert")
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

    change_weights(tmp_path, add)
    assert torch.equal(logits(tmp_path), expected)


def test_tied_bias_under_its_other_name(tmp_path):
    save_theirs(tmp_path)
    expected = logits(tmp_path)
    change_weights(tmp_path, lambda w: w.update({"cls.predictions.decoder.bias": w.pop(BIAS)}))
    assert torch.equal(logits(tmp_path), expected)


# Weights that do not fit --------------------------------------------------------------------


def test_unknown_weight(tmp_path):
    save_theirs(tmp_path)
    change_weights(tmp_path, lambda w: w.update({"transformer.encoder.gate": torch.ones(1)}))
    rejected(tmp_path, "a squeezebert; unknown: transformer.encoder.gate$")


def test_missing_weight(tmp_path):
    save_theirs(tmp_path)
    change_weights(tmp_path, lambda w: w.pop(KEY))
    rejected(tmp_path, f"do not match its config.json, a squeezebert; missing: {KEY}$")


def test_misshaped_weight(tmp_path):
    save_theirs(tmp_path)
    change_weights(tmp_path, lambda w: w.update({KEY: w[KEY][:12].clone()}))
    rejected(tmp_path, rf"{KEY} has shape \[12, 6, 1\], not \[24, 6, 1\]$")


def test_misshaped_weight_of_bert(tmp_path):
    save_theirs(tmp_path, "bert")
    key = "bert.encoder.layer.0.output.dense.weight"
    change_weights(tmp_path, lambda w: w.update({key: w[key].T.contiguous()}))
    rejected(tmp_path, rf"{key} has shape \[48, 24\], not \[24, 48\]$")


def test_all_problems_are_counted(tmp_path):
    save_theirs(tmp_path)

    def break_many(weights: Weights) -> None:
        for name in [name for name in weights if "query" in name or "LayerNorm" in name]:
            weights[f"x.{name}"] = weights.pop(name)
        weights[KEY] = weights[KEY][:1].clone()

    change_weights(tmp_path, break_many)
    rejected(
        tmp_path,
        r"missing: transformer.embeddings.LayerNorm.weight, .* and 5 more; unknown: x\..*, x\..* "
        rf"and 5 more; {KEY} has shape",
    )


def test_groups_of_another_checkpoint(tmp_path):
    save_theirs(tmp_path)
    change_config(tmp_path, k_groups=2)
    rejected(tmp_path, r"layers.0.attention.key.weight has shape \[24, 6, 1\], not \[24, 12, 1\]")


@pytest.mark.parametrize("family", tiny.FAMILIES)
@pytest.mark.parametrize("layers", [1, 3])
def test_layers_of_another_checkpoint(family, layers, tmp_path):
    save_theirs(tmp_path, family)
    change_config(tmp_path, num_hidden_layers=layers)
    rejected(tmp_path, f"it has 2 layers, but num_hidden_layers in config.json is {layers}; ")


def test_family_of_another_checkpoint(tmp_path):
    save_theirs(tmp_path, "squeezebert", "feature-extraction")
    change_config(tmp_path, model_type="bert")
    rejected(tmp_path, "a bert; missing: encoder.layer.0.attention.self", "feature-extraction")


def test_weight_under_two_names(tmp_path):
    save_theirs(tmp_path)
    second = {KEY.removeprefix("transformer."): torch.zeros(24, 6, 1)}
    change_weights(tmp_path, lambda w: w.update(second))
    rejected(tmp_path, "holds one weight under two names: .*key.weight, .*key.weight")


@pytest.mark.parametrize("value", [torch.nan, torch.inf, -torch.inf])
def test_weights_that_are_not_finite(value, tmp_path):
    save_theirs(tmp_path)
    change_weights(tmp_path, lambda w: w[KEY][3].fill_(value))
    rejected(tmp_path, rf"not finite \(NaN or infinite\): {KEY}; its training has diverged")


@pytest.mark.parametrize("dtype", [torch.int8, torch.float8_e4m3fn])
def test_weights_that_are_quantized(dtype, tmp_path):
    save_theirs(tmp_path)
    change_weights(tmp_path, lambda w: w.update({KEY: w[KEY].to(dtype)}))
    rejected(tmp_path, f"{KEY} holds {str(dtype).partition('.')[2]}, not floating point numbers")


def test_huge_config_takes_no_memory(tmp_path):
    """A terabyte according to config.json, in a file of 60 kB."""
    save_theirs(tmp_path)
    sizes = {"hidden_size": 2**14, "embedding_size": 2**14, "intermediate_size": 2**16}
    sizes |= {"vocab_size": 2**20, "num_hidden_layers": 256, "num_attention_heads": 16}
    change_config(tmp_path, **sizes)
    rejected(tmp_path, r"has 2 layers, .* 256; missing: .*; cls.* has shape .* and 39 more$")


# Heads that do not fit ----------------------------------------------------------------------


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
def test_checkpoint_without_a_head(family, task, missing, tmp_path):
    save_theirs(tmp_path, family, "feature-extraction")
    rejected(
        tmp_path,
        f"has no weights for {task}: {missing} missing; export it with --task "
        f"feature-extraction, or fine-tune it for {task} first$",
        task,
    )


def test_checkpoint_without_pooler(tmp_path):
    save_theirs(tmp_path, "bert", "token-classification")
    rejected(
        tmp_path,
        "has no weights for feature-extraction: pooler.dense.weight, pooler.dense.bias are "
        "missing; fine-tune it for feature-extraction first$",
        "feature-extraction",
    )


def test_incomplete_head(tmp_path):
    save_theirs(tmp_path)
    change_weights(tmp_path, lambda w: w.pop(BIAS))
    rejected(tmp_path, f"has no weights for fill-mask: {BIAS} is missing; export it with --task")


def test_classifier_of_another_task(tmp_path):
    """Its shape fits, so without the check the predictions would be noise."""
    save_theirs(tmp_path, "bert", "text-classification")
    rejected(
        tmp_path,
        "has a head for text-classification, according to its config.json, but none for "
        "token-classification; export it with --task text-classification, or fine-tune it",
        "token-classification",
    )
    change_config(tmp_path, architectures=None)
    assert logits(tmp_path, "token-classification").shape == (2, 12, 2)
