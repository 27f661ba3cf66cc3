"""`run --query`: the lines that are nearest to a query."""

import re
from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING

from squeezebert_mobile.cli.lines import Line
from squeezebert_mobile.errors import InputError

if TYPE_CHECKING:
    from squeezebert_mobile.runtime import SearchResult

__all__ = ["search_lines"]


def search_lines(
    search: Callable[[Iterable[str | bytes]], "SearchResult"],
    lines: Iterable[Line],
    report: Callable[[int], None] = lambda size: None,
) -> tuple["SearchResult", list[int]]:
    """Search in the lines that are not blank.

    Args:
        search: The search for the query, in an iterable.
        lines: The lines of stdin, or the texts of the command line.
        report: Called with the size of each line that is read, in bytes.

    Returns:
        The result, and the number of each line that was searched, from 1.

    Raises:
        InputError: there is no line, or one is invalid; the message begins with its name.
    """
    searched: list[tuple[int, str]] = []  # number and name

    def contents() -> Iterator[str | bytes]:
        for number, line in enumerate(lines, 1):
            report(line.size)
            if not line.is_blank:
                searched.append((number, line.name))
                yield line.content

    try:
        result = search(contents())
    except InputError as error:
        place = re.match(r"input (\d+): ", str(error))
        if not place:
            raise
        _, name = searched[int(place[1]) - 1]
        raise InputError(f"{name}: {str(error)[place.end() :]}") from None
    if not searched:
        raise InputError(
            "--query has no texts to search in; give them as lines of stdin, or as arguments"
        )
    return result, [number for number, _ in searched]
