"""The names of labels that a checkpoint's config does not have."""

from pathlib import Path
from typing import Any

import pytest
import tiny
from commands import Cli

from squeezebert_mobile.artifact import read_manifest
from squeezebert_mobile.errors import ExportError
from squeezebert_mobile.export import export_checkpoint
from squeezebert_mobile.models.checkpoint import shipped_texts
from squeezebert_mobile.runtime import load_artifact
from squeezebert_mobile.tasks import TASKS

TEXTS = shipped_texts()[::25]
NAMES = ["entailment", "neutral", "contradiction"]


def checkpoint(folder: Path, task: str = "text-classification", **changes: Any) -> Path:
    if TASKS[task].has_labels:
        changes = {"num_labels": 3, **changes}
    tiny.write_checkpoint(folder, task=task, **changes)
    return folder


@pytest.mark.parametrize("task", ["text-classification", "token-classification"])
def test_labels_are_named(task: str, tmp_path: Path) -> None:
    options: Any = {"precision": "fp32", "texts": TEXTS}
    source = checkpoint(tmp_path / "checkpoint", task)
    plain = export_checkpoint(source, tmp_path / "plain", **options)
    named = export_checkpoint(source, tmp_path / "named", labels=NAMES, **options)
    assert named == plain.model_copy(update={"labels": tuple(NAMES)})
    if task == "text-classification":
        model: Any = load_artifact(tmp_path / "named")
        unnamed: Any = load_artifact(tmp_path / "plain")
        assert model("play a song").score == unnamed("play a song").score
        want = unnamed.zero_shot("play a song", ["music", "time"], entailment_label="LABEL_0")
        assert model.zero_shot("play a song", ["music", "time"]) == want


def test_labels_on_the_command_line(cli: Cli, tmp_path: Path) -> None:
    source = checkpoint(tmp_path / "checkpoint")
    flags = ["--precision", "fp32", "--labels", "entailment, neutral,contradiction"]
    assert cli("export", source, "-o", tmp_path / "out", *flags)[0] == 0
    assert read_manifest(tmp_path / "out").labels == tuple(NAMES)


def test_partly_named_and_equal_labels(tmp_path: Path) -> None:
    """Names replace those of a config that leaves one out; equal names are no contradiction."""
    for number, known in enumerate((["yes", "LABEL_1", "no"], NAMES)):
        source = checkpoint(tmp_path / f"{number}", id2label=dict(enumerate(known)))
        target = tmp_path / f"out{number}"
        made = export_checkpoint(source, target, labels=NAMES, precision="fp32", texts=TEXTS)
        assert made.labels == tuple(NAMES)


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        ([], r"labels=\[\] must be a list with a name for each label"),
        ("yes,no", "labels='yes,no' must be a list"),
        (["a", " ", "b"], "must be a list with a name for each label"),
        (["a", 1, "b"], "must be a list with a name for each label"),
        (["a", "b", "a"], "'a' is given twice"),
        (["a", "b"], r"--labels has 2 names \(a, b\), but the model has 3 labels"),
        (["a", "b", "c", "d"], "--labels has 4 names"),
    ],
)
def test_bad_labels(labels: Any, message: str, tmp_path: Path) -> None:
    source = checkpoint(tmp_path / "checkpoint")
    with pytest.raises(ExportError, match=message):
        export_checkpoint(source, tmp_path / "out", labels=labels, texts=TEXTS)
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("task", "changes", "message"),
    [
        ("fill-mask", {}, "--labels does not apply to fill-mask, whose outputs are not labels"),
        ("question-answering", {}, "--labels does not apply to question-answering"),
        ("multiple-choice", {}, "--labels does not apply to multiple-choice"),
        ("feature-extraction", {}, "--labels does not apply to feature-extraction"),
        (
            "text-classification",
            {"id2label": dict(enumerate(("no", "maybe", "yes")))},
            r"config.json names the labels already \(no, maybe, yes\)",
        ),
    ],
)
def test_labels_that_do_not_apply(
    task: str, changes: dict[str, Any], message: str, tmp_path: Path
) -> None:
    source = checkpoint(tmp_path / "checkpoint", task, **changes)
    with pytest.raises(ExportError, match=message):
        export_checkpoint(source, tmp_path / "out", labels=NAMES, texts=TEXTS)
