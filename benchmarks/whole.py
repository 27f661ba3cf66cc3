"""Files that are there whole or not at all."""

import contextlib
import os
from pathlib import Path

from squeezebert_mobile.errors import BenchmarkError

__all__ = ["write_whole"]


def write_whole(path: Path, text: str, *, what: str) -> None:
    """Write `text` to `path`, and make the folders above it.

    Args:
        path: The file; an older one is replaced at the end.
        text: What goes in, as UTF-8.
        what: What it is, for the error.

    Raises:
        BenchmarkError: the file cannot be written.
    """
    partial = path.with_name(f".{path.name}.partial")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        partial.write_bytes(text.encode("utf-8"))
        os.replace(partial, path)
    except OSError as error:
        with contextlib.suppress(OSError):
            partial.unlink()
        raise BenchmarkError(
            f"cannot write the {what} to {str(path)!r}: {error.strerror}; "
            "choose another file with -o"
        ) from None
