"""The thread count of a runtime with one thread pool per process, shared by its sessions."""

import threading
from collections.abc import Callable

from squeezebert_mobile.errors import InputError

__all__ = ["SharedThreads"]


class SharedThreads:
    """The thread count of a runtime, and how many open sessions use it."""

    def __init__(self, name: str) -> None:
        """`name` of the runtime is for the error message."""
        self._name = name
        self._lock = threading.RLock()  # a session may be freed within `claim`
        self._count: int | None = None  # what was set; None: the runtime's default
        self._default: int | None = None  # known as soon as another number is set
        self._sessions = 0

    def claim(
        self,
        count: int | None,
        get_threads: Callable[[], int],
        set_threads: Callable[[int], object],
    ) -> None:
        """Open a session with `count` threads.

        Args:
            count: The number of threads; None accepts that of the open sessions, or else is the
                runtime's default.
            get_threads: Reads the runtime's number.
            set_threads: Sets it.

        Raises:
            InputError: a session with another count is open.
        """
        with self._lock:
            if count is not None and self._sessions and count != self._count:
                raise InputError(
                    f"threads={count} is not possible: {self._name} has one thread pool per "
                    f"process, and a session with {self._count or 'the default number'} is open; "
                    "close it first, or use the same number"
                )
            if count is not None and count != self._count:
                if self._default is None:
                    self._default = get_threads()
                set_threads(count)
                self._count = count
            elif count is None and self._count is not None and not self._sessions:
                assert self._default is not None  # as a count was set
                set_threads(self._default)
                self._count = None
            self._sessions += 1

    def release(self) -> None:
        """Close a session."""
        with self._lock:
            self._sessions -= 1
