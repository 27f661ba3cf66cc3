"""`evaluate` as a user meets it: what it prints, and one line for whatever is wrong."""

import json
import shutil
from pathlib import Path
from typing import Any

import artifacts
import pytest
import tiny
from commands import Cli
from labelled import GLUE_FILES, squad, write

INTENTS = """text,label
wake me at half past six,set_alarm
set a timer for ten minutes,set_timer
will it rain in Lisbon tomorrow,check_weather
how long to the airport,get_directions
turn the lights off,smart_home
"add milk, eggs and bread to my list",shopping_list
call my sister,calculate
what is twelve times nine,calculate
"""


@pytest.fixture
def intents(tmp_path: Path) -> Path:
    return write(tmp_path, "intents.csv", INTENTS)


@pytest.fixture
def checkpoint(tmp_path: Path) -> Path:
    """Of two labels, low and high."""
    tiny.write_checkpoint(
        tmp_path / "two",
        task="text-classification",
        num_labels=2,
        id2label={0: "low", 1: "high"},
    )
    return tmp_path / "two"


def test_an_artifact_beside_its_checkpoint(cli: Cli, assistant: Path, intents: Path) -> None:
    code, out, err = cli("evaluate", assistant, intents, "--against", "demo", "--json")
    assert (code, err) == (0, "")
    found = json.loads(out)
    # Seven of eight: one is labelled as what it is not.
    assert found["metrics"] == found["against"]["metrics"]
    assert found["metrics"]["accuracy"] == 0.875
    assert (found["examples"], found["left_out"], found["truncated"]) == (8, 0, 0)
    assert (found["data"], found["format"], found["task"]) == (
        str(intents),
        "csv",
        "text-classification",
    )
    assert (found["model"], found["against"]["model"]) == (str(assistant), "demo")
    assert found["differences"]["accuracy"] == {"difference": 0, "low": 0, "high": 0}
    assert (found["agreement"], found["disagreements"]) == (1, [])


def test_what_a_terminal_shows(cli: Cli, assistant: Path, intents: Path) -> None:
    code, out, err = cli("evaluate", "demo", intents)
    assert (code, err) == (0, "")
    assert out.splitlines()[0] == "text-classification, 8 examples of csv"
    assert "accuracy   0.8750" in out
    code, out, err = cli("evaluate", assistant, intents, "--against", "demo")
    assert (code, err) == (0, "")
    assert "difference" in out and "95% interval" in out and "same answer in 100.00%" in out
    assert f"ours: {assistant}, theirs: demo" in out
    assert max(len(line) for line in out.splitlines() if "ours:" not in line) <= 80


def test_two_models_that_disagree(cli: Cli, checkpoint: Path, tmp_path: Path) -> None:
    tiny.write_checkpoint(  # the same weights: what one calls low, the other calls high
        tmp_path / "other",
        task="text-classification",
        num_labels=2,
        id2label={0: "high", 1: "low"},
    )
    data = write(tmp_path, "a.tsv", "text\tlabel\nthe cat sat\tlow\na [bold]dog\thigh\n")
    words = ("evaluate", checkpoint, data, "--against", tmp_path / "other")
    code, out, err = cli(*words)
    assert (code, err) == (0, "")
    assert "worst disagreements" in out and "a [bold]dog" in out
    found = json.loads(cli(*words, "--json")[1])
    assert found["agreement"] == 0
    assert {each["text"] for each in found["disagreements"]} == {"the cat sat", "a [bold]dog"}
    assert {each["right"] for each in found["disagreements"]} == {"low", "high"}
    difference = found["differences"]["accuracy"]
    assert difference["low"] <= difference["difference"] <= difference["high"]


def test_the_same_bytes_however_many_workers(cli: Cli, assistant: Path, intents: Path) -> None:
    words = ("evaluate", assistant, intents, "--against", "demo", "--json", "--workers")
    assert cli(*words, 1) == cli(*words, 3)


def test_columns_and_a_format_by_name(cli: Cli, tmp_path: Path) -> None:
    data = write(tmp_path, "data.txt", "what,intent\nwake me at six,set_alarm\n")
    options = ("--text-column", "what", "--label-column", "intent", "--data-format", "csv")
    code, out, _ = cli("evaluate", "demo", data, "--json", *options)
    assert code == 0 and json.loads(out)["metrics"]["accuracy"] == 1


CHOICES = '{"text": "the dog", "choices": ["sat on the mat.", "six."], "label": 0}\n'
ROOM = squad([{"question": "what sat?", "answers": ["the cat"]}], "the cat sat on the mat.")


@pytest.mark.parametrize(
    ("task", "changes", "text", "metrics"),
    [
        ("text-classification", {"num_labels": 3}, GLUE_FILES["mnli"][0], ["accuracy_matched"]),
        ("text-classification", {"num_labels": 1}, GLUE_FILES["sts-b"][0], ["pearson", "spearman"]),
        (
            "text-classification",
            {"num_labels": 1},
            "text,label\ncat,1\ndog,5\n",
            ["pearson", "spearman"],
        ),
        ("multiple-choice", {}, CHOICES, ["accuracy"]),
        ("question-answering", {}, ROOM, ["f1", "exact_match"]),
        (
            "token-classification",
            {"num_labels": 2, "id2label": {0: "O", 1: "B-PER"}},
            "cat B-PER\nsat O\n",
            ["f1", "precision", "recall", "accuracy"],
        ),
        ("fill-mask", {}, "the cat sat on the mat\n", ["loss", "perplexity", "accuracy"]),
    ],
)
def test_every_task(
    cli: Cli, tmp_path: Path, task: str, changes: dict[str, Any], text: str, metrics: list[str]
) -> None:
    tiny.write_checkpoint(tmp_path / "checkpoint", task=task, **changes)
    data = write(tmp_path, "data", text)
    code, out, err = cli("evaluate", tmp_path / "checkpoint", data, "--json")
    assert (code, err) == (0, "")
    assert list(json.loads(out)["metrics"]) == metrics
    code, out, err = cli("evaluate", tmp_path / "checkpoint", data)
    assert (code, err) == (0, "") and all(name in out for name in metrics)


def test_what_was_left_out_and_cut_is_said(cli: Cli, checkpoint: Path, tmp_path: Path) -> None:
    long = "cat " * 50
    text = f"sentence\tlabel\n{long}\t1\n \t0\n"
    data = write(tmp_path, "dev.tsv", text)
    _, out, _ = cli("evaluate", checkpoint, data)
    assert "1 examples of sst-2\nlines left out, without a label or cut off: 1\n" in out
    assert "texts longer than the model takes: 1\n" in out


def test_random_weights_are_said(cli: Cli, tmp_path: Path) -> None:
    (tmp_path / "random").mkdir()
    _, target = artifacts.write_artifact(tmp_path / "random", "text-classification")
    data = write(tmp_path, "a.csv", "text,label\na cat,O\n")
    code, _, err = cli("evaluate", target, data, "--json")
    assert code == 0
    assert err == f"note: the weights of {target} are random; its figures mean nothing\n"


# Something wrong ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("demo nosuch.csv", "'nosuch.csv' cannot be read: No such file or directory; give a file"),
        ("demo two", "'two' is a folder; give the file with the labelled examples"),
        ("nosuch a.csv", "nosuch"),
        ("two a.csv --data-format sqad", "unknown data format 'sqad'; did you mean 'squad'?"),
        (
            "two a.csv --text-column sentence",
            "'a.csv' has no column 'sentence'; its columns are 't",
        ),
        ("demo a.csv", "'demo': the data has the labels 'low', but the model has 'set_alarm, se"),
        ("two a.csv --against demo", "'demo': the data has the labels 'low', but the model has"),
        ("two a.csv --against vectors", "'vectors' has no weights for text-classification: "),
        ("vectors a.csv", "feature-extraction outputs vectors, which cannot be scored; compare"),
        ("mask a.txt --against other", "'mask' and 'other' have different vocabularies, so their"),
        ("mask a.txt --against short", "'mask' reads 40 tokens and 'short' 30, so their losses"),
        ("mask a.csv", "'a.csv' is csv data, which is for text-classification, but the model is"),
    ],
)
def test_one_line_says_what_is_wrong(
    cli: Cli,
    checkpoint: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    words: str,
    message: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    write(tmp_path, "a.csv", "text,label\na cat,low\n")
    write(tmp_path, "a.txt", "a cat sat\n")
    if "mask" in words:
        tiny.write_checkpoint(tmp_path / "mask", task="fill-mask")
    if "other" in words:
        shutil.copytree(tmp_path / "mask", tmp_path / "other")
        for name in ("vocab.txt", "tokenizer.json"):
            path = tmp_path / "other" / name
            path.write_text(path.read_text().replace("clock", "clack"))
    if "short" in words:
        shutil.copytree(tmp_path / "mask", tmp_path / "short")
        path = tmp_path / "short" / "tokenizer_config.json"
        path.write_text(json.dumps({**json.loads(path.read_text()), "model_max_length": 30}))
    if "vectors" in words:
        tiny.write_checkpoint(tmp_path / "vectors")
    before = sorted(tmp_path.rglob("*"))
    code, out, err = cli("evaluate", *words.split())
    assert (code, out) == (1, ""), err
    assert err.startswith("error: ") and err.count("\n") == 1, err
    assert message in err
    assert sorted(tmp_path.rglob("*")) == before


def test_workers_and_batches_are_counts(cli: Cli, intents: Path) -> None:
    for option in ("--workers", "--batch-size"):
        code, _, err = cli("evaluate", "demo", intents, option, "0")
        assert code == 2 and option in err
