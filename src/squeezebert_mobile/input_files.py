"""Files that the user names: one error for all that cannot be read."""

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path

from squeezebert_mobile.errors import InputError
from squeezebert_mobile.files import check_regular

__all__ = ["LABELLED_EXAMPLES", "check_readable", "parse_delimiter", "reading"]

#: What a data file contains, for `check_readable` and `reading`.
LABELLED_EXAMPLES = "labelled examples"
_DELIMITER_NAMES = {"tab": "\t", r"\t": "\t", "comma": ",", "semicolon": ";"}


@contextlib.contextmanager
def reading(path: Path, contents: str) -> Iterator[None]:
    """Turn errors of reading `path` into one that says what to give instead.

    Args:
        path: The file.
        contents: What it should contain, for the error message.

    Raises:
        InputError: it is a folder, is missing, or cannot be read.
    """
    if os.path.isdir(path):
        raise InputError(f"{str(path)!r} is a folder; give the file with the {contents}")
    try:
        yield
    except OSError as error:
        raise InputError(
            f"{str(path)!r} cannot be read: {error.strerror}; give a file with {contents}"
        ) from None


def check_readable(path: Path, contents: str = LABELLED_EXAMPLES) -> None:
    """Check that `path` can be read, before anything slow starts; see `reading`."""
    with reading(path, contents):
        check_regular(path)
        if path.is_file():  # a pipe can be opened only once
            path.open("rb").close()


def parse_delimiter(text: str | None) -> str | None:
    r"""The character that `text` stands for: itself, or a tab for ``tab`` and ``\t``.

    Raises:
        InputError: it is not one character that can separate cells.
    """
    if text is None:
        return None
    delimiter = _DELIMITER_NAMES.get(text.casefold(), text)
    if len(delimiter) != 1 or delimiter in '"\r\n\0':
        raise InputError(
            f"--delimiter {text!r} cannot separate cells; give one character, such as ';' or tab"
        )
    return delimiter
