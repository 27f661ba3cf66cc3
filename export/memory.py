"""Memory that an export has freed goes back to the system before its next step."""

import contextlib
import ctypes
import sys

__all__ = ["return_freed_memory"]


def return_freed_memory() -> None:
    """Let glibc return its free blocks; without a call it keeps those between blocks in use.

    Other C libraries have no such function, and nothing is done.
    """
    if sys.platform == "linux":
        with contextlib.suppress(OSError, AttributeError):
            ctypes.CDLL("libc.so.6").malloc_trim(0)
