"""What a report is made of, before it is HTML or Markdown."""

from collections.abc import Callable
from dataclasses import dataclass

__all__ = ["Block", "Listing", "Page", "Picture", "Section", "Table", "printable"]


@dataclass(frozen=True)
class Table:
    """Cells as text; as many in each row as in the header."""

    caption: str
    header: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    words: frozenset[int] = frozenset({0})  # columns that hold words; the others hold figures


@dataclass(frozen=True)
class Listing:
    """Sentences that belong together."""

    items: tuple[str, ...]


@dataclass(frozen=True)
class Picture:
    """A figure that is drawn where it can be shown."""

    alt: str  # what there is to see, for those who do not see it
    caption: str
    draw: Callable[[str, str], str]  # (alt, prefix of all ids) -> an <svg> element


Block = str | Table | Listing | Picture  # a str is a paragraph


@dataclass(frozen=True)
class Section:
    """A heading of level 2 or 3, and what stands below it."""

    level: int
    title: str
    blocks: tuple[Block, ...]


@dataclass(frozen=True)
class Page:
    """A whole report."""

    title: str
    lead: tuple[str, ...]  # below the title, what else has to be known at once
    banners: tuple[str, ...]  # what speaks against all of it
    sections: tuple[Section, ...]


def printable(text: str) -> str:
    """`text` with its line breaks and control characters spelled out, as errors do it."""
    return "".join(each if each.isprintable() else ascii(each)[1:-1] for each in text)
