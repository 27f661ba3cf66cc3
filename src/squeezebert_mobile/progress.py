"""How the steps of an export tell that they are at work."""

import contextlib
from collections.abc import Callable, Iterator

__all__ = ["Progress", "StepProgress", "silent"]

#: What a step reports to while it runs: how much is done, and of how much.
StepProgress = Callable[[int, int], None]
#: Shows the steps of an export: `with progress("verify") as step: step(3, 200)`.
Progress = Callable[[str], contextlib.AbstractContextManager[StepProgress]]


@contextlib.contextmanager
def silent(name: str) -> Iterator[StepProgress]:
    """Shows nothing."""
    yield lambda done, total: None
