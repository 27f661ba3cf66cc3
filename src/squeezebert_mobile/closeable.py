"""Base class of objects that must be closed: sessions, pipelines, journals."""

from types import TracebackType
from typing import Self

__all__ = ["Closeable"]


class Closeable:
    """Has a `close` method, which the end of a `with` block calls."""

    def close(self) -> None:
        """Release the resources."""
        raise NotImplementedError

    def __enter__(self) -> Self:
        """Enter a `with` block."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Close."""
        self.close()
