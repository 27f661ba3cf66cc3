"""The command `evaluate`: what it prints, and its one-line errors."""

import json
import shutil
from pathlib import Path
from typing import Any

import artifacts
import pytest
import tiny
from commands import Cli, without_steps
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
    """A text classifier with the labels low and high."""
    tiny.write_checkpoint(
        tmp_path / "two",
        task="text-classification",
        num_labels=2,
        id2label={0: "low", 1: "high"},
    )
    return tmp_path / "two"


@pytest.fixture
def relabelled(tmp_path: Path) -> Path:
    """The same weights, with the two labels swapped."""
    tiny.write_checkpoint(
        tmp_path / "other",
        task="text-classification",
        num_labels=2,
        id2label={0: "high", 1: "low"},
    )
    return tmp_path / "other"


def test_an_artifact_against_its_checkpoint(cli: Cli, assistant: Path, intents: Path) -> None:
    code, out, err = cli("evaluate", assistant, intents, "--against", "demo", "--json")
    assert (code, without_steps(err)) == (0, "")
    result = json.loads(out)
    # Seven of eight: the label of one example is wrong on purpose.
    assert result["metrics"] == result["against"]["metrics"]
    assert result["metrics"]["accuracy"] == 0.875
    assert (result["examples"], result["left_out"], result["truncated"]) == (8, 0, 0)
    assert (result["data"], result["format"], result["task"]) == (
        str(intents),
        "csv",
        "text-classification",
    )
    assert (result["model"], result["against"]["model"]) == (str(assistant), "demo")
    # No answer differs; of eight examples three could (the rule of three).
    assert result["differences"]["accuracy"] == {"difference": 0, "low": -3 / 8, "high": 3 / 8}
    assert (result["agreement"], result["answers"], result["disagreements"]) == (1, 8, [])


def test_evaluate_prints_metrics_and_differences(cli: Cli, assistant: Path, intents: Path) -> None:
    code, out, err = cli("evaluate", "demo", intents)
    assert (code, without_steps(err)) == (0, "")
    assert out.splitlines()[0] == "text-classification, 8 examples (csv)"
    assert "accuracy   0.8750" in out
    code, out, err = cli("evaluate", assistant, intents, "--against", "demo")
    assert (code, without_steps(err)) == (0, "")
    assert (
        "difference" in out and "95% interval" in out and "same answer in all 8 examples\n" in out
    )
    assert "with 95% confidence, at most 37.5% of such examples have another answer\n" in out
    assert "+0.0000   -0.3750 to +0.3750" in out
    assert f"ours: {assistant}, theirs: demo" in out
    assert max(len(line) for line in out.splitlines() if "ours:" not in line) <= 80


def test_two_models_that_disagree(
    cli: Cli, checkpoint: Path, relabelled: Path, tmp_path: Path
) -> None:
    data = write(tmp_path, "a.tsv", "text\tlabel\nthe cat sat\tlow\na [bold]dog\thigh\n")
    words = ("evaluate", checkpoint, data, "--against", relabelled)
    code, out, err = cli(*words)
    assert (code, without_steps(err)) == (0, "")
    assert "worst disagreements" in out and "a [bold]dog" in out
    assert "same answer in 0 of 2 examples (0.00%)\n" in out and "confidence" not in out
    result = json.loads(cli(*words, "--json")[1])
    assert result["agreement"] == 0
    assert {row["text"] for row in result["disagreements"]} == {"the cat sat", "a [bold]dog"}
    assert {row["right"] for row in result["disagreements"]} == {"low", "high"}
    difference = result["differences"]["accuracy"]
    assert difference["low"] <= difference["difference"] <= difference["high"]


def test_several_models_are_rows_of_one_table(
    cli: Cli, assistant: Path, checkpoint: Path, relabelled: Path, tmp_path: Path
) -> None:
    artifact = tmp_path / "artifact"
    assert cli("export", checkpoint, "-o", artifact, "--precision", "fp32")[0] == 0
    data = write(tmp_path, "a.tsv", "text\tlabel\nthe cat sat\tlow\na dog\thigh\n")
    words = ("evaluate", checkpoint, data, "--against", artifact, "--against", relabelled)
    code, out, err = cli(*words)
    assert (code, without_steps(err)) == (0, "")
    lines = [line.split() for line in out.splitlines()]
    assert any(line[:4] == ["model", "MB", "accuracy", "difference"] for line in lines), out
    assert [line[-1] for line in lines if line and line[-1].endswith("%")] == ["100%", "0.00%"]
    assert f"difference, interval and same answers: compared with {checkpoint}\n" in out
    assert "worst disagreements" not in out
    result = json.loads(cli(*words, "--json")[1])
    same, swapped = result["against"]
    assert (same["model"], swapped["model"]) == (str(artifact), str(relabelled))
    assert (same["agreement"], swapped["agreement"]) == (1, 0)
    theirs, ours = swapped["metrics"]["accuracy"], result["metrics"]["accuracy"]
    assert theirs + ours == 1
    assert swapped["differences"]["accuracy"]["difference"] == theirs - ours
    # The same figures as a comparison of two.
    alone = json.loads(cli(*words[:3], "--against", relabelled, "--json")[1])
    assert alone["against"]["metrics"] == swapped["metrics"]
    assert alone["differences"]["accuracy"]["difference"] == ours - theirs


def test_the_main_metric_of_a_table_may_be_lower_the_better(cli: Cli, tmp_path: Path) -> None:
    mask = tmp_path / "mask"
    tiny.write_checkpoint(mask, task="fill-mask")
    data = write(tmp_path, "a.txt", "the cat sat on the mat\n")
    code, out, err = cli("evaluate", mask, data, "--against", mask, "--against", mask)
    assert (code, without_steps(err)) == (0, "")
    words = " ".join(out.split())
    assert "loss (lower" in words and words.count("+0.0000") == 2, out


def test_the_output_does_not_depend_on_the_number_of_workers(
    cli: Cli, assistant: Path, intents: Path
) -> None:
    words = ("evaluate", assistant, intents, "--against", "demo", "--json", "--workers")
    assert cli(*words, 1)[:2] == cli(*words, 3)[:2]


def test_named_columns_and_data_format(cli: Cli, tmp_path: Path) -> None:
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
    assert (code, without_steps(err)) == (0, "")
    assert list(json.loads(out)["metrics"]) == metrics
    code, out, err = cli("evaluate", tmp_path / "checkpoint", data)
    assert (code, without_steps(err)) == (0, "") and all(name in out for name in metrics)


def test_skipped_and_truncated_examples_are_counted(
    cli: Cli, checkpoint: Path, tmp_path: Path
) -> None:
    long = "cat " * 50
    text = f"sentence\tlabel\n{long}\t1\n \t0\n"
    data = write(tmp_path, "dev.tsv", text)
    _, out, _ = cli("evaluate", checkpoint, data)
    assert ", 1 example (sst-2)\nlines skipped (cut off, or without a label): 1\n" in out
    assert "texts truncated to the longest input: 1\n" in out


def test_random_weights_are_noted(cli: Cli, tmp_path: Path) -> None:
    (tmp_path / "random").mkdir()
    _, target = artifacts.write_artifact(tmp_path / "random", "text-classification")
    data = write(tmp_path, "a.csv", "text,label\na cat,O\n")
    code, _, err = cli("evaluate", target, data, "--json")
    assert code == 0
    assert (
        without_steps(err)
        == f"note: the weights of {target} are random; its metrics are meaningless\n"
    )


# Errors -------------------------------------------------------------------------------------


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
        ("demo a.csv", "'a.csv' has the label 'low' at line 2, but 'demo' has 'set_alarm, set_"),
        ("two a.csv --against demo", "'a.csv' has the label 'low' at line 2, but 'demo' has 'set"),
        ("two a.csv --against vectors", "'vectors' has no weights for text-classification: "),
        ("vectors a.csv", "feature-extraction outputs vectors, which cannot be scored; compare"),
        ("mask a.txt --against mask --against short", "'mask' reads 40 tokens and 'short' 30, so"),
        ("mask a.txt --against short --against mask", "'mask' reads 40 tokens and 'short' 30, so"),
        ("mask a.txt --against other", "'mask' and 'other' have different vocabularies, so their"),
        ("mask a.txt --against short", "'mask' reads 40 tokens and 'short' 30, so their losses"),
        (
            "mask a.csv --data-format squad",
            "error: --data-format squad is for question-answering, but the model is for fill-mask; "
            "leave it out, or give one of: lines\n",
        ),
        ("mask a.csv", "'a.csv' is csv data, which is for text-classification, but the model is"),
    ],
)
def test_an_error_is_one_line(
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


def test_workers_and_batch_size_must_be_positive(cli: Cli, intents: Path) -> None:
    for option in ("--workers", "--batch-size"):
        code, _, err = cli("evaluate", "demo", intents, option, "0")
        assert code == 2 and option in err


@pytest.mark.parametrize(
    ("labels", "remedy"),
    [
        (("yes", "no"), "set id2label in the checkpoint's config.json and export the checkpoint a"),
        (("LABEL_0", "LABEL_1"), "or export the checkpoint again with --labels\n"),
    ],
)
def test_labels_that_an_artifact_lacks(
    cli: Cli, tmp_path: Path, labels: tuple[str, ...], remedy: str
) -> None:
    _, target = artifacts.write_artifact(tmp_path, "text-classification")
    artifacts.rewrite_manifest(target, labels=labels)
    code, out, err = cli("evaluate", target, write(tmp_path, "a.csv", "text,label\na cat,low\n"))
    assert (code, out) == (1, "") and remedy in err and "model's config.json" not in err
