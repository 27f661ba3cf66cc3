"""Tables and vectors of a FlatBuffers file, many at a time.

Every offset is checked before it is used.
"""

from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray

__all__ = ["Damaged", "Ints", "Reader", "Tables", "Vectors", "check"]

Ints = NDArray[np.int64]


class Damaged(ValueError):
    """What is wrong with a file."""


def check(holds: NDArray[np.bool_] | bool, what: str) -> None:
    """Raise `Damaged` unless all of `holds` are true."""
    if not (holds if isinstance(holds, bool) else holds.all()):
        raise Damaged(f"it is damaged: {what}")


class Reader:
    """The bytes of a file."""

    def __init__(self, content: NDArray[np.uint8]) -> None:
        """The file with this content."""
        self.size = len(content)
        self._bytes = np.asarray(content)
        self._views: dict[str, NDArray[np.generic]] = {}  # type -> the file as numbers of it

    def numbers(self, positions: Ints, dtype: str) -> Ints:
        """The little-endian numbers of a type, such as "<i4", at the positions."""
        width = np.dtype(dtype).itemsize
        first, last = positions.min(initial=0), positions.max(initial=0)
        check(bool(first >= 0 and last <= self.size - width), "an offset leads out of the file")
        check(positions & (width - 1) == 0, "a number is not aligned")
        if dtype not in self._views:
            self._views[dtype] = self._bytes[: self.size // width * width].view(dtype)
        return self._views[dtype][positions // width].astype(np.int64)

    def follow(self, positions: Ints) -> Ints:
        """Where the offsets at the positions lead to."""
        return positions + self.numbers(positions, "<u4")

    def root(self, at: int = 0) -> "Tables":
        """The table at the root of the file; its offset is at `at`, after the size if that is 4."""
        return Tables(self, self.follow(np.array([at])))

    def text(self, start: int, length: int) -> str:
        """The text of a string."""
        return bytes(self._bytes[start : start + length]).decode("utf-8", "backslashreplace")


@dataclass(frozen=True)
class Vectors:
    """Vectors of numbers or of offsets.

    Attributes:
        reader: The file.
        starts: The byte position of each vector's first element.
        lengths: The number of elements of each vector.
    """

    reader: Reader
    starts: Ints
    lengths: Ints

    def positions(self, width: int) -> Ints:
        """The byte positions of all elements, vector by vector.

        Raises:
            Damaged: together the vectors are longer than the file, so that they overlap.
        """
        total = int(self.lengths.sum()) * width
        check(total <= self.reader.size, "its vectors are longer than the file")
        before = np.cumsum(self.lengths) - self.lengths
        within = np.arange(int(self.lengths.sum())) - np.repeat(before, self.lengths)
        return np.repeat(self.starts, self.lengths) + width * within

    def values(self, dtype: str = "<i4") -> Ints:
        """All elements of all vectors of numbers, one after another."""
        return self.reader.numbers(self.positions(np.dtype(dtype).itemsize), dtype)

    def tables(self) -> "Tables":
        """The tables in all vectors, one after another."""
        return Tables(self.reader, self.reader.follow(self.positions(4)))

    def owners(self) -> Ints:
        """For each element the index of its vector."""
        return np.repeat(np.arange(len(self.lengths)), self.lengths)


class Tables:
    """Tables of one type; a field is addressed by its place in the schema."""

    def __init__(self, reader: Reader, positions: Ints) -> None:
        """The tables at the positions."""
        self.reader, self._positions = reader, positions
        check(positions & 3 == 0, "a table is not aligned")
        # Tables with the same fields share the list of where these are in a table.
        places = positions - reader.numbers(positions, "<i4")
        lists, self._list = np.unique(places, return_inverse=True)
        self._lists, self._lists_size = lists, reader.numbers(lists, "<u2")
        self._size = reader.numbers(lists + 2, "<u2")  # of the tables that share a list
        check(self._lists_size >= 4, "a table has no fields")
        ends = np.append(positions + self._size[self._list], lists + self._lists_size)
        check(ends <= reader.size, "a table is longer than the file")

    def __len__(self) -> int:
        """The number of tables."""
        return len(self._positions)

    def at(self, place: int) -> "Tables":
        """The table at a place, alone."""
        return Tables(self.reader, self._positions[place : place + 1])

    def number(
        self, field: int, dtype: str, default: int = 0, having: NDArray[np.bool_] | bool = True
    ) -> Ints:
        """A field of numbers in each table; the default where it is left out.

        Args:
            field: Its place in the schema.
            dtype: Of the numbers, such as "<i4".
            default: The number of a table without the field.
            having: The tables whose field it is, if they are of several types.
        """
        places = self._places(field, np.dtype(dtype).itemsize, having)
        there = places > 0
        found = np.full(len(self), default, np.int64)
        found[there] = self.reader.numbers(places[there], dtype)
        return found

    def vectors(
        self, field: int, width: int = 4, having: NDArray[np.bool_] | bool = True
    ) -> Vectors:
        """A field of vectors, whose elements have `width` bytes; empty where there is none.

        Args:
            field: Its place in the schema.
            width: Bytes of an element.
            having: The tables whose field it is, if they are of several types.
        """
        places = self._places(field, 4, having)
        there = places > 0
        starts, lengths = np.zeros(len(self), np.int64), np.zeros(len(self), np.int64)
        targets = self.reader.follow(places[there])
        check(targets % 4 == 0, "a vector is not aligned")
        lengths[there] = self.reader.numbers(targets, "<u4")
        starts[there] = targets + 4
        check(starts + width * lengths <= self.reader.size, "a vector is longer than the file")
        return Vectors(self.reader, starts, lengths)

    def check_strings(self, field: int) -> None:
        """Check a field of strings, which end with a zero."""
        strings = self.vectors(field, width=1)
        ends = (strings.starts + strings.lengths)[strings.starts > 0]
        check(self.reader.numbers(ends, "u1") == 0, "a name has no end")

    def strings(self, field: int) -> list[str]:
        """A field of strings; "" where there is none."""
        found = self.vectors(field, width=1)
        places = zip(found.starts.tolist(), found.lengths.tolist(), strict=True)
        return [self.reader.text(start, length) for start, length in places]

    def allow_only(self, *fields: int) -> Self:
        """Check that the tables have no other fields, which would have to be checked too."""
        for field in range((int(self._lists_size.max(initial=4)) - 4) // 2):
            if field not in fields:
                check(self._offsets(field) == 0, "it has fields that no export writes")
        return self

    def has_field(self, field: int) -> NDArray[np.bool_]:
        """Which of the tables have a field."""
        return self._places(field, 1) > 0

    def table(self, field: int) -> "Tables":
        """The tables in a field, of those tables that have it."""
        places = self._places(field, 4)
        return Tables(self.reader, self.reader.follow(places[places > 0]))

    def _places(self, field: int, width: int, having: NDArray[np.bool_] | bool = True) -> Ints:
        """Where a field is in each table; 0 where it is left out."""
        offsets = self._offsets(field)
        is_inside = (offsets == 0) | ((offsets >= 4) & (offsets + width <= self._size))
        own = offsets[self._list]
        there = (own > 0) & having
        check(is_inside[self._list] | ~there, "a field is outside its table")
        return np.where(there, self._positions + own, 0)

    def _offsets(self, field: int) -> Ints:
        """From the start of a table to a field, for each list; 0 where it is left out."""
        entry = 4 + 2 * field
        listed = self._lists_size >= entry + 2
        offsets = np.zeros(len(self._lists), np.int64)
        offsets[listed] = self.reader.numbers(self._lists[listed] + entry, "<u2")
        return offsets
