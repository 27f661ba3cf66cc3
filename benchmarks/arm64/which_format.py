"""Writes the table of docs/which-format.md from the results that are checked in.

    python -m squeezebert_mobile.benchmarks.arm64.which_format docs

It reads docs/arm64/counts.json (make bench-arm64), docs/peers/results.json (make bench-peers) and
the table of accuracies in docs/evaluate.md (make accuracy-table).
"""

import re
import statistics
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

from squeezebert_mobile.benchmarks.arm64.counting import Count
from squeezebert_mobile.benchmarks.arm64.records import read_counts
from squeezebert_mobile.benchmarks.peers import MODELS, SurveyModel
from squeezebert_mobile.benchmarks.records.reading import read_results
from squeezebert_mobile.benchmarks.records.results import Results
from squeezebert_mobile.benchmarks.report.formatting import format_number
from squeezebert_mobile.benchmarks.report.writers.markdown import markdown_table
from squeezebert_mobile.benchmarks.report.writers.page import Table
from squeezebert_mobile.errors import BenchmarkError, SqueezeBertMobileError
from squeezebert_mobile.formats import FORMATS

__all__ = ["format_table", "main"]

#: Core -> the column's name.
_PHONES = {
    "cortex-a76": "Pixel 4 to 7\n(SDOT)",
    "i8mm": "int8 matrix\nproducts (i8mm)",
    "sve2": "Pixel 8 and later\n(i8mm, SVE2)",
}
_LENGTH = 128  # tokens
_MIB = 1 << 20
_TABLE = re.compile(r"(?<=<!-- which format -->\n).*?(?=<!-- to here -->)", re.DOTALL)
_ACCURACY = re.compile(r"<!-- accuracy -->\n(.*?)<!-- to here -->", re.DOTALL)


def main(docs: Path) -> None:
    """Write the table into docs/which-format.md.

    Raises:
        BenchmarkError: a file is missing, or has no such table.
    """
    page = docs / "which-format.md"
    text = _text(page)
    if not _TABLE.search(text):
        raise BenchmarkError(f"{str(page)!r} has no place for the table")
    table = format_table(
        read_counts(docs / "arm64" / "counts.json"),
        read_results(docs / "peers" / "results.json"),
        _same_answers(_text(docs / "evaluate.md")),
    )
    page.write_text(_TABLE.sub(lambda _: f"{markdown_table(table)}\n", text), encoding="utf-8")


def format_table(counts: Sequence[Count], results: Results, same: dict[str, str]) -> Table:
    """A row for each model of SqueezeBERT's shape, and of the peers in int8 of BERT-base's.

    Args:
        counts: The counts on ARM64. Of several versions of a runtime the newest is shown.
        results: A run of the peers' benchmark.
        same: Format and precision -> the share of answers as those of the checkpoint.
    """
    header = ("", *_PHONES.values(), "file\nMB", "load\nms", "resident\nMiB", "same\nanswers")
    rows = []
    for model in _shown():
        cells = (*_millions(model, counts), *_start(model, results))
        if any(cells):
            ours = model.kind == "ours"
            way = f"{FORMATS[model.format].name} {model.precision}" if ours else ""
            rows.append((model.label, *cells, same.get(way, "")))
    return Table(
        f"M instructions of {_LENGTH} tokens, start, memory, accuracy", header, tuple(rows)
    )


def _shown() -> Iterator[SurveyModel]:
    for model in MODELS:
        peer_in_int8 = model.kind == "peer" and model.precision == "int8" and not model.variant
        if peer_in_int8 or (model.kind == "ours" and model.family.name == "SqueezeBERT"):
            yield model


def _millions(model: SurveyModel, counts: Sequence[Count]) -> Iterator[str]:
    for cpu in _PHONES:
        found = [
            each
            for each in counts
            if (each.model, each.cpu, each.sequence_length) == (model.label, cpu, _LENGTH)
            and not each.runtime.endswith("fp16")
        ]
        newest = max(found, key=lambda each: _version(each.runtime), default=None)
        yield f"{newest.instructions / 1e6:.0f}" if newest else ""


def _version(runtime: str) -> tuple[int, ...]:
    """The version in a label such as "onnxruntime 1.26.0"."""
    return tuple(map(int, runtime.split()[1].split(".")))


def _start(model: SurveyModel, results: Results) -> Iterator[str]:
    """The file's size, the time to load it and its memory on the computer that measured."""
    facts = [each for each in results.contenders if each.label == model.label]
    yield f"{facts[0].file_bytes / 1e6:.1f}" if facts else ""
    starts = results.starts.get(model.label, ())
    for values in ([s.load_ms for s in starts], [s.model_bytes / _MIB for s in starts]):
        yield format_number(statistics.median(values)) if values else ""


def _same_answers(page: str) -> dict[str, str]:
    """The column of the text-classification demo, by format and precision."""
    table = _ACCURACY.search(page)
    if not table:
        raise BenchmarkError(
            "docs/evaluate.md has no table of accuracies; run: make accuracy-table"
        )
    rows = [[cell.strip() for cell in line.split("|")] for line in table[1].splitlines()]
    return {row[1]: row[3] for row in rows if len(row) > 3 and row[3].endswith("%")}


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except OSError as error:
        raise BenchmarkError(f"cannot read {str(path)!r}: {error.strerror}") from None


if __name__ == "__main__":
    try:
        main(Path(sys.argv[1]))
    except SqueezeBertMobileError as error:
        sys.exit(f"error: {error}")
