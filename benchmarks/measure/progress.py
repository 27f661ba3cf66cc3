"""A progress bar with the remaining time, on stderr, where stderr is a terminal."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn

__all__ = ["ProgressCallback", "progress_bar", "progress_bars"]

#: Called with what is being done, the seconds done, and the seconds it is likely to take in all
#: (0 where nobody knows).
ProgressCallback = Callable[[str, float, float], None]


@contextmanager
def progress_bar(console: Console | None = None) -> Iterator[ProgressCallback]:
    """A callback that moves a bar for as long as the block lasts; silent without a terminal."""
    with progress_bars(console) as bars:
        yield bars("")


@contextmanager
def progress_bars(console: Console | None = None) -> Iterator[Callable[[str], ProgressCallback]]:
    """As `progress_bar`, for several at once: a callback for each name, which stands before it."""
    console = console or Console(stderr=True)
    columns = (
        TextColumn("{task.description}", markup=False),  # a label may have brackets
        BarColumn(bar_width=20),
        # Rich's own remaining time starts anew whenever the total changes.
        TextColumn("{task.fields[left]}"),
    )
    bars = Progress(
        *columns,
        console=console,
        transient=True,
        disable=not console.is_terminal,
        auto_refresh=False,  # a thread that draws would take its time from the runs
    )

    def named(name: str) -> ProgressCallback:
        task = bars.add_task(name, total=None, left="")

        def update(what: str, done: float, total: float) -> None:
            left = _left(total - done) if total else ""
            shown = f"{name} {what}".strip()
            bars.update(task, description=shown, completed=done, total=total or None, left=left)
            bars.refresh()

        return update

    with bars:
        yield named


def _left(seconds: float) -> str:
    minutes, rest = divmod(round(max(0, seconds)), 60)
    return f"{minutes}:{rest:02} left"
