"""The command `bench` on this computer, and its baselines."""

import json
from pathlib import Path

import tiny
from commands import Cli

from squeezebert_mobile.cli.baselines import Baseline


def test_bench_measures_against_a_baseline(cli: Cli, assistant: Path, tmp_path: Path) -> None:
    fp32, results = tmp_path / "fp32", tmp_path / "results.json"
    tiny.write_checkpoint(tmp_path / "bert", "bert", "text-classification")
    code, *_ = cli("export", tmp_path / "bert", "-o", fp32, "--precision", "fp32")
    assert code == 0
    options = ("--baseline", fp32, "--preset", "rapid", "--sequence-length", 16, "-o", results)
    code, out, _ = cli("bench", assistant, *options)
    assert code == 0
    assert max(map(len, out.splitlines())) <= 80
    for word in ("assistant", "median", "P90", "load"):
        assert word in out
    written = json.loads(results.read_text())
    assert written["complete"] and written["ratios"][0]["contender"] == "assistant"
    assert not list(tmp_path.glob("*.journal"))


def test_baseline_labels_say_what_differs() -> None:
    int8 = Baseline("fill-mask", "onnx", "int8", None)
    fp32 = Baseline("fill-mask", "onnx", "fp32", None)
    short = Baseline("fill-mask", "executorch", "int8", 128)
    assert [baseline.label([int8, fp32]) for baseline in (int8, fp32)] == [
        "BERT-base int8",
        "BERT-base fp32",
    ]
    assert [baseline.label([int8, short]) for baseline in (int8, short)] == [
        "BERT-base int8 onnx at any length",
        "BERT-base int8 executorch at 128",
    ]
