"""Files that are there whole or not at all."""

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path

from squeezebert_mobile.errors import BenchmarkError

__all__ = ["whole_file", "write_whole"]


@contextlib.contextmanager
def whole_file(
    path: Path, *, what: str, remedy: str = "choose another file with -o"
) -> Iterator[Path]:
    """A path to write to; what is there at the end of the block takes the place of `path`.

    Args:
        path: The file; an older one is replaced at the end. The folders above it are made.
        what: What it is, for the error.
        remedy: What to do about the error.

    Raises:
        BenchmarkError: the file cannot be written.
    """
    partial = path.with_name(f".{path.name}.partial")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        yield partial
        os.replace(partial, path)
    except OSError as error:
        raise BenchmarkError(
            f"cannot write the {what} to {str(path)!r}: {error.strerror}; {remedy}"
        ) from None
    finally:
        with contextlib.suppress(OSError):
            partial.unlink()


def write_whole(path: Path, text: str, *, what: str) -> None:
    """Write `text` to `path`, and make the folders above it.

    Args:
        path: The file; an older one is replaced at the end.
        text: What goes in, as UTF-8.
        what: What it is, for the error.

    Raises:
        BenchmarkError: the file cannot be written.
    """
    with whole_file(path, what=what) as partial:
        partial.write_bytes(text.encode("utf-8"))
