"""The page about formats: its table comes from the results that are checked in."""

import re
import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from squeezebert_mobile.benchmarks.arm64.counting import Count
from squeezebert_mobile.benchmarks.arm64.records import read_counts
from squeezebert_mobile.benchmarks.arm64.which_format import format_table, main
from squeezebert_mobile.benchmarks.records.reading import read_results
from squeezebert_mobile.errors import BenchmarkError

DOCS = Path(__file__).parents[3] / "docs"
MODEL = "ours SqueezeBERT onnx int8"
COUNT = Count(MODEL, "i8mm", "onnxruntime 1.26.0", 128, 400_000_000, {}, 8)


def _copy(docs: Path) -> Path:
    for name in ("which-format.md", "evaluate.md", "arm64/counts.json", "peers/results.json"):
        (docs / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(DOCS / name, docs / name)
    return docs


def test_the_page_is_up_to_date(tmp_path: Path) -> None:
    main(_copy(tmp_path))
    assert (tmp_path / "which-format.md").read_text(encoding="utf-8") == (
        DOCS / "which-format.md"
    ).read_text(encoding="utf-8")


def test_the_newest_runtime_is_shown_and_fp16_is_not() -> None:
    results = read_results(DOCS / "peers" / "results.json")
    counts = [
        replace(COUNT, runtime="onnxruntime 1.32.0", instructions=410_000_000),
        COUNT,
        replace(COUNT, runtime="onnxruntime 1.100.0 fp16", instructions=1),
        replace(COUNT, sequence_length=16, cpu="sve2"),
    ]
    table = format_table(counts, results, {"ONNX int8": "99.0%"})
    (row,) = [row for row in table.rows if row[0] == MODEL]
    assert row[1:4] == ("", "410", "") and row[-1] == "99.0%"


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("which-format.md", "nothing", "has no place for the table"),
        ("evaluate.md", "nothing", "no table of accuracies; run: make accuracy-table"),
        ("arm64/counts.json", None, "cannot read .*counts.json"),
    ],
)
def test_a_missing_part_is_named(tmp_path: Path, name: str, text: str | None, message: str) -> None:
    _copy(tmp_path)
    (tmp_path / name).unlink()
    if text:
        (tmp_path / name).write_text(text, encoding="utf-8")
    with pytest.raises(BenchmarkError, match=message):
        main(tmp_path)


def test_counts_are_those_of_a_run() -> None:
    for count in read_counts(DOCS / "arm64" / "counts.json"):
        assert count.golden_texts or not count.model.startswith("ours")


def test_the_page_about_artifacts_has_the_counts_of_the_table() -> None:
    newest = {(count.model, count.cpu): count for count in read_counts(DOCS / "arm64/counts.json")}
    page = " ".join((DOCS / "artifact.md").read_text(encoding="utf-8").split())
    shown = re.findall(r"(?:ONNX Runtime|ONNX) (\d+)(?: M)?\b(?: and (\d+))?", page)
    core = (newest[MODEL, cpu].instructions for cpu in ("cortex-a76", "i8mm"))
    sdot, i8mm = (str(round(count / 1e6)) for count in core)
    assert [pair for pair in shown if len(pair[0]) == 3] == [(sdot, ""), (sdot, i8mm)]
