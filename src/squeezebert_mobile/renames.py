"""Renaming files and folders, on Windows too."""

import os
import sys
import time
from pathlib import Path

__all__ = ["rename"]

#: Windows refuses to rename what a program has open, as virus scanners have for a moment.
_WAITS = (0.01, 0.05, 0.1, 0.25, 0.5, 1.0)  # seconds


def rename(source: Path, target: Path) -> None:
    """Rename `source` to `target`; a file or an empty folder there is replaced.

    Raises:
        OSError: it cannot be renamed. On Windows that is tried several times.
    """
    if sys.platform == "win32":
        for wait in _WAITS:
            try:
                os.replace(source, target)
            except PermissionError:
                time.sleep(wait)
            else:
                return
    try:
        os.replace(source, target)
    except PermissionError as error:
        if sys.platform != "win32":
            raise
        reason = f"{error.strerror}; close the programs that have it open"
        raise PermissionError(error.errno, reason, str(target)) from None
