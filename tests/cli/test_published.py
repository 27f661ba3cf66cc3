"""The published SqueezeBERT checkpoints, which do not name their head, on the command line."""

import csv
import json
from pathlib import Path

import numpy as np
import pytest
import torch
from checkpoint_files import change_config
from commands import Cli, without_steps
from published import PUBLISHED, write_published

from squeezebert_mobile.artifact import read_manifest
from squeezebert_mobile.errors import CheckpointError
from squeezebert_mobile.export import export_checkpoint
from squeezebert_mobile.models.checkpoint import open_checkpoint, shipped_texts
from squeezebert_mobile.runtime import load_artifact

#: Name -> the task of its head, and the weight that shows it.
TASKS = {
    "squeezebert-uncased": ("fill-mask", "cls.predictions.bias is"),
    "squeezebert-mnli": ("text-classification", "classifier.weight is"),
    "squeezebert-mnli-headless": ("feature-extraction", "no head is"),
    "squeezebert-squadv2": ("question-answering", "qa_outputs.weight is"),
}


@pytest.fixture(autouse=True)
def _in_a_new_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("texts.txt").write_text("\n".join(shipped_texts()[::8]), encoding="utf-8")


def _note(name: str) -> str:
    task, weight = TASKS[name]
    return (
        f"note: config.json has no architectures; the task is {task}, because {weight} in the "
        "weights\n"
    )


@pytest.mark.parametrize("name", PUBLISHED)
def test_export_as_transformers_computes(cli: Cli, name: str) -> None:
    theirs = write_published(Path(name), name)
    code, _, err = cli(
        *f"export {name} -o out --precision fp32 --texts texts.txt".split(),
    )
    assert (code, without_steps(err)) == (0, _note(name))
    manifest = read_manifest(Path("out"))
    assert manifest.task == TASKS[name][0]
    assert (manifest.source.license, manifest.model.vocab_size) == (None, 70)
    labels = ("LABEL_0", "LABEL_1", "LABEL_2")
    assert manifest.labels == (labels if name == "squeezebert-mnli" else None)
    ids = np.arange(20).reshape(2, 10)
    with torch.no_grad():
        expected = theirs(torch.from_numpy(ids))
    for output, array in load_artifact("out").session.run({"input_ids": ids}).items():
        assert np.abs(array - getattr(expected, output).numpy()).max() < 1e-4, output


@pytest.mark.parametrize("name", PUBLISHED)
def test_inspect(cli: Cli, name: str) -> None:
    write_published(Path(name), name)
    code, out, err = cli("inspect", name, "--json")
    assert (code, err) == (0, _note(name))
    facts = json.loads(out)
    assert facts["task"] == TASKS[name][0]
    assert facts["notes"] == [_note(name).removeprefix("note: ").strip()]


def test_evaluate_says_it_too(cli: Cli) -> None:
    write_published(Path("squeezebert-mnli"), "squeezebert-mnli")
    with Path("dev.csv").open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows([("text", "label"), ("a cat", "cat"), ("a dog", "dog")])
    _, _, err = cli("evaluate", "squeezebert-mnli", "dev.csv")
    note, error = err.splitlines(keepends=True)
    assert note == _note("squeezebert-mnli") and error.startswith("error: ")


def test_a_python_caller_sees_the_notes() -> None:
    write_published(Path("squeezebert-mnli"), "squeezebert-mnli")
    notes: list[str] = []
    texts = shipped_texts()[::8]
    export_checkpoint("squeezebert-mnli", "out", precision="fp32", texts=texts, note=notes.append)
    assert notes == list(open_checkpoint("squeezebert-mnli").notes)
    assert [f"note: {note}\n" for note in notes] == [_note("squeezebert-mnli")]


def test_the_task_that_is_given_needs_no_note(cli: Cli) -> None:
    write_published(Path("mnli"), "squeezebert-mnli")
    code, _, err = cli(
        *"export mnli -o out --task feature-extraction --precision fp32 --texts texts.txt".split()
    )
    assert (code, without_steps(err)) == (0, "")


def _change_weights(folder: str, **changes: torch.Tensor | None) -> None:
    path = Path(folder) / "pytorch_model.bin"
    weights = torch.load(path, weights_only=True)
    weights |= {name.replace("__", "."): tensor for name, tensor in changes.items()}
    torch.save({key: tensor for key, tensor in weights.items() if tensor is not None}, path)


def _task(folder: str) -> str:
    return open_checkpoint(folder).model.task


def test_a_classifier_of_one_output() -> None:
    write_published(Path("one"), "squeezebert-mnli", num_labels=1)
    assert _task("one") == "text-classification"  # a regression
    path = Path("one", "config.json")
    config = json.loads(path.read_text())
    path.write_text(json.dumps({key: v for key, v in config.items() if key != "num_labels"}))
    assert _task("one") == "multiple-choice"


def test_a_classifier_without_pooler() -> None:
    write_published(Path("tokens"), "squeezebert-mnli")
    gone = {"transformer__pooler__dense__weight": None, "transformer__pooler__dense__bias": None}
    _change_weights("tokens", **gone)
    assert _task("tokens") == "token-classification"


def test_a_classifier_whose_labels_are_tags(cli: Cli) -> None:
    write_published(Path("tags"), "squeezebert-mnli")
    change_config(Path("tags"), id2label={"0": "O", "1": "B-PER", "2": "I-PER"})
    code, _, err = cli(*"export tags -o out".split())
    assert code == 1 and err == (
        "error: 'tags' does not say what the model is for: config.json has no architectures, and "
        "its weights (classifier.weight) fit several tasks; give --task, text-classification or "
        "token-classification\n"
    )
    assert open_checkpoint("tags", task="token-classification").model.task == "token-classification"
    assert cli("inspect", "tags")[0] == 0


def test_two_heads() -> None:
    write_published(Path("two"), "squeezebert-uncased")
    _change_weights("two", qa_outputs__weight=torch.ones(2, 24), qa_outputs__bias=torch.ones(2))
    with pytest.raises(CheckpointError, match="give --task, fill-mask or question-answering$"):
        open_checkpoint("two")


def test_a_head_of_the_wrong_size(cli: Cli) -> None:
    write_published(Path("five"), "squeezebert-mnli")
    change_config(Path("five"), num_labels=5)
    for command in ("export five -o out", "inspect five"):
        code, _, err = cli(*command.split())
        assert code == 1 and "classifier.weight has shape [3, 24], not [5, 24]" in err


def test_a_class_that_is_named_but_unknown(cli: Cli) -> None:
    write_published(Path("other"), "squeezebert-mnli")
    change_config(Path("other"), architectures=["SqueezeBertForNextSentencePrediction"])
    code, _, err = cli(*"export other -o out".split())
    assert code == 1 and "architectures names SqueezeBertForNextSentencePrediction; give" in err
