"""Tables of labelled texts: CSV, TSV and JSONL with columns for text, pair and label."""

from collections.abc import Collection, Iterator
from dataclasses import replace
from typing import Any

from squeezebert_mobile.evaluation.readers.columns import Columns
from squeezebert_mobile.evaluation.readers.data import DataFile, DataSet, Example, shortened
from squeezebert_mobile.evaluation.readers.delimited import (
    csv_rows,
    delimiter_name,
    sniff_delimiter,
    tsv_rows,
)
from squeezebert_mobile.evaluation.readers.label_kinds import check_labelled, make_data_set

__all__ = ["SHAPES", "is_tab_separated", "looks_like", "read_choices", "read_table"]

SHAPES = ("jsonl", "csv", "tsv")


def looks_like(shape: str, file: DataFile, columns: Columns) -> bool:
    """Whether the first line has all required columns."""
    required = set(columns.required().values())
    if columns.delimiter and shape == "tsv":
        return False
    # A table with tabs is read as TSV, whose cells are not quoted, unless a tab was asked for.
    if shape == "csv" and is_tab_separated(file, columns):
        return False
    return required <= set(_header(shape, file, _with_delimiter(shape, file, columns)))


def is_tab_separated(file: DataFile, columns: Columns) -> bool:
    """Whether the file has tabs between its columns, and no delimiter was named."""
    names = columns.required().values()
    return not columns.delimiter and sniff_delimiter(file, names) == "\t"


def read_table(shape: str, file: DataFile, columns: Columns) -> DataSet:
    """The rows of a CSV, TSV or JSONL file.

    Raises:
        InputError: a column is missing, or a row has no text or label.
    """
    columns = _with_delimiter(shape, file, columns)
    required, header = columns.required(), _header(shape, file, columns)
    if shape != "jsonl" or header:
        _check_header(file, header, columns)
    pair = columns.pair or "text_pair"
    examples = []
    for number, cells in _cells(shape, file, columns):
        texts = [_text(file, number, required["text"], cells)]
        has_pair = cells.get(pair) is not None if shape == "jsonl" else pair in header
        if has_pair or columns.pair:
            texts.append(_text(file, number, pair, cells))
        label = _label(file, number, cells.get(required["label"]))
        examples.append(Example(f"line {number}", tuple(texts), label))
    if not examples:
        raise file.error("has a header but no rows; give a file with labelled examples")
    return make_data_set(file, shape, examples, columns)


def _with_delimiter(shape: str, file: DataFile, columns: Columns) -> Columns:
    """For CSV, the columns with their delimiter."""
    if shape != "csv" or columns.delimiter:
        return columns
    return replace(columns, delimiter=sniff_delimiter(file, columns.required().values()))


def _rows(shape: str, file: DataFile, columns: Columns) -> Iterator[tuple[int, list[str]]]:
    return csv_rows(file, columns.delimiter or ",") if shape == "csv" else tsv_rows(file)


def _header(shape: str, file: DataFile, columns: Columns) -> list[str]:
    if shape == "jsonl":
        return list(file.first_object)
    cells = next(_rows(shape, file, columns), (0, []))[1]  # default: all cells may be empty
    return [cell.strip() for cell in cells]


def _check_header(file: DataFile, header: Collection[str], columns: Columns) -> None:
    """Check that all required columns are there; the message names all that are not."""
    missing = {option: name for option, name in columns.required().items() if name not in header}
    if not missing:
        return
    (option, name), *others = missing.items()
    message = f"has no column {name!r}; its columns are {shortened(', '.join(header), 200)}; "
    message += f"name one with --{option}-column"
    message += "".join(f", and that of {name!r} with --{option}-column" for option, name in others)
    if len(header) == 1 and columns.delimiter:
        message += "; if another character than , ; or a tab separates them, give --delimiter"
    if "label" in missing and not columns.label:
        message += "; a test file without labels cannot be used: give the dev file"
    raise file.error(message)


def _cells(shape: str, file: DataFile, columns: Columns) -> Iterator[tuple[int, dict[str, Any]]]:
    """Each row's number, and its cells by column."""
    if shape == "jsonl":
        yield from file.objects()
        return
    header = _header(shape, file, columns)
    rows = _rows(shape, file, columns)
    next(rows)
    for number, cells in rows:
        if len(cells) != len(header):
            remedy = "TSV cells contain no tab and are not quoted"
            if shape == "csv":
                separator = delimiter_name(columns.delimiter or ",")
                remedy = f"put a cell that contains a {separator} in quotes"
            raise file.error(
                f"has {len(cells)} columns at line {number}, but {len(header)} in its first line; "
                f"{remedy}"
            )
        yield number, dict(zip(header, cells, strict=True))


def _text(file: DataFile, number: int, name: str, cells: dict[str, Any]) -> str:
    value = cells.get(name)
    if not isinstance(value, str) or not value.strip():
        actual = "no text" if value is None or value == "" else shortened(str(value))
        raise file.error(f"has {actual} in {name!r} at line {number}; give at least one word")
    return value


def _label(file: DataFile, number: int, value: Any) -> str:
    value = value.strip() if isinstance(value, str) else value
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
    check_labelled(file, [str(fields.get("label")) for _, fields in file.objects()])
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
