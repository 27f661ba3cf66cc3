"""A progress bar with the remaining time on stderr, if stderr is a terminal."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.progress import BarColumn, Progress, TextColumn

from squeezebert_mobile.streams import Console

__all__ = ["ProgressCallback", "cell_text", "progress_bar", "progress_bars", "report_push"]

#: Called with the current step, the seconds elapsed, and the seconds expected in total (0 if
#: unknown).
ProgressCallback = Callable[[str, float, float], None]


@contextmanager
def progress_bar(console: Console | None = None) -> Iterator[ProgressCallback]:
    """A callback that moves a bar while the context lasts; silent without a terminal."""
    with progress_bars(console) as bars:
        yield bars("")


@contextmanager
def progress_bars(console: Console | None = None) -> Iterator[Callable[[str], ProgressCallback]]:
    """As `progress_bar`, for several bars: makes a callback for each name, shown with its bar."""
    console = console or Console(stderr=True)
    columns = (
        TextColumn("{task.description}", markup=False),  # a label may contain brackets
        BarColumn(bar_width=20),
        # Rich's own remaining time restarts whenever the total changes.
        TextColumn("{task.fields[left]}"),
    )
    bars = Progress(
        *columns,
        console=console,
        transient=True,
        disable=not console.is_terminal,
        auto_refresh=False,  # a drawing thread would take time from the measured runs
    )

    def named(name: str) -> ProgressCallback:
        task = bars.add_task(name, total=None, left="")

        def update(step: str, elapsed: float, total: float) -> None:
            left = _left(total - elapsed) if total else ""
            text = f"{name} {step}".strip()
            bars.update(task, description=text, completed=elapsed, total=total or None, left=left)
            bars.refresh()

        return update

    with bars:
        yield named


def _left(seconds: float) -> str:
    minutes, rest = divmod(round(max(0, seconds)), 60)
    return f"{minutes}:{rest:02} left"


def cell_text(threads: int, length: int) -> str:
    """How a number of threads and a sequence length are shown."""
    return f"{threads} thread{'s' * (threads > 1)}, length {length}"


def report_push(progress: ProgressCallback, sent: int, total: int, elapsed: float) -> None:
    """Report bytes sent to a phone.

    Args:
        progress: The callback.
        sent: Bytes sent, at least 1.
        total: Bytes to send.
        elapsed: Seconds since the push began.
    """
    step = f"push {sent / 1e6:.0f} of {total / 1e6:.0f} MB"
    progress(step, elapsed, elapsed * total / sent)
