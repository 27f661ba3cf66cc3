"""Exports of checkpoints with an untied decoder, without a pooler, or with weights to ignore."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tiny
import torch
import transformers
from checkpoint_files import Weights, change_weights
from every_format import paired

from squeezebert_mobile.artifact import Manifest, read_golden
from squeezebert_mobile.errors import ExportError
from squeezebert_mobile.export import export_checkpoint, initialize
from squeezebert_mobile.models.checkpoint import shipped_texts
from squeezebert_mobile.runtime import check_golden, load_artifact
from squeezebert_mobile.tasks import TASKS

TEXTS = shipped_texts()[::8]
TOLERANCE = {"fp32": 1e-4, "fp16": 1e-2, "int8": 0.3, "int4": 2.0}


def _export(folder: Path, notes: list[str], **options: Any) -> Manifest:
    return export_checkpoint(folder, folder / "out", texts=TEXTS, note=notes.append, **options)


def _feed(length: int = 12) -> dict[str, Any]:
    ids = np.arange(5, 5 + 2 * length).reshape(2, length)
    return {"input_ids": ids, "attention_mask": np.ones_like(ids), "token_type_ids": ids % 2}


def _theirs(model: Any) -> Any:
    with torch.no_grad():
        return model(**{name: torch.from_numpy(array) for name, array in _feed().items()})


def _other_decoder(weights: Weights) -> None:
    words = next(w for name, w in weights.items() if name.endswith("word_embeddings.weight"))
    weights["cls.predictions.decoder.weight"] = words.flip(0).contiguous()
    weights["cls.predictions.decoder.bias"] = weights["cls.predictions.bias"].flip(0).contiguous()


def _drop_pooler(weights: Weights) -> None:
    for name in [name for name in weights if "pooler" in name]:
        del weights[name]


@pytest.mark.parametrize(("format", "precision", "family"), paired(tiny.FAMILIES))
def test_the_decoder_in_the_file(format: str, precision: str, family: str, tmp_path: Path) -> None:
    theirs = tiny.write_checkpoint(tmp_path, family, "fill-mask")
    change_weights(tmp_path, _other_decoder)
    notes: list[str] = []
    manifest = _export(tmp_path, notes, format=format, precision=precision)
    assert len(notes) == 2 and "the decoder of the checkpoint" in notes[0]
    expected = _theirs(type(theirs).from_pretrained(tmp_path).eval()).logits.numpy()
    ours = load_artifact(tmp_path / "out").session.run(_feed())["logits"]
    assert np.abs(ours - expected).max() < TOLERANCE[precision]
    tied = initialize("fill-mask", tiny.tiny_config(family))
    parameters = sum(parameter.numel() for parameter in tied.parameters())
    assert manifest.model.parameters == parameters + 64 * 24  # the decoder's own


@pytest.mark.parametrize(("format", "precision", "family"), paired(tiny.FAMILIES))
def test_an_encoder_without_pooler(
    format: str, precision: str, family: str, tmp_path: Path
) -> None:
    theirs = tiny.write_checkpoint(tmp_path, family, "token-classification")
    change_weights(tmp_path, _drop_pooler)
    notes: list[str] = []
    options = {"task": "feature-extraction", "format": format, "precision": precision}
    manifest = _export(tmp_path, notes, **options)
    assert notes == ["the checkpoint has no pooler, so the model has no pooler_output"]
    assert [output.name for output in manifest.outputs] == ["last_hidden_state"]
    model = load_artifact(tmp_path / "out")
    ours = model.session.run(_feed())["last_hidden_state"]
    expected = _theirs(theirs.base_model).last_hidden_state.numpy()
    assert np.abs(ours - expected).max() < TOLERANCE[precision]
    checks = check_golden(model.session, model.spec, read_golden(tmp_path / "out"))
    assert [check.output for check in checks] == ["last_hidden_state"]
    assert all(check.holds for check in checks)
    assert np.linalg.norm(model("wake me").sentence) == pytest.approx(1)


@pytest.mark.parametrize("task", ["fill-mask", "question-answering", "feature-extraction"])
def test_the_folders_that_have_no_pooler(task: str, tmp_path: Path) -> None:
    """transformers' BERT saves none with these heads, nor with add_pooling_layer=False."""
    theirs = tiny.write_checkpoint(tmp_path, "bert", task)
    if task == "feature-extraction":
        transformers.BertModel(theirs.config, add_pooling_layer=False).save_pretrained(tmp_path)
    notes: list[str] = []
    manifest = _export(tmp_path, notes, task="feature-extraction", precision="fp32")
    assert notes and [output.name for output in manifest.outputs] == ["last_hidden_state"]


def test_a_loss_that_is_saved_with_the_model(tmp_path: Path) -> None:
    tiny.write_checkpoint(tmp_path, "bert", "text-classification")
    without = _export(tmp_path, [], precision="fp32").files["model.onnx"]
    change_weights(tmp_path, lambda w: w.update({"loss_fct.weight": torch.ones(2)}))
    notes: list[str] = []
    manifest = _export(tmp_path, notes, precision="fp32", force=True)
    assert manifest.files["model.onnx"] == without
    assert notes == [
        "loss_fct.weight is no weight of a bert for text-classification and is ignored, as in "
        "transformers"
    ]


# Models that read few tokens -----------------------------------------------------------------


@pytest.mark.parametrize(("format", "precision", "task"), paired(tuple(TASKS)))
def test_a_model_that_reads_eight_tokens(
    format: str, precision: str, task: str, tmp_path: Path
) -> None:
    changes = {"max_position_embeddings": 8, "num_hidden_layers": 1}
    tiny.write_checkpoint(tmp_path, "bert", task, **changes)
    manifest = _export(tmp_path, [], format=format, precision=precision)
    assert manifest.max_sequence_length == 8


@pytest.mark.parametrize("length", [1, 4, 7])
@pytest.mark.parametrize("limit", ["max_position_embeddings", "model_max_length"])
def test_a_model_that_reads_fewer(limit: str, length: int, tmp_path: Path) -> None:
    changes = {limit: length} if limit == "max_position_embeddings" else {}
    tiny.write_checkpoint(tmp_path, "bert", "fill-mask", **changes)
    if not changes:
        settings = tmp_path / "tokenizer_config.json"
        settings.write_text(f'{{"model_max_length": {length}}}', encoding="utf-8")
    message = (
        f"the longest input is {length} tokens .*; an export needs at least 8, for a pair of texts"
    )
    with pytest.raises(ExportError, match=message):
        _export(tmp_path, [], precision="fp32")
    assert not (tmp_path / "out").exists()
