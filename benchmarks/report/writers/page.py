"""The page model: what a report consists of before a writer turns it into text."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

__all__ = [
    "Block",
    "Cell",
    "Listing",
    "Page",
    "Picture",
    "Row",
    "Section",
    "Table",
    "as_cell",
    "grouped",
]


@dataclass(frozen=True)
class Cell:
    """A table cell that is more than plain text."""

    text: str
    detail: str = ""  # on a second line in a terminal, in parentheses elsewhere
    style: Literal["", "strong", "muted", "checksum"] = ""

    def __str__(self) -> str:
        """The cell on one line."""
        return f"{self.text} ({self.detail})" if self.detail else self.text


Row = tuple[str | Cell, ...]


@dataclass(frozen=True)
class Table:
    """A table; every row has as many cells as the header."""

    caption: str
    header: tuple[str, ...]  # a line break where a terminal breaks the name of a column
    rows: tuple[Row | str, ...]  # a str is a heading above the rows that follow it
    words: frozenset[int] = frozenset({0})  # the columns that hold words; the others hold numbers

    @property
    def names(self) -> tuple[str, ...]:
        """The header without line breaks."""
        return tuple(name.replace("\n", " ") for name in self.header)


@dataclass(frozen=True)
class Listing:
    """A list of sentences."""

    items: tuple[str, ...]
    is_error: bool = False


@dataclass(frozen=True)
class Picture:
    """A figure. HTML draws it inline, Markdown links to a file, a terminal leaves it out."""

    alt: str  # describes the figure to readers who do not see it
    caption: str = ""
    draw: Callable[[str, str], str] | None = None  # (alt, prefix of all ids) -> an <svg> element
    file: str = ""  # the path of the drawn figure, relative to the page


Block = str | Table | Listing | Picture  # a str is a paragraph


@dataclass(frozen=True)
class Section:
    """A heading of level 2 or 3 and the blocks below it."""

    level: int
    title: str
    blocks: tuple[Block, ...]


@dataclass(frozen=True)
class Page:
    """A whole report."""

    title: str
    banners: tuple[str, ...]  # warnings that apply to every figure of the page
    lead: tuple[str, ...]  # the paragraphs below the title
    sections: tuple[Section, ...]


def grouped(groups: Mapping[str, Sequence[Row]]) -> tuple[Row | str, ...]:
    """The rows of a table with each group below its heading."""
    rows: list[Row | str] = []
    for heading, group in groups.items():
        rows += [heading, *group]
    return tuple(rows)


def as_cell(cell: str | Cell) -> Cell:
    """A plain string as a cell without detail and style."""
    return Cell(cell) if isinstance(cell, str) else cell
