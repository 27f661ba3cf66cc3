"""Files that the user names: one error for all that cannot be read."""

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path

from squeezebert_mobile.errors import InputError
from squeezebert_mobile.files import check_regular

__all__ = ["LABELLED_EXAMPLES", "check_readable", "reading"]

#: What a data file contains, for `check_readable` and `reading`.
LABELLED_EXAMPLES = "labelled examples"


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
