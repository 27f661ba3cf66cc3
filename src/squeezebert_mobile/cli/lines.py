"""The lines of stdin as the inputs of a pipeline, and the results in the order of the lines."""

import codecs
import sys
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any, BinaryIO

from squeezebert_mobile.errors import InputError
from squeezebert_mobile.streams import print_line

__all__ = ["Line", "answer_lines", "read_lines"]

_REMEDY = "give the texts as arguments, or pipe them, one per line"


class _UnreadableError(InputError):
    """An error of standard input itself, not of a line."""


@dataclass(frozen=True)
class Line:
    """A line of stdin, or a text of the command line."""

    name: str  # "line 3", for error messages
    content: str | bytes  # bytes of a line that is not UTF-8; without its line end
    size: int = 0  # in bytes, with its line end

    @property
    def is_blank(self) -> bool:
        """Whether there is nothing but white space."""
        return not self.content.strip()


def read_lines(stream: BinaryIO | None = None) -> Iterator[Line]:
    """The lines of stdin as they arrive, without the byte order mark of the first.

    Raises:
        InputError: there is no stdin, or it cannot be read.
    """
    if stream is None:
        if sys.stdin is None:
            raise InputError(f"standard input is closed; {_REMEDY}")
        if sys.stdin.isatty():
            print_line("Type a text and press Enter; Ctrl-D ends.", stderr=True)
        stream = sys.stdin.buffer
    return _numbered(stream)


def _numbered(stream: BinaryIO) -> Iterator[Line]:
    try:
        for number, line in enumerate(stream, 1):
            content = line.removeprefix(codecs.BOM_UTF8) if number == 1 else line
            yield Line(f"line {number}", _decoded(content.rstrip(b"\r\n")), len(line))
    except OSError as error:
        reason = error.strerror or str(error)
        raise _UnreadableError(f"standard input cannot be read: {reason}; {_REMEDY}") from None


def _decoded(line: bytes) -> str | bytes:
    try:
        return line.decode("utf-8")
    except UnicodeDecodeError:
        return line  # the pipeline reports the byte, after the results of the lines before


def answer_lines(
    run: Callable[[Iterable[Any]], Iterator[Any]],
    lines: Iterable[Line],
    *,
    blank: Any = None,
    text_pair: str | None = None,
) -> Iterator[tuple[Line, Any]]:
    """Each line with its result, as soon as the pipeline has it.

    Args:
        run: A pipeline that takes and returns an iterable.
        lines: The inputs.
        blank: The result of a blank line, which the pipeline does not see; None passes it on.
        text_pair: The second text of every line.

    Raises:
        InputError: the pipeline rejects a line; the message begins with its name.
    """
    waiting: deque[Line] = deque()  # read, but not answered

    def is_skipped(line: Line) -> bool:
        return blank is not None and line.is_blank

    def inputs() -> Iterator[Any]:
        for line in lines:
            waiting.append(line)
            if not is_skipped(line):
                content = line.content
                yield content if text_pair is None else {"text": content, "text_pair": text_pair}

    def blanks() -> Iterator[tuple[Line, Any]]:
        while waiting and is_skipped(waiting[0]):
            yield waiting.popleft(), blank

    results = run(inputs())
    for answered in range(1, sys.maxsize):
        try:
            result = next(results, None)
        except _UnreadableError:
            raise
        except InputError as error:
            yield from blanks()
            reason = str(error).removeprefix(f"input {answered}: ")
            raise InputError(f"{waiting[0].name}: {reason}") from None
        yield from blanks()
        if result is None:
            return
        yield waiting.popleft(), result
