"""Native libraries write their logs to stderr, past Python."""

import ctypes
import functools
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager

__all__ = ["close_stderr_at_exit", "without_native_logs"]


@contextmanager
def without_native_logs() -> Iterator[None]:
    """Silence stderr within the block: runtimes log how they count CPUs, or what they lack."""
    sys.stderr.flush()
    stderr, null = os.dup(2), os.open(os.devnull, os.O_WRONLY)
    os.dup2(null, 2)
    try:
        yield
    finally:
        os.dup2(stderr, 2)
        os.close(stderr)
        os.close(null)


@functools.cache
def close_stderr_at_exit() -> None:
    """Silence the logs of native objects that end after Python, and were made before this call."""
    if sys.platform != "win32":
        libc = ctypes.CDLL(None)
        # The last function to be registered is the first to be called.
        libc.__cxa_atexit(libc.close, ctypes.c_void_p(2), None)
