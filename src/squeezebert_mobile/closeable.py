"""What has to be closed: sessions, pipelines, journals."""

from types import TracebackType
from typing import Self

__all__ = ["Closeable"]


class Closeable:
    """Closes itself at the end of a `with` block."""

    def close(self) -> None:
        """Free what is held."""
        raise NotImplementedError

    def __enter__(self) -> Self:
        """Close at the end of a `with` block."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Close."""
        self.close()
