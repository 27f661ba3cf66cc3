"""Progress of an export or an evaluation, reported step by step.

The steps report through these callbacks. `shown` prints them: bars on a terminal, and elsewhere (a
pipe, a log, a notebook) a line for each finished step.
"""

import contextlib
import time
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.console import Console  # noqa: TID251 - of the caller

__all__ = ["Progress", "StepProgress", "as_progress", "shown", "silent"]

#: Called by a step while it runs, with the amount done and the total amount.
StepProgress = Callable[[int, int], None]
#: Begins a step by name and shows its progress: `with progress("verify") as step: step(3, 200)`.
Progress = Callable[[str], contextlib.AbstractContextManager[StepProgress]]


@contextlib.contextmanager
def silent(name: str) -> Iterator[StepProgress]:
    """A `Progress` that shows nothing."""
    yield lambda done, total: None


def as_progress(progress: Progress | bool) -> Progress:
    """The `Progress` of an argument: True prints the steps on stderr, False shows nothing."""
    if progress is True:
        return shown()
    return progress or silent


def shown(console: "Console | None" = None) -> Progress:
    """A `Progress` that prints each step with its time in seconds.

    Args:
        console: Where to print; None is stderr. On a terminal there is a bar while a step runs, and
            a mark for failed steps. Elsewhere there is a line at the end of each step; none of a
            failed one, as its error follows.
    """
    if console is None:
        from squeezebert_mobile.streams import Console

        console = Console(stderr=True)
    return _bar(console) if console.is_terminal else _line(console)


def _line(console: "Console") -> Progress:
    from squeezebert_mobile.streams import print_plain

    @contextlib.contextmanager
    def step(name: str) -> Iterator[StepProgress]:
        start = time.monotonic()
        yield lambda done, total: None
        print_plain(_with_time(name, start), console)

    return step


def _bar(console: "Console") -> Progress:
    from rich import progress
    from rich.text import Text

    ascii_only = console.options.ascii_only
    ok, failed, spinner = ("ok", "failed", "line") if ascii_only else ("✓", "✗", "dots")

    @contextlib.contextmanager
    def step(name: str) -> Iterator[StepProgress]:
        start = time.monotonic()
        columns = (
            progress.SpinnerColumn(spinner),
            progress.TextColumn("{task.description}"),
            progress.BarColumn(bar_width=30),
        )
        bar = progress.Progress(*columns, console=console, transient=True, redirect_stdout=False)
        mark = (failed, "red")
        try:
            with bar:
                task = bar.add_task(name, total=None)
                yield lambda done, total: bar.update(task, completed=done, total=total)
            mark = (ok, "green")
        finally:
            console.print(Text.assemble(mark, f" {_with_time(name, start)}"))

    return step


def _with_time(name: str, start: float) -> str:
    return f"{name:<15} {time.monotonic() - start:6.1f} s"
