"""Tables of labelled texts: CSV, TSV and JSONL with columns for text, pair and label."""

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

_CLASSIFICATION_METRICS = ("accuracy", "f1_macro")
_REGRESSION_METRICS = ("pearson", "spearman")
_ID = re.compile(r"0|[1-9][0-9]{0,5}")  # the index of a model output


@dataclass(frozen=True)
class Columns:
    """The names of a table's columns; None stands for the default name."""

    text: str | None = None
    pair: str | None = None
    label: str | None = None
    is_regression: bool = False  # whether whole-number labels are values instead of class ids

    @property
    def are_named(self) -> bool:
        """Whether a column was named, so that the file can only be a table."""
        return any((self.text, self.pair, self.label))

    def required(self) -> dict[str, str]:
        """The names of the columns that must be present, by option."""
        names = {"text": self.text or "text", "label": self.label or "label"}
        return names | ({"pair": self.pair} if self.pair else {})


def _csv_rows(file: DataFile) -> Iterator[tuple[int, list[str]]]:
    reader = csv.reader(io.StringIO(file.text, newline=""), strict=True)
    try:
        for cells in reader:
            if any(cell.strip() for cell in cells):
                yield reader.line_num, cells
    except csv.Error as error:
        raise file.error(
            f"is not valid CSV at line {reader.line_num}: {error}; put a cell that contains a "
            'quote or a comma in quotes, "like ""this"""'
        ) from None


def _tsv_rows(file: DataFile) -> Iterator[tuple[int, list[str]]]:
    return ((number, line.split("\t")) for number, line in file.rows())


def _cells(shape: str, file: DataFile) -> Iterator[tuple[int, dict[str, Any]]]:
    """Each row's number, and its cells by column."""
    if shape == "jsonl":
        yield from file.objects()
        return
    rows = _ROWS[shape](file)
    _, header = next(rows)
    for number, cells in rows:
        if len(cells) != len(header):
            raise file.error(
                f"has {len(cells)} columns at line {number}, but {len(header)} in its first line; "
                f"{_REMEDIES[shape]}"
            )
        yield number, dict(zip(header, cells, strict=True))


SHAPES = ("jsonl", "csv", "tsv")
_ROWS = {"csv": _csv_rows, "tsv": _tsv_rows}
_REMEDIES = {
    "csv": "put a cell that contains a comma in quotes",
    "tsv": "TSV cells contain no tab and are not quoted",
}


def _header(shape: str, file: DataFile) -> list[str]:
    if shape == "jsonl":
        return list(file.first_object)
    return next(_ROWS[shape](file), (0, []))[1]  # default: all cells may be empty


def looks_like(shape: str, file: DataFile, columns: Columns) -> bool:
    """Whether the first line has all required columns."""
    return set(columns.required().values()) <= set(_header(shape, file))


def read_table(shape: str, file: DataFile, columns: Columns) -> DataSet:
    """The rows of a CSV, TSV or JSONL file.

    Raises:
        InputError: a column is missing, or a row has no text or label.
    """
    required, header = columns.required(), _header(shape, file)
    for option, name in required.items():
        if name not in header and (shape != "jsonl" or header):
            raise file.error(
                f"has no column {name!r}; its columns are {shortened(', '.join(header), 200)}; "
                f"name one with --{option}-column"
            )
    pair = columns.pair or "text_pair"
    examples = []
    for number, cells in _cells(shape, file):
        texts = [_text(file, number, required["text"], cells)]
        has_pair = cells.get(pair) is not None if shape == "jsonl" else pair in header
        if has_pair or columns.pair:
            texts.append(_text(file, number, pair, cells))
        label = _label(file, number, cells.get(required["label"]))
        examples.append(Example(f"line {number}", tuple(texts), label))
    if not examples:
        raise file.error("has a header but no rows; give a file with labelled examples")
    return _data_set(shape, examples, is_regression=columns.is_regression)


def _data_set(shape: str, examples: list[Example], *, is_regression: bool) -> DataSet:
    """The data set; its labels decide between class names, class ids and regression."""
    labels = {str(example.gold) for example in examples}
    make = partial(DataSet, shape, "text-classification", tuple(examples))
    if not is_regression and all(map(_ID.fullmatch, labels)):
        ids = tuple(sorted(map(int, labels)))
        return make(
            _CLASSIFICATION_METRICS,
            classes=tuple(map(str, ids)),
            class_ids=ids,
            has_class_names=False,
        )
    if all(map(_is_number, labels)):
        return make(_REGRESSION_METRICS, is_regression=True)
    return make(_CLASSIFICATION_METRICS, classes=tuple(sorted(labels)))


def _is_number(label: str) -> bool:
    try:
        return math.isfinite(float(label))
    except ValueError:
        return False


def _text(file: DataFile, number: int, name: str, cells: dict[str, Any]) -> str:
    value = cells.get(name)
    if not isinstance(value, str) or not value.strip():
        actual = "no text" if value is None or value == "" else shortened(str(value))
        raise file.error(f"has {actual} in {name!r} at line {number}; give at least one word")
    return value


def _label(file: DataFile, number: int, value: Any) -> str:
    if isinstance(value, bool) or not isinstance(value, str | int | float) or value == "":
        is_missing = value is None or value == ""
        actual = "no label" if is_missing else f"the label {shortened(str(value))}"
        raise file.error(f"has {actual} at line {number}; a label is a name, an id or a number")
    return str(value)


# Multiple choice ----------------------------------------------------------------------------


def read_choices(file: DataFile) -> DataSet:
    """The lines of a JSONL file with `text`, `choices`, and the correct choice's index as `label`.

    Raises:
        InputError: a line lacks one of these fields, or a field is invalid.
    """
    examples = []
    for number, fields in file.objects():
        text = _text(file, number, "text", fields)
        choices, label = fields.get("choices"), fields.get("label")
        if not isinstance(choices, list) or len(choices) < 2:
            raise file.error(
                f"has choices={shortened(str(choices))} at line {number}; give a list of two or "
                "more texts"
            )
        for choice in choices:
            _text(file, number, "choices", {"choices": choice})
        if isinstance(label, bool) or not isinstance(label, int) or not 0 <= label < len(choices):
            raise file.error(
                f"has the label {shortened(str(label))} at line {number}; give the index of the "
                f"correct choice, 0 to {len(choices) - 1}"
            )
        examples.append(Example(f"line {number}", (text, *choices), label))
    return DataSet("choices", "multiple-choice", tuple(examples), ("accuracy",))
