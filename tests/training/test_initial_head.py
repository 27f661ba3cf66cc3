"""The head that fine-tuning starts from: the checkpoint's own, or a new one."""

from pathlib import Path
from typing import Any

import pytest
import tiny
import torch
from labelled import write
from safetensors.torch import save_file
from small_training import tune, weights

from squeezebert_mobile.errors import CheckpointError
from squeezebert_mobile.models.config import SqueezeBertConfig


def test_a_head_with_the_labels_is_kept(tmp_path: Path, table: Path) -> None:
    labels = {0: "weather", 1: "music", 2: "alarm"}
    ids = {name: index for index, name in labels.items()}
    theirs = tiny.write_checkpoint(
        tmp_path / "start", task="text-classification", id2label=labels, label2id=ids, num_labels=3
    )
    notes = list[str]()
    tune(tmp_path / "start", table, tmp_path / "out", learning_rate=1e-12, note=notes.append)
    config = SqueezeBertConfig.from_pretrained(tmp_path / "out")
    assert config.id2label == labels and not notes
    torch.testing.assert_close(
        weights(tmp_path / "out")["classifier.weight"], theirs.classifier.weight
    )


@pytest.mark.parametrize(
    ("changes", "data"),
    [
        ({"num_labels": 3}, '{"text": "wake me", "label": 0}\n{"text": "is it", "label": 1}\n'),
        (
            {"num_labels": 2, "problem_type": "multi_label_classification"},
            '{"text": "wake me", "label": "LABEL_0"}\n{"text": "is it", "label": "LABEL_1"}\n',
        ),
        (
            {"num_labels": 2, "problem_type": "regression"},
            '{"text": "wake me", "label": 0.5}\n{"text": "is it", "label": 1}\n',
        ),
    ],
)
def test_a_head_for_something_else_is_not_kept(
    changes: dict[str, Any], data: str, tmp_path: Path
) -> None:
    tiny.write_checkpoint(tmp_path / "start", task="text-classification", **changes)
    notes = list[str]()
    tune(
        tmp_path / "start",
        write(tmp_path, "data.jsonl", data),
        tmp_path / "out",
        note=notes.append,
    )
    assert len(notes) == 1


def test_a_regression_head_is_kept(tmp_path: Path) -> None:
    tiny.write_checkpoint(tmp_path / "start", task="text-classification", num_labels=1)
    data = write(tmp_path, "data.jsonl", '{"text": "wake me", "label": 0.5}\n')
    whole = write(tmp_path, "dev.jsonl", '{"text": "a", "label": 1}\n{"text": "b", "label": 2}\n')
    notes = list[str]()
    tune(tmp_path / "start", data, tmp_path / "out", dev=whole, note=notes.append)
    assert not notes


def test_a_head_with_other_labels_is_replaced(tmp_path: Path, table: Path) -> None:
    theirs = tiny.write_checkpoint(tmp_path / "start", task="text-classification", num_labels=2)
    notes = list[str]()
    options = {"learning_rate": 1e-12, "note": notes.append}
    tune(tmp_path / "start", table, tmp_path / "out", **options)
    ours = weights(tmp_path / "out")
    assert SqueezeBertConfig.from_pretrained(tmp_path / "out").id2label == {
        0: "alarm",
        1: "weather",
    }
    assert len(notes) == 1
    name = "transformer.encoder.layers.1.output.conv1d.weight"
    torch.testing.assert_close(ours[name], theirs.state_dict()[name])
    assert not torch.allclose(ours["classifier.weight"], theirs.classifier.weight)
    tune(tmp_path / "start", table, tmp_path / "other", seed=1, **options)
    assert not torch.allclose(
        ours["classifier.weight"], weights(tmp_path / "other")["classifier.weight"]
    )


def test_a_damaged_encoder_is_not_taken_for_a_missing_head(
    headless: Path, tmp_path: Path, table: Path
) -> None:
    tiny.write_checkpoint(tmp_path / "start")
    left = weights(tmp_path / "start")
    del left["encoder.layers.0.attention.key.weight"]
    save_file(left, tmp_path / "start" / "model.safetensors")
    with pytest.raises(CheckpointError, match="missing: .*layers.0.attention.key.weight"):
        tune(tmp_path / "start", table, tmp_path / "out")


def test_the_labels_of_glue_have_the_published_order(headless: Path, tmp_path: Path) -> None:
    text = "index\tsentence1\tsentence2\tlabel\n0\twake me\tis it cold\tnot_entailment\n"
    data = write(tmp_path, "rte.tsv", text + "1\twake me\tat six\tentailment\n")
    tune(headless, data, tmp_path / "out")
    labels = SqueezeBertConfig.from_pretrained(tmp_path / "out").id2label
    assert labels == {0: "entailment", 1: "not_entailment"}
