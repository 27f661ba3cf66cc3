"""The names of labels that a checkpoint's config does not have."""

from pathlib import Path
from typing import Any

import pytest
import tiny
from checkpoint_files import change_config
from commands import Cli, without_steps

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


UNNAMED = [
    {"num_labels": 3, "id2label": {"0": "a"}},
    {"num_labels": 3, "id2label": {"1": "a", "2": "b"}},
    {"num_labels": 3, "id2label": {str(i): f"name {i}" for i in range(5)}},
    {"num_labels": 3, "id2label": {"1": "a", "2": "b", "3": "c"}},
]


@pytest.mark.parametrize(
    "task",
    ["text-classification", pytest.param("token-classification", marks=pytest.mark.slow)],
)
@pytest.mark.parametrize("changes", UNNAMED)
def test_labels_that_are_given_need_no_note_on_those_of_the_config(
    changes: dict[str, Any], task: str, cli: Cli, tmp_path: Path
) -> None:
    source = checkpoint(tmp_path / "checkpoint", task)
    change_config(source, **changes)
    texts = tmp_path / "texts.txt"
    texts.write_text("\n".join(TEXTS), encoding="utf-8")
    flags = ["--precision", "fp32", "--texts", texts]
    code, _, err = cli("export", source, "-o", tmp_path / "plain", *flags)
    assert code == 0 and without_steps(err).count("\n") == 1 and "LABEL_" in err
    flags += ["--labels", ",".join(NAMES)]
    code, _, err = cli("export", source, "-o", tmp_path / "named", *flags)
    assert (code, without_steps(err)) == (0, "")
    assert read_manifest(tmp_path / "named").labels == tuple(NAMES)
    for name, notes in (("plain", 1), ("named", 0)):
        verify = ["verify", tmp_path / name, "--against", source, "--texts", texts]
        code, _, err = cli(*verify)
        assert (code, without_steps(err).count("\n")) == (0, notes)


def test_the_other_notes_remain(cli: Cli, tmp_path: Path) -> None:
    source = checkpoint(tmp_path / "checkpoint")
    change_config(source, architectures=None, **UNNAMED[0])
    flags = ["--precision", "fp32", "--labels", ",".join(NAMES)]
    code, _, err = cli("export", source, "-o", tmp_path / "out", *flags)
    assert code == 0
    assert without_steps(err).startswith("note: config.json has no architectures; the task is text")
    assert without_steps(err).count("\n") == 1 and "LABEL_" not in err
