"""Which format a file has: the one table of them."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from squeezebert_mobile.errors import InputError, choose
from squeezebert_mobile.evaluation.readers import conll, glue, squad, tables
from squeezebert_mobile.evaluation.readers.data import DataFile, DataSet, Example
from squeezebert_mobile.evaluation.readers.tables import Columns

__all__ = ["FORMATS", "Columns", "Format", "read_data"]


@dataclass(frozen=True)
class Format:
    """How a format is told and read."""

    task: str
    looks_like: Callable[[DataFile, Columns], bool]  # never raises
    read: Callable[[DataFile, Columns], DataSet]


def _glue(name: str) -> Format:
    return Format(
        "text-classification",
        lambda file, columns: not columns.are_named and glue.looks_like(name, file),
        lambda file, columns: glue.read_glue(name, file),
    )


def _table(shape: str) -> Format:
    def looks(file: DataFile, columns: Columns) -> bool:
        try:
            return tables.looks_like(shape, file, columns)
        except InputError:  # broken CSV
            return False

    return Format("text-classification", looks, partial(tables.read_table, shape))


def _read_lines(file: DataFile, columns: Columns) -> DataSet:
    examples = tuple(Example(f"line {number}", (line,), None) for number, line in file.rows())
    return DataSet("lines", "fill-mask", examples, ("loss", "perplexity", "accuracy"))


#: In the order in which a file is looked at.
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

#: What a file is that looks like none, by its name's end; so that the reader says what is wrong.
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
    """The examples of a file, for a model of `task`.

    Args:
        file: What `read_file` gave.
        task: What the model does.
        format: One of FORMATS; None finds out.
        columns: The names of a table's columns.

    Raises:
        InputError: the file has no such format, is for another task, or is broken.
    """
    columns = columns or Columns()
    own = [name for name, each in FORMATS.items() if each.task == task]
    if not own:
        raise InputError(
            f"{task} gives vectors, which are neither right nor wrong; compare an artifact with "
            "its checkpoint: squeezebert-mobile verify ARTIFACT --against CHECKPOINT"
        )
    if format is not None and format not in FORMATS:
        raise InputError(choose("data format", format, FORMATS))
    found = format or _found(file, task, columns)
    if found is None:
        raise file.wrong(
            f"is no data that {task} is measured with (tried: {', '.join(own)}); say which it is "
            "with --data-format, and name a table's columns with --text-column and --label-column"
        )
    needed = FORMATS[found].task
    if needed != task:
        lines = "; or add --data-format lines" if task == "fill-mask" and not format else ""
        raise file.wrong(
            f"is {found} data, which is for {needed}, and the model is for {task}; give "
            f"{' or '.join(_shown(own))} data, or a model for {needed}{lines}"
        )
    if columns.are_named and found not in tables.SHAPES:
        raise file.wrong(
            f"is {found} data, whose columns have no other names; leave --text-column, "
            "--pair-column and --label-column out"
        )
    return FORMATS[found].read(file, columns)


def _shown(own: list[str]) -> list[str]:
    return ["GLUE", *tables.SHAPES] if "rte" in own else own


def _found(file: DataFile, task: str, columns: Columns) -> str | None:
    for name, each in FORMATS.items():
        if each.looks_like(file, columns):
            return name
    if file.suffix == ".json" and not file.first_object:
        file.whole_json()  # broken JSON is said to be that, whatever the task
    endings = _BY_SUFFIX[task]
    return endings.get(file.suffix) or endings.get("")
