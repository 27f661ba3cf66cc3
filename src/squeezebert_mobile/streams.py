"""What is printed to standard output and standard error.

Labels, names of files and facts about phones come from others: whatever is printed goes through
these functions, which escape what would control the terminal.
"""

import codecs
import contextlib
import io
import os
import sys
from collections.abc import Iterable, Iterator
from typing import Any, TextIO

import rich.console
from rich.segment import Segment
from rich.text import Text

from squeezebert_mobile.errors import SqueezeBertMobileError, is_printable, printable

__all__ = [
    "Console",
    "OutputError",
    "prepare_streams",
    "print_json",
    "print_line",
    "print_plain",
    "writing_errors",
    "writing_output",
]

_UNLIMITED = 10_000  # columns; more than any table has
_HANDLER = "squeezebert_mobile.escape"
_STREAMS = {"stdin": "r", "stdout": "w", "stderr": "w"}  # by file descriptor


class OutputError(SqueezeBertMobileError):
    """Standard output cannot be written."""


class Console(rich.console.Console):
    """A rich console that shows strings as they are.

    There is no markup and no code for emoji, and unprintable characters are escaped: all of them in
    strings, all but line breaks in `rich.text.Text`.
    """

    def __init__(self, *, stderr: bool = False, **options: Any) -> None:
        """Write to standard output or standard error; `options` are rich's."""
        super().__init__(stderr=stderr, markup=False, emoji=False, **options)
        #: Whether it writes to a file or a pipe, which has no width and needs no padding.
        self._is_file = not (stderr or options or self.is_terminal)
        if self._is_file and "COLUMNS" not in os.environ:
            self.width = _UNLIMITED

    def render_str(self, text: str, **options: Any) -> Text:
        """The text that a string is shown as."""
        return super().render_str(printable(text), **options)

    def render(self, *arguments: Any, **options: Any) -> Iterable[Segment]:
        """The pieces that anything printable is shown as."""
        for segment in super().render(*arguments, **options):
            if segment.control:  # of rich itself
                yield segment
            else:
                yield Segment(printable(segment.text, keep="\n"), segment.style)

    def print(self, *objects: Any, **options: Any) -> None:
        """Print as rich does, and nothing if standard error cannot be written."""
        with _writing(stderr=self.stderr):
            if not self._is_file:
                super().print(*objects, **options)
                return
            with self.capture() as captured:
                super().print(*objects, **options)
            lines = captured.get().split("\n")
            self.file.write("\n".join(line.rstrip(" ") for line in lines))
            self.file.flush()


def print_line(text: str, *, keep: str = "", stderr: bool = False) -> None:
    """Print a line.

    Args:
        text: The line; unprintable characters are escaped.
        keep: Characters that are not escaped.
        stderr: Whether to print to standard error. If that cannot be written, nothing is printed.
    """
    with _writing(stderr=stderr):
        stream = sys.stderr if stderr else sys.stdout
        print(printable(text, keep=keep), file=stream, flush=True)


def print_plain(text: str, console: rich.console.Console) -> None:
    """Print a line where a console prints, but as text in a notebook too."""
    with _writing(stderr=console.stderr):
        print(printable(text), file=console.file, flush=True)


def print_json(text: str) -> None:
    """Print JSON with the unprintable characters of its strings as JSON's escapes."""
    if not text.isprintable():
        text = "".join(c if c == "\n" or is_printable(c) else _units(c) for c in text)
    with writing_output():
        print(text.removesuffix("\n"), flush=True)


def _writing(*, stderr: bool) -> contextlib.AbstractContextManager[None]:
    return writing_errors() if stderr else writing_output()


def prepare_streams() -> None:
    r"""Make standard output and standard error take whatever is printed.

    Characters that a stream cannot encode (redirection on Windows, ``PYTHONIOENCODING``) become
    ``\uXXXX``, with a surrogate pair above U+FFFF. These are JSON's escapes, so that JSON stays
    valid. What is printed to a stream that was closed (``>&-``) is discarded.
    """
    for name, mode in _STREAMS.items():
        if getattr(sys, name) is None:
            # Else the next file that is opened becomes what libraries print to.
            descriptor = os.open(os.devnull, os.O_RDWR)
            if mode == "w":
                setattr(sys, name, open(descriptor, mode, encoding="utf-8"))
    codecs.register_error(_HANDLER, _escape)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors=_HANDLER)


def _escape(error: UnicodeError) -> tuple[str, int]:
    if not isinstance(error, UnicodeEncodeError):
        raise error
    return _units(error.object[error.start : error.end]), error.end


def _units(text: str) -> str:
    """JSON's escapes for the UTF-16 units of a text."""
    units = text.encode("utf-16-be", "surrogatepass")
    codes = (units[place : place + 2].hex() for place in range(0, len(units), 2))
    return "".join(f"\\u{code}" for code in codes)


@contextlib.contextmanager
def writing_output() -> Iterator[None]:
    """Turn an error of writing to standard output into one that says so.

    Raises:
        OutputError: standard output cannot be written, as the disk is full.
        BrokenPipeError: its reader (head, less) has exited.
    """
    try:
        yield
    except OSError as error:
        _discard(sys.stdout)
        if isinstance(error, BrokenPipeError):
            raise
        raise OutputError(
            f"cannot write to standard output: {error.strerror}; free some space, or redirect it "
            "to another file"
        ) from None


@contextlib.contextmanager
def writing_errors() -> Iterator[None]:
    """Ignore errors of writing to standard error: there is nowhere to report them."""
    try:
        yield
    except OSError:
        _discard(sys.stderr)


def _discard(stream: TextIO) -> None:
    """Discard what is printed from now on, so that Python reports no error when it exits."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())
