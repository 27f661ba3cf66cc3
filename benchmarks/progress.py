"""A progress bar with the remaining time, on stderr, where stderr is a terminal."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

__all__ = ["ProgressCallback", "progress_bar"]

#: Called with what is being done, the seconds done, and the seconds it is likely to take in all.
ProgressCallback = Callable[[str, float, float], None]


@contextmanager
def progress_bar(console: Console | None = None) -> Iterator[ProgressCallback]:
    """A callback that moves a bar for as long as the block lasts; silent without a terminal."""
    console = console or Console(stderr=True)
    what = TextColumn("{task.description}", markup=False)  # a label may have brackets
    columns = (what, BarColumn(bar_width=20), TimeRemainingColumn())
    bar = Progress(*columns, console=console, transient=True, disable=not console.is_terminal)
    with bar:
        task = bar.add_task("", total=None)

        def update(what: str, done: float, total: float) -> None:
            bar.update(task, description=what, completed=done, total=total)

        yield update
