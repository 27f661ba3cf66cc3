"""Which weights of a checkpoint are read, by name, and which are rejected."""

from pathlib import Path

import pytest
import tiny
import torch
import transformers
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

from squeezebert_mobile.models.families import FAMILIES, architecture_of, load_config
from squeezebert_mobile.models.heads import MODEL_CLASSES
from squeezebert_mobile.models.weight_files import read_weights

WORDS = "bert.embeddings.word_embeddings.weight"

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
        weights["cls.predictions.decoder.weight"] = weights[WORDS].clone()
        weights["cls.predictions.decoder.bias"] = weights[BIAS].clone()
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


# The decoder of fill-mask ---------------------------------------------------------------------

DECODER = "cls.predictions.decoder."


def _words(weights: Weights) -> str:
    return next(name for name in weights if name.endswith("word_embeddings.weight"))


def _other_weight(weights: Weights) -> None:
    weights[f"{DECODER}weight"] = weights[_words(weights)].flip(0).contiguous()


def _other_bias(weights: Weights) -> None:
    weights[f"{DECODER}bias"] = weights[BIAS].flip(0).contiguous()


def _other_decoder(weights: Weights) -> None:
    _other_weight(weights)
    _other_bias(weights)


def _other_bias_of_the_same_weight(weights: Weights) -> None:
    weights[f"{DECODER}weight"] = weights[_words(weights)].clone()
    _other_bias(weights)


def _half_precision(weights: Weights) -> None:
    weights[f"{DECODER}weight"] = weights[_words(weights)].half()


def _decoder_in_place_of_words(weights: Weights) -> None:
    weights[f"{DECODER}weight"] = weights.pop(_words(weights))


def _only_the_decoders_bias(weights: Weights) -> None:
    _other_weight(weights)
    weights[f"{DECODER}bias"] = weights.pop(BIAS)


#: Change of the weights -> whether the decoder is tied, and the notes.
DECODERS = {
    _other_weight: (False, ["the decoder of the checkpoint", "is used as cls.predictions.decoder"]),
    _other_bias: (True, ["cls.predictions.decoder.bias is used"]),
    _other_decoder: (False, ["the decoder of the checkpoint", "predictions.decoder.bias is used"]),
    _other_bias_of_the_same_weight: (True, ["cls.predictions.decoder.bias is used"]),
    _half_precision: (False, ["the decoder of the checkpoint", "is used as"]),
    _decoder_in_place_of_words: (True, []),
    _only_the_decoders_bias: (False, ["the decoder of the checkpoint"]),
}


@pytest.mark.parametrize("family", tiny.FAMILIES)
@pytest.mark.parametrize("change", DECODERS, ids=lambda change: change.__name__[1:])
def test_the_decoder_in_the_file_is_used_as_in_transformers(family, change, tmp_path):
    save_theirs(tmp_path, family)
    change_weights(tmp_path, change)
    _agrees_with_transformers(tmp_path, family)
    model = MODEL_CLASSES["fill-mask"].from_pretrained(tmp_path)
    tied, notes = DECODERS[change]
    assert model.config.tie_word_embeddings == tied
    assert len(model.notes) == len(notes)
    assert all(part in note for part, note in zip(notes, model.notes, strict=True))
    model.save_pretrained(tmp_path / "again")
    _agrees_with_transformers(tmp_path / "again", family)
    assert torch.equal(logits(tmp_path / "again"), logits(tmp_path))


@pytest.mark.parametrize("family", tiny.FAMILIES)
def test_a_decoder_that_is_untied_by_the_config(family, tmp_path):
    save_theirs(tmp_path, family)
    change_config(tmp_path, tie_word_embeddings=False)
    rejected(
        tmp_path, "missing: cls.predictions.decoder.weight; |are missing; export it with|is mi"
    )
    change_weights(tmp_path, _other_decoder)
    _agrees_with_transformers(tmp_path, family)
    # transformers 4 saves the bias under one name.
    change_weights(tmp_path, lambda w: w.update({BIAS: w.pop(f"{DECODER}bias")}))
    model = MODEL_CLASSES["fill-mask"].from_pretrained(tmp_path)
    assert model.notes == (f"{BIAS} is used as {DECODER}bias, which is missing",)
    change_weights(tmp_path, lambda w: w.pop(BIAS))
    rejected(tmp_path, f"{DECODER}bias is missing")


def test_the_decoder_does_not_matter_to_other_heads(tmp_path):
    save_theirs(tmp_path, "bert", "question-answering")

    def add(weights: Weights) -> None:
        weights |= {f"{DECODER}weight": torch.ones(64, 24), f"{DECODER}bias": torch.ones(64)}

    change_weights(tmp_path, add)
    model = MODEL_CLASSES["question-answering"].from_pretrained(tmp_path)
    assert model.notes == () and model.config.tie_word_embeddings


def test_a_decoder_of_another_vocabulary(tmp_path):
    save_theirs(tmp_path)
    change_weights(tmp_path, lambda w: w.update({f"{DECODER}weight": torch.ones(60, 24)}))
    rejected(tmp_path, r"cls.predictions.decoder.weight has shape \[60, 24\], not \[64, 24\]$")


def _agrees_with_transformers(folder: Path, family: str, task: str = "fill-mask") -> None:
    config = load_config(folder)
    theirs = getattr(transformers, architecture_of(config, task)).from_pretrained(folder).eval()
    with torch.no_grad():
        expected = theirs(torch.arange(24).reshape(2, 12)).logits
    torch.testing.assert_close(logits(folder, task), expected, rtol=0, atol=1e-5)


# Weights that are ignored -------------------------------------------------------------------


@pytest.mark.parametrize("family", tiny.FAMILIES)
@pytest.mark.parametrize(
    "names",
    [
        ["loss_fct.weight"],
        ["class_weights"],
        ["dropout.p", "teacher.encoder.weight"],
        ["{prefix}encoder.gate", "{prefix}embeddings.scale", "a", "b"],
    ],
)
def test_weights_that_the_model_does_not_have(family, names, tmp_path):
    save_theirs(tmp_path, family, "text-classification")
    prefix = FAMILIES[family].weight_prefix
    extra = {name.format(prefix=prefix): torch.ones(2) for name in names}
    change_weights(tmp_path, lambda w: w.update(extra))
    _agrees_with_transformers(tmp_path, family, "text-classification")
    (note,) = MODEL_CLASSES["text-classification"].from_pretrained(tmp_path).notes
    assert all(name in note for name in sorted(extra)[:3]) and "ignored, as in transf" in note
    assert ("and 1 more" in note) == (len(names) > 3)


# Weights that do not fit --------------------------------------------------------------------


def test_unknown_weight_beside_a_missing_one(tmp_path):
    save_theirs(tmp_path)
    change_weights(tmp_path, lambda w: w.update({"transformer.encoder.gate": w.pop(KEY)}))
    rejected(tmp_path, f"missing: {KEY}; unknown: transformer.encoder.gate$")


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


@pytest.mark.parametrize("task", ["fill-mask", "token-classification", "question-answering"])
def test_checkpoint_without_pooler(task, tmp_path):
    theirs = save_theirs(tmp_path, "bert", task)
    model = MODEL_CLASSES["feature-extraction"].from_pretrained(tmp_path)
    assert model.notes == ("the checkpoint has no pooler, so the model has no pooler_output",)
    assert list(model.outputs) == ["last_hidden_state"]
    ids = torch.arange(24).reshape(2, 12)
    with torch.no_grad():
        ours, expected = model(ids), theirs.bert(ids).last_hidden_state
    assert ours.pooler_output is None
    torch.testing.assert_close(ours.last_hidden_state, expected, rtol=0, atol=1e-5)


@pytest.mark.parametrize("lost", ["weight", "bias"])
@pytest.mark.parametrize("family", tiny.FAMILIES)
def test_half_a_pooler(family, lost, tmp_path):
    save_theirs(tmp_path, family, "feature-extraction")
    change_weights(tmp_path, lambda w: w.pop(f"pooler.dense.{lost}"))
    message = f"has no weights for feature-extraction: pooler.dense.{lost} is missing; copy the"
    rejected(tmp_path, message, "feature-extraction")


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
