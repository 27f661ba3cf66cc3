"""Anybody's labelled texts: CSV, TSV and JSONL with a column for text, pair and label."""

import csv
import io
import math
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any

from squeezebert_mobile.evaluation.readers.data import DataFile, DataSet, Example, shortened

__all__ = ["SHAPES", "Columns", "looks_like", "read_choices", "read_table"]

_LABELLED = ("accuracy", "f1_macro")
_ID = re.compile(r"0|[1-9][0-9]{0,5}")  # of a model's output


@dataclass(frozen=True)
class Columns:
    """The names of the columns; None is the usual one."""

    text: str | None = None
    pair: str | None = None
    label: str | None = None
    numbers: bool = False  # whether whole labels are numbers to come close to, and not ids

    @property
    def are_named(self) -> bool:
        """Whether one was named, so that the file is a table and nothing else."""
        return any((self.text, self.pair, self.label))

    def needed(self) -> dict[str, str]:
        """Option -> name of the columns that must be there."""
        found = {"text": self.text or "text", "label": self.label or "label"}
        return found | ({"pair": self.pair} if self.pair else {})


def _csv_rows(file: DataFile) -> Iterator[tuple[int, list[str]]]:
    reader = csv.reader(io.StringIO(file.text, newline=""), strict=True)
    try:
        for cells in reader:
            if any(cell.strip() for cell in cells):
                yield reader.line_num, cells
    except csv.Error as error:
        raise file.wrong(
            f"is broken CSV at line {reader.line_num}: {error}; a cell with a quote or a comma is "
            'quoted, "like ""this"""'
        ) from None


def _tsv_rows(file: DataFile) -> Iterator[tuple[int, list[str]]]:
    return ((number, line.split("\t")) for number, line in file.rows())


def _cells(shape: str, file: DataFile) -> Iterator[tuple[int, dict[str, Any]]]:
    """Each row's number and its cells by column."""
    if shape == "jsonl":
        yield from file.objects()
        return
    rows = _ROWS[shape](file)
    _, header = next(rows)
    for number, cells in rows:
        if len(cells) != len(header):
            raise file.wrong(
                f"has {len(cells)} columns at line {number}, and {len(header)} in its first line; "
                f"{_REMEDIES[shape]}"
            )
        yield number, dict(zip(header, cells, strict=True))


SHAPES = ("jsonl", "csv", "tsv")
_ROWS = {"csv": _csv_rows, "tsv": _tsv_rows}
_REMEDIES = {
    "csv": "quote a cell with a comma in it",
    "tsv": "a cell of TSV holds no tab, and is not quoted",
}


def _header(shape: str, file: DataFile) -> list[str]:
    if shape == "jsonl":
        return list(file.first_object)
    return next(_ROWS[shape](file), (0, []))[1]  # cells may all be empty


def looks_like(shape: str, file: DataFile, columns: Columns) -> bool:
    """Whether the first line has all columns."""
    return set(columns.needed().values()) <= set(_header(shape, file))


def read_table(shape: str, file: DataFile, columns: Columns) -> DataSet:
    """The rows of a CSV, TSV or JSONL file.

    Raises:
        InputError: a column is missing, or a row has no text or label.
    """
    needed, header = columns.needed(), _header(shape, file)
    for option, name in needed.items():
        if name not in header and (shape != "jsonl" or header):
            raise file.wrong(
                f"has no column {name!r}; it has: {shortened(', '.join(header), 200)}; name it "
                f"with --{option}-column"
            )
    pair = columns.pair or "text_pair"
    examples = []
    for number, cells in _cells(shape, file):
        texts = [_text(file, number, needed["text"], cells)]
        has_pair = cells.get(pair) is not None if shape == "jsonl" else pair in header
        if has_pair or columns.pair:
            texts.append(_text(file, number, pair, cells))
        label = _label(file, number, cells.get(needed["label"]))
        examples.append(Example(f"line {number}", tuple(texts), label))
    if not examples:
        raise file.wrong("has a header and no rows; give a file with labelled examples")
    return _labelled(shape, examples, numbers=columns.numbers)


def _labelled(shape: str, examples: list[Example], *, numbers: bool) -> DataSet:
    """The data set, with what its labels tell: names, ids of outputs, or numbers."""
    labels = {str(example.gold) for example in examples}
    make = partial(DataSet, shape, "text-classification", tuple(examples))
    if not numbers and all(map(_ID.fullmatch, labels)):
        ids = tuple(sorted(map(int, labels)))
        return make(_LABELLED, classes=tuple(map(str, ids)), ids=ids, named=False)
    if all(map(_is_number, labels)):
        return make(("pearson", "spearman"), values=True)
    return make(_LABELLED, classes=tuple(sorted(labels)))


def _is_number(label: str) -> bool:
    try:
        return math.isfinite(float(label))
    except ValueError:
        return False


def _text(file: DataFile, number: int, name: str, cells: dict[str, Any]) -> str:
    value = cells.get(name)
    if not isinstance(value, str) or not value.strip():
        found = "no text" if value is None or value == "" else shortened(str(value))
        raise file.wrong(f"has {found} in {name!r} at line {number}; give at least one word")
    return value


def _label(file: DataFile, number: int, value: Any) -> str:
    if isinstance(value, bool) or not isinstance(value, str | int | float) or value == "":
        found = "no label" if value is None or value == "" else f"the label {shortened(str(value))}"
        raise file.wrong(f"has {found} at line {number}; a label is a name, an id or a number")
    return str(value)


# Multiple choice ----------------------------------------------------------------------------


def read_choices(file: DataFile) -> DataSet:
    """The lines of a JSONL file with text, choices and the place of the right one, from 0.

    Raises:
        InputError: a line has no such fields.
    """
    examples = []
    for number, found in file.objects():
        text = _text(file, number, "text", found)
        choices, label = found.get("choices"), found.get("label")
        if not isinstance(choices, list) or len(choices) < 2:
            raise file.wrong(
                f"has choices={shortened(str(choices))} at line {number}; give a list of two texts "
                "or more"
            )
        for choice in choices:
            _text(file, number, "choices", {"choices": choice})
        if isinstance(label, bool) or not isinstance(label, int) or not 0 <= label < len(choices):
            raise file.wrong(
                f"has the label {shortened(str(label))} at line {number}; give the place of the "
                f"right choice, 0 to {len(choices) - 1}"
            )
        examples.append(Example(f"line {number}", (text, *choices), label))
    return DataSet("choices", "multiple-choice", tuple(examples), ("accuracy",))
