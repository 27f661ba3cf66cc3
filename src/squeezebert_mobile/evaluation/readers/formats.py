"""The table of data formats: how each is recognized and read."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial

from squeezebert_mobile.errors import InputError, choose
from squeezebert_mobile.evaluation.readers import conll, glue, squad, tables
from squeezebert_mobile.evaluation.readers.columns import Columns
from squeezebert_mobile.evaluation.readers.data import DataFile, DataSet, Example
from squeezebert_mobile.tasks import check_has_answers

__all__ = ["FORMATS", "Format", "read_data"]


@dataclass(frozen=True)
class Format:
    """How a format is recognized and read, and the task it is for."""

    task: str
    looks_like: Callable[[DataFile, Columns], bool]  # never raises
    read: Callable[[DataFile, Columns], DataSet]


def _glue(name: str) -> Format:
    return Format(
        "text-classification",
        lambda file, columns: not columns.fit_tables_only and glue.looks_like(name, file),
        lambda file, columns: glue.read_glue(name, file),
    )


def _table(shape: str) -> Format:
    def looks_like(file: DataFile, columns: Columns) -> bool:
        try:
            return tables.looks_like(shape, file, columns)
        except InputError:  # invalid CSV
            return False

    return Format("text-classification", looks_like, partial(tables.read_table, shape))


def _read_lines(file: DataFile, columns: Columns) -> DataSet:
    examples = tuple(Example(f"line {number}", (line,), None) for number, line in file.rows())
    return DataSet("lines", "fill-mask", examples, ("loss", "perplexity", "accuracy"))


#: In the order in which they are tried.
FORMATS = {
    "squad": Format(
        "question-answering",
        lambda file, columns: squad.looks_like(file),
        lambda file, columns: squad.read_squad(file),
    ),
    "choices": Format(
        "multiple-choice",
        lambda file, columns: "choices" in file.first_object,
        lambda file, columns: tables.read_choices(file),
    ),
    **{name: _glue(name) for name in glue.GLUE},
    **{shape: _table(shape) for shape in tables.SHAPES},
    "conll": Format(
        "token-classification",
        lambda file, columns: conll.looks_like(file),
        lambda file, columns: conll.read_conll(file),
    ),
    "lines": Format("fill-mask", lambda file, columns: False, _read_lines),
}

#: The format of an unrecognized file by its suffix, so that its reader can report what is wrong.
_BY_SUFFIX = {
    "text-classification": {".csv": "csv", ".tsv": "tsv", ".jsonl": "jsonl"},
    "question-answering": {".json": "squad"},
    "multiple-choice": {".jsonl": "choices", ".json": "choices"},
    "token-classification": {"": "conll"},
    "fill-mask": {"": "lines"},
}


def read_data(
    file: DataFile, task: str, *, format: str | None = None, columns: Columns | None = None
) -> DataSet:
    """Read the examples of a file, for a model of `task`.

    Args:
        file: A file from `read_file`.
        task: The model's task.
        format: A key of FORMATS; None detects it.
        columns: The column names of a table.

    Raises:
        InputError: the file's format is unknown, is for another task, or is invalid.
    """
    columns = columns or Columns()
    formats = [name for name, candidate in FORMATS.items() if candidate.task == task]
    check_has_answers(task)
    if format is not None and format not in FORMATS:
        raise InputError(choose("data format", format, FORMATS))
    name = format or _detected(file, task, columns)
    if name is None:
        raise file.error(
            f"is not in a format for {task} (tried: {', '.join(formats)}); give its format with "
            "--data-format, and a table's columns with --text-column and --label-column"
        )
    needed = FORMATS[name].task
    if needed != task:
        hint = "; or add --data-format lines" if "lines" in formats and not format else ""
        if format is not None:
            raise InputError(
                f"--data-format {format} is for {needed}, but the model is for {task}; leave it "
                f"out, or give one of: {', '.join(formats)}"
            )
        raise file.error(
            f"is {name} data, which is for {needed}, but the model is for {task}; use "
            f"{' or '.join(_displayed(formats))} data, or a model for {needed}{hint}"
        )
    if columns.are_named and name not in tables.SHAPES:
        raise file.error(
            f"is {name} data, whose column names are fixed; omit --text-column, --pair-column and "
            "--label-column"
        )
    if columns.delimiter and name != "csv":
        raise file.error(f"is {name} data, whose delimiter is fixed; omit --delimiter")
    data = replace(FORMATS[name].read(file, columns), source=file.name)
    if columns.labels_are and data.is_regression != (columns.labels_are == "numbers"):
        kind = "numbers" if data.is_regression else "not numbers"
        raise file.error(f"is {name} data, whose labels are {kind}; omit --labels-are")
    return data


def _displayed(formats: list[str]) -> list[str]:
    """The formats with GLUE's nine tasks as one."""
    return ["GLUE", *tables.SHAPES] if "rte" in formats else formats


def _detected(file: DataFile, task: str, columns: Columns) -> str | None:
    """The first format that the file looks like; else the one that its suffix suggests."""
    for name, candidate in FORMATS.items():
        if candidate.looks_like(file, columns):
            return name
    if file.suffix == ".json" and not file.first_object:
        file.whole_json()  # raises if the JSON is invalid, whatever the task
    by_suffix = _BY_SUFFIX[task]
    suggested = by_suffix.get(file.suffix) or by_suffix.get("")
    if suggested in {"csv", "tsv"}:
        return "tsv" if tables.is_tab_separated(file, columns) else "csv"
    return suggested
