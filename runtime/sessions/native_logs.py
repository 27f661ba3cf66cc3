"""Native libraries write their logs to stderr, past Python."""

import ctypes
import functools
import os
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager

__all__ = ["close_stderr_at_exit", "without_native_logs"]


class _Stderr:
    """The process's stderr, which blocks in several threads may silence at the same time."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._blocks = 0
        self._kept: int | None = None  # the descriptor that is put back

    def silence(self) -> None:
        """The first block's begin redirects it."""
        with self._lock:
            if self._blocks == 0:
                self._redirect()
            self._blocks += 1

    def restore(self) -> None:
        """The last block's end puts it back."""
        with self._lock:
            self._blocks -= 1
            if self._blocks == 0 and self._kept is not None:
                os.dup2(self._kept, 2)
                os.close(self._kept)
                self._kept = None

    def _redirect(self) -> None:
        if sys.stderr is not None:  # it is None under pythonw
            sys.stderr.flush()
        try:
            self._kept = os.dup(2)
        except OSError:  # it is closed
            return
        null = os.open(os.devnull, os.O_WRONLY)
        os.dup2(null, 2)
        os.close(null)


_STDERR = _Stderr()


@contextmanager
def without_native_logs() -> Iterator[None]:
    """Silence stderr within the block: runtimes log how they count CPUs, or what they lack."""
    _STDERR.silence()
    try:
        yield
    finally:
        _STDERR.restore()


@functools.cache
def close_stderr_at_exit() -> None:
    """Silence the logs of native objects that end after Python, and were made before this call."""
    if sys.platform != "win32":
        libc = ctypes.CDLL(None)
        # The last function to be registered is the first to be called.
        libc.__cxa_atexit(libc.close, ctypes.c_void_p(2), None)
