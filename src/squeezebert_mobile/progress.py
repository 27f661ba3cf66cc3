"""Progress of an export or an evaluation, reported step by step.

The steps report through these callbacks; the command line shows them as bars.
"""

import contextlib
from collections.abc import Callable, Iterator

__all__ = ["Progress", "StepProgress", "silent"]

#: Called by a step while it runs, with the amount done and the total amount.
StepProgress = Callable[[int, int], None]
#: Begins a step by name and shows its progress: `with progress("verify") as step: step(3, 200)`.
Progress = Callable[[str], contextlib.AbstractContextManager[StepProgress]]


@contextlib.contextmanager
def silent(name: str) -> Iterator[StepProgress]:
    """A `Progress` that shows nothing."""
    yield lambda done, total: None
