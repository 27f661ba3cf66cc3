"""Labels that look like numbers, in evaluate and finetune: the model's classes, or values."""

import csv
import json
from pathlib import Path
from typing import Any

import pytest
import tiny
import transformers
from commands import Cli
from labelled import write

from squeezebert_mobile.models.config import SqueezeBertConfig

TEXTS = ("the cat sat", "a dog", "is it cold", "wake me at six", "play a song", "stop the clock")
#: Labels of a model that look like numbers.
NUMBER_LIKE = [
    ("-1", "0", "1"),
    ("1", "0", "-1"),
    ("0.0", "1.0"),
    ("01", "02", "03"),
    ("1000001", "1000002", "1000003"),
    ("1_0", "1_1"),
    ("1e5", "1e6"),
    ("0.5", "1.5", "2.5"),
    ("3", "2", "1"),
]


def _table(folder: Path, name: str, labels: list[str]) -> Path:
    path = folder / name
    with path.open("w", encoding="utf-8", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(("text", "label"))
        rows.writerows(zip(TEXTS, labels, strict=False))
    return path


def _labels(names: tuple[str, ...]) -> dict[str, Any]:
    ids = {name: index for index, name in enumerate(names)}
    return {"num_labels": len(names), "id2label": dict(enumerate(names)), "label2id": ids}


@pytest.mark.parametrize("names", NUMBER_LIKE)
def test_the_models_labels_are_classes(cli: Cli, tmp_path: Path, names: tuple[str, ...]) -> None:
    """The accuracy is that of transformers' answers, by the names in its config."""
    tiny.write_checkpoint(tmp_path / "model", task="text-classification", **_labels(names))
    theirs = transformers.pipeline("text-classification", str(tmp_path / "model"))
    answers = [answer["label"] for answer in theirs(list(TEXTS))]
    golds = [names[index % len(names)] for index in range(len(TEXTS))]
    data = _table(tmp_path, "dev.csv", golds)
    for options in ((), ("--labels-are", "classes")):
        code, out, err = cli("evaluate", tmp_path / "model", data, "--json", *options)
        assert code == 0, err
        right = sum(map(str.__eq__, answers, golds))
        assert json.loads(out)["metrics"]["accuracy"] == pytest.approx(right / len(TEXTS))


@pytest.mark.parametrize("names", NUMBER_LIKE)
def test_finetune_keeps_the_checkpoints_classes(
    cli: Cli, tmp_path: Path, names: tuple[str, ...]
) -> None:
    tiny.write_checkpoint(tmp_path / "start", task="text-classification", **_labels(names))
    data = _table(tmp_path, "train.csv", [*names, *names][: len(TEXTS)])
    words = ("--dev", data, "-o", tmp_path / "out", "--task", "text-classification")
    code, _, err = cli("finetune", tmp_path / "start", data, "--epochs", 1, *words)
    assert code == 0, err
    config = SqueezeBertConfig.from_pretrained(tmp_path / "out")
    assert tuple(config.id2label.values()) == names
    assert "note:" not in err


REGRESSION = (
    "note: start has no head that fits the data; a new one is initialized (seed 0), which outputs "
    "a number (regression), because labels have fractions; for classes add --labels-are classes\n"
)
NEW_HEAD = "note: start has no head that fits the data; a new one is initialized (seed 0)\n"


@pytest.mark.parametrize(
    ("labels", "options", "note", "trained"),
    [
        (["-1", "0", "1"], [], NEW_HEAD, ["-1", "0", "1"]),
        (["0.0", "1.0"], [], NEW_HEAD, ["0.0", "1.0"]),
        (["01", "02"], [], NEW_HEAD, ["01", "02"]),
        (["1e5", "1_0"], [], NEW_HEAD, ["1_0", "1e5"]),
        (["0.5", "1", "2"], [], REGRESSION, None),
        (["0.5", "1", "2"], ["--labels-are", "numbers"], NEW_HEAD, None),
        (["0.5", "1", "2"], ["--labels-are", "classes"], NEW_HEAD, ["0.5", "1", "2"]),
        (["1", "2", "3"], ["--labels-are", "numbers"], NEW_HEAD, None),
    ],
)
def test_finetune_with_a_new_head(
    cli: Cli,
    tmp_path: Path,
    labels: list[str],
    options: list[str],
    note: str,
    trained: list[str] | None,
) -> None:
    tiny.write_checkpoint(tmp_path / "start")
    data = _table(tmp_path, "train.csv", labels * 2)
    words = ("--dev", data, "-o", tmp_path / "out", "--task", "text-classification", *options)
    code, _, err = cli("finetune", tmp_path / "start", data, "--epochs", 1, *words)
    assert code == 0 and err.startswith(note), err
    config = SqueezeBertConfig.from_pretrained(tmp_path / "out")
    if trained is None:
        assert (config.problem_type, config.num_labels) == ("regression", 1)
    else:
        assert list(config.id2label.values()) == trained


def test_a_table_with_another_delimiter(cli: Cli, tmp_path: Path) -> None:
    tiny.write_checkpoint(tmp_path / "m", task="text-classification", **_labels(("low", "high")))
    data = write(tmp_path, "a.csv", "text|label\nthe cat|low\na dog|high\n")
    code, _, err = cli("evaluate", tmp_path / "m", data)
    assert code == 1 and "give --delimiter" in err
    assert cli("evaluate", tmp_path / "m", data, "--delimiter", "|")[0] == 0
    words = ("-o", tmp_path / "out", "--task", "text-classification", "--epochs", 1)
    code, _, err = cli("finetune", tmp_path / "m", data, *words, "--delimiter", "|")
    assert code == 0, err
    code, _, err = cli("evaluate", tmp_path / "m", data, "--delimiter", "||")
    assert (code, err.count("\n")) == (1, 1) and "--delimiter '||' cannot separate cells" in err
