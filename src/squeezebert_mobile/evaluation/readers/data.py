"""A data set in memory, and the file that it is read from."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from squeezebert_mobile.errors import InputError

__all__ = ["DataFile", "DataSet", "Example", "Gold", "read_file", "shortened"]

#: The right answer of an example, as its file has it: a label's text, the place of a choice, a
#: label for each word, all answers that count (none: there is no answer), or nothing (plain text).
Gold = str | int | tuple[str, ...] | None


@dataclass(frozen=True)
class Example:
    """One thing to ask, and the right answer."""

    place: str  # in its file: "line 3", or the id of a question
    texts: tuple[str, ...]  # text and pair; question and context; words; text and choices
    gold: Gold
    start: int | None = None  # question-answering: the first answer's in its context, in characters


@dataclass(frozen=True)
class DataSet:
    """What a file holds."""

    format: str
    task: str
    examples: tuple[Example, ...]
    metrics: tuple[str, ...]  # of METRICS, the main one first
    classes: tuple[str, ...] = ()  # the labels; of GLUE all, in the published order
    ids: tuple[int, ...] | None = None  # which output each class is, where the data says so
    named: bool = True  # whether the classes have names, which count before the ids
    values: bool = False  # the labels are numbers to come close to
    left_out: int = 0  # lines without a label, or without a text


@dataclass(frozen=True)
class DataFile:
    """A text file, decoded."""

    path: Path
    text: str

    @property
    def name(self) -> str:
        """The path as messages show it."""
        return repr(str(self.path))

    @property
    def suffix(self) -> str:
        """Of the name, lower case, with its dot."""
        return self.path.suffix.lower()

    @cached_property
    def lines(self) -> list[str]:
        """The lines; only a line feed ends one, as sentences may hold what else Unicode has."""
        lines = [line.removesuffix("\r") for line in self.text.split("\n")]
        return lines[:-1] if not lines[-1] else lines

    def rows(self) -> Iterator[tuple[int, str]]:
        """Every line that is not blank, with its number from 1."""
        return ((number, line) for number, line in enumerate(self.lines, 1) if line.strip())

    def wrong(self, what: str) -> InputError:
        """The error that says what is wrong in this file."""
        return InputError(f"{self.name} {what}")

    @cached_property
    def json(self) -> Any:
        """The whole file as JSON; None where it is none."""
        try:
            return json.loads(self.text)
        except (ValueError, RecursionError):
            return None

    @cached_property
    def first_object(self) -> dict[str, Any]:
        """The JSON object on the first line; an empty one where there is none."""
        try:
            found = json.loads(next(self.rows())[1])
        except (ValueError, RecursionError):
            return {}
        return found if isinstance(found, dict) else {}

    def whole_json(self) -> Any:
        """The whole file as JSON.

        Raises:
            InputError: it is broken, and where.
        """
        return self._parsed(self.text, "mend or copy it again")

    def objects(self) -> Iterator[tuple[int, dict[str, Any]]]:
        """The JSON object of each line, with the line's number.

        Raises:
            InputError: a line holds none.
        """
        remedy = "JSONL has one object a line"
        for number, line in self.rows():
            found = self._parsed(line, remedy, before=number - 1)
            if not isinstance(found, dict):
                raise self.wrong(f"holds a {type(found).__name__} at line {number}; {remedy}")
            yield number, found

    def _parsed(self, text: str, remedy: str, *, before: int = 0) -> Any:
        """`text` as JSON, which stands after so many lines of the file."""
        try:
            return json.loads(text)
        except json.JSONDecodeError as error:
            where = f"line {before + error.lineno}, column {error.colno}"
            raise self.wrong(f"is broken JSON at {where}: {error.msg}; {remedy}") from None
        except (ValueError, RecursionError) as error:
            where = f"line {before + 1}"
            raise self.wrong(f"cannot be read as JSON at {where}: {error}; {remedy}") from None


def read_file(path: Path) -> DataFile:
    """The file at `path`.

    Raises:
        InputError: it is none, or holds no text.
    """
    if path.is_dir():
        raise InputError(f"{str(path)!r} is a folder; give the file with the labelled examples")
    try:
        data = path.read_bytes()
    except OSError as error:
        raise InputError(
            f"{str(path)!r} cannot be read: {error.strerror}; give a file with labelled examples"
        ) from None
    if b"\0" in data:
        line = data[: data.index(b"\0")].count(b"\n") + 1
        raise InputError(
            f"{str(path)!r} has a NUL byte at line {line}, which no text file has; give the file "
            "as UTF-8 text"
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
    """`text` quoted, cut where it is long."""
    return repr(text if len(text) <= length else text[: length - 1] + "…")
