"""A data set in memory, and the text file it is read from."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from squeezebert_mobile.errors import InputError
from squeezebert_mobile.files import MAX_DATA_BYTES, read_regular
from squeezebert_mobile.input_files import LABELLED_EXAMPLES, reading

__all__ = ["DataFile", "DataSet", "Example", "Gold", "read_file", "shortened"]

#: The gold answer of an example, as written in its file: a label, the index of a choice, a label
#: per word, all accepted answers (empty if the question has none), or None (plain text).
Gold = str | int | tuple[str, ...] | None


@dataclass(frozen=True)
class Example:
    """One input with its gold answer."""

    location: str  # in its file: "line 3", or the id of a question
    texts: tuple[str, ...]  # text and pair; question and context; words; text and choices
    gold: Gold
    start: int | None = None  # question-answering: character offset of the first answer


@dataclass(frozen=True)
class DataSet:
    """The contents of a data file."""

    format: str
    task: str
    examples: tuple[Example, ...]
    metrics: tuple[str, ...]  # names in METRICS, the main one first
    classes: tuple[str, ...] = ()  # the labels; for GLUE all of them, in the published order
    class_ids: tuple[int, ...] | None = None  # the model output of each class, if the data says so
    has_class_names: bool = True  # whether classes have names, which match before ids
    is_regression: bool = False  # whether the gold answers are numbers
    left_out: int = 0  # lines without a label, or without a text
    source: str = "the data"  # the file, as messages show it

    def location_of(self, label: str) -> str:
        """Where the first example with this label is, "at line 3"; empty if there is none."""
        for example in self.examples:
            if isinstance(example.gold, tuple) and label in example.gold:
                return f"in the sentence at {example.location}"
            if str(example.gold) == label:
                return f"at {example.location}"
        return ""


@dataclass(frozen=True)
class DataFile:
    """A decoded text file."""

    path: Path
    text: str

    @property
    def name(self) -> str:
        """The path as messages show it."""
        return repr(str(self.path))

    @property
    def suffix(self) -> str:
        """The file name's suffix in lower case, with its dot."""
        return self.path.suffix.lower()

    @cached_property
    def lines(self) -> list[str]:
        """The lines. Only a line feed ends one: sentences may contain Unicode's other line ends."""
        lines = [line.removesuffix("\r") for line in self.text.split("\n")]
        return lines[:-1] if not lines[-1] else lines

    def rows(self) -> Iterator[tuple[int, str]]:
        """Every line that is not blank, with its number from 1."""
        return ((number, line) for number, line in enumerate(self.lines, 1) if line.strip())

    def error(self, problem: str) -> InputError:
        """The error to raise for a problem in this file."""
        return InputError(f"{self.name} {problem}")

    @cached_property
    def json(self) -> Any:
        """The whole file as JSON; None if it is not JSON."""
        try:
            return json.loads(self.text)
        except (ValueError, RecursionError):
            return None

    @cached_property
    def first_object(self) -> dict[str, Any]:
        """The JSON object on the first line; empty if there is none."""
        try:
            value = json.loads(next(self.rows())[1])
        except (ValueError, RecursionError):
            return {}
        return value if isinstance(value, dict) else {}

    def whole_json(self) -> Any:
        """The whole file as JSON.

        Raises:
            InputError: the file is not valid JSON; the message names line and column.
        """
        return self._parsed(self.text, "fix the file or copy it again")

    def objects(self) -> Iterator[tuple[int, dict[str, Any]]]:
        """The JSON object of each line, with the line's number.

        Raises:
            InputError: a line is not a JSON object.
        """
        remedy = "JSONL has one object per line"
        for number, line in self.rows():
            value = self._parsed(line, remedy, lines_before=number - 1)
            if not isinstance(value, dict):
                raise self.error(f"has a {type(value).__name__} at line {number}; {remedy}")
            yield number, value

    def _parsed(self, text: str, remedy: str, *, lines_before: int = 0) -> Any:
        """`text`, which begins after `lines_before` lines of the file, as JSON."""
        try:
            return json.loads(text)
        except json.JSONDecodeError as error:
            where = f"line {lines_before + error.lineno}, column {error.colno}"
            raise self.error(f"is not valid JSON at {where}: {error.msg}; {remedy}") from None
        except (ValueError, RecursionError) as error:
            where = f"line {lines_before + 1}"
            raise self.error(f"cannot be read as JSON at {where}: {error}; {remedy}") from None


def read_file(path: Path) -> DataFile:
    """Read and decode the file at `path`.

    Raises:
        InputError: it is not a readable UTF-8 text file, or is empty.
    """
    with reading(path, LABELLED_EXAMPLES):
        data = read_regular(path, MAX_DATA_BYTES)
    if b"\0" in data:
        line = data[: data.index(b"\0")].count(b"\n") + 1
        raise InputError(
            f"{str(path)!r} is not a text file: it has a NUL byte at line {line}; give the data as "
            "UTF-8 text"
        )
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data[: error.start].count(b"\n") + 1
        raise InputError(
            f"{str(path)!r} is not UTF-8 (line {line}, byte {data[error.start]:#04x}); convert it "
            "to UTF-8"
        ) from None
    if not text.strip():
        raise InputError(f"{str(path)!r} is empty; give a file with labelled examples")
    return DataFile(path, text)


def shortened(text: str, length: int = 40) -> str:
    """`text` in quotes, truncated to `length` characters."""
    return repr(text if len(text) <= length else text[: length - 1] + "…")
