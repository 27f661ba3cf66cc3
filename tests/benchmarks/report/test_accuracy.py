"""Latency against accuracy."""

import json
from pathlib import Path
from typing import Any

import pytest
from commands import Cli
from phone_results import phone_results


@pytest.fixture
def results(tmp_path: Path) -> Path:
    path = tmp_path / "r.json"
    phone_results().write(path)
    return path


def _evaluation(path: Path, model: str, accuracy: float, **changes: Any) -> Path:
    content = {"data": "dev.tsv", "model": model, "metrics": {"accuracy": accuracy, "f1": 0.1}}
    content |= {"truncated": 0, "examples": 872, "task": "text-classification"} | changes
    path.write_text(json.dumps(content))
    return path


@pytest.mark.parametrize("suffix", ["html", "md"])
def test_latency_against_accuracy(cli: Cli, results: Path, tmp_path: Path, suffix: str) -> None:
    files = [
        _evaluation(tmp_path / "a.json", "out/SqueezeBERT int8", 0.901),
        _evaluation(tmp_path / "b.json", "SqueezeBERT fp32", 0.912),
        _evaluation(tmp_path / "c.json", "elsewhere", 0.5),
    ]
    report = tmp_path / f"report.{suffix}"
    code, _, err = cli("report", results, *files, "-o", report)
    assert code == 0, err
    text = report.read_text(encoding="utf-8")
    assert "Latency and accuracy" in text and "90.1 %" in text and "91.2 %" in text
    assert "not measured under that name: elsewhere" in text
    assert ("median latency, ms" in text) == (suffix == "html")


def test_a_loss_is_no_percentage(cli: Cli, results: Path, tmp_path: Path) -> None:
    metrics = {"loss": 1.5, "perplexity": 4.5, "accuracy": 0.631}
    file = _evaluation(tmp_path / "a.json", "SqueezeBERT int8", 0, metrics=metrics)
    report = tmp_path / "report.md"
    assert cli("report", results, file, "-o", report)[0] == 0
    text = report.read_text(encoding="utf-8")
    assert "63.1 %" in text and "150" not in text.partition("Latency and accuracy")[2][:600]


def test_data_sets_are_named_by_their_files(cli: Cli, results: Path, tmp_path: Path) -> None:
    """By their paths where two have the same name."""
    here = _evaluation(tmp_path / "a.json", "SqueezeBERT int8", 0.9, data="a/dev.tsv")
    report = tmp_path / "report.md"
    assert cli("report", results, here, "-o", report)[0] == 0
    assert "Accuracy on dev.tsv, " in report.read_text(encoding="utf-8")
    there = _evaluation(tmp_path / "b.json", "SqueezeBERT int8", 0.8, data="b/dev.tsv")
    assert cli("report", results, here, there, "-o", report)[0] == 0
    text = report.read_text(encoding="utf-8")
    assert "Accuracy on a/dev.tsv, " in text and "Accuracy on b/dev.tsv, " in text


def test_bad_evaluations_are_one_line(cli: Cli, results: Path, tmp_path: Path) -> None:
    report = tmp_path / "report.md"
    bad = _evaluation(tmp_path / "a.json", "x", 0.9, examples="many")
    code, out, err = cli("report", results, bad, "-o", report)
    assert (code, out) == (1, "") and err.count("\n") == 1
    assert f"{str(bad)!r} is no evaluation" in err and "at examples; give what evaluate" in err
    good = _evaluation(tmp_path / "b.json", "x", 0.9)
    code, out, err = cli("report", good, "-o", report)
    assert (code, out) == (1, "") and "there are no results to report" in err
    assert not report.exists()
