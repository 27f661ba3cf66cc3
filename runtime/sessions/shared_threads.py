"""Threads that belong to the process: all open sessions of one runtime share their number."""

import threading
from collections.abc import Callable

from squeezebert_mobile.errors import InputError

__all__ = ["SharedThreads"]


class SharedThreads:
    """The threads of a runtime that has one pool for the process."""

    def __init__(self, name: str) -> None:
        """`name` is the runtime's, for the error."""
        self._name = name
        self._lock = threading.Lock()
        self._count: int | None = None
        self._sessions = 0

    def claim(self, count: int | None, set_threads: Callable[[int], object]) -> None:
        """Take part with `count` threads; None takes what there is.

        Raises:
            InputError: another session is open with another number.
        """
        with self._lock:
            if count is not None and self._sessions and count != self._count:
                raise InputError(
                    f"threads={count} cannot be had: {self._name} has one pool of threads for the "
                    f"process, and a session with {self._count or 'the usual number'} is open; "
                    "close it first, or give the same number"
                )
            if count is not None and count != self._count:
                set_threads(count)
                self._count = count
            self._sessions += 1

    def release(self) -> None:
        """Take part no more."""
        with self._lock:
            self._sessions -= 1
