"""Progress bars and notes of exports, evaluations and training, on stderr."""

import os
import stat
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import (
    BarColumn,
    Progress,
    ProgressColumn,
    SpinnerColumn,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)

from squeezebert_mobile import progress
from squeezebert_mobile.errors import printable
from squeezebert_mobile.training.history import TrainingProgress

__all__ = ["line_progress", "print_note", "step_progress", "training_progress"]


def print_note(text: str) -> None:
    """Print a note for the user to stderr, in one line."""
    print(f"note: {printable(text)}", file=sys.stderr)


def step_progress(console: Console) -> progress.Progress:
    """A progress bar and the time of each step; silent if `console` is not a terminal."""

    @contextmanager
    def step(name: str) -> Iterator[progress.StepProgress]:
        start = time.monotonic()
        columns = (SpinnerColumn(), TextColumn("{task.description}"), BarColumn(bar_width=30))
        bar = Progress(*columns, console=console, transient=True, disable=not console.is_terminal)
        mark = "[red]✗[/]"
        try:
            with bar:
                task = bar.add_task(name, total=None)
                yield lambda done, total: bar.update(task, completed=done, total=total)
            mark = "[green]✓[/]"
        finally:
            if console.is_terminal:
                console.print(f"{mark} {name:<10}{time.monotonic() - start:6.1f} s")

    return step


@contextmanager
def training_progress(console: Console) -> Iterator[Callable[[TrainingProgress], None]]:
    """A progress bar with loss and last score; silent if `console` is not a terminal."""
    columns = (
        SpinnerColumn(),
        TextColumn("{task.description}"),
        BarColumn(bar_width=20),
        TimeRemainingColumn(),
    )
    bar = Progress(*columns, console=console, transient=True, disable=not console.is_terminal)
    with bar:
        task = bar.add_task("read", total=None)

        def report(now: TrainingProgress) -> None:
            score = f"  {now.score.name} {now.score.value:.3f}" if now.score else ""
            text = f"epoch {now.epoch}  loss {now.loss:.3f}{score}"
            bar.update(task, description=text, completed=now.step, total=now.steps)

        yield report


@contextmanager
def line_progress() -> Iterator[Callable[[int], None]]:
    """The number of answered lines of stdin; the callback takes the size of each in bytes.

    Silent if stderr is not a terminal, or if lines or answers appear there as well. If stdin is a
    file there is a bar with the remaining time.
    """
    console = Console(stderr=True)
    is_hidden = not console.is_terminal or sys.stdin.isatty() or sys.stdout.isatty()
    status = os.fstat(sys.stdin.fileno())
    total = status.st_size if stat.S_ISREG(status.st_mode) else None
    columns: list[ProgressColumn] = [SpinnerColumn(), TextColumn("{task.fields[lines]} lines")]
    columns += [BarColumn(bar_width=30), TimeRemainingColumn()] if total else [TimeElapsedColumn()]
    lines = 0
    # rich would print what goes to stdout above the bar, on stderr.
    with Progress(
        *columns, console=console, transient=True, disable=is_hidden, redirect_stdout=False
    ) as bar:
        task = bar.add_task("lines", total=total, lines=lines)

        def report(size: int) -> None:
            nonlocal lines
            lines += 1
            bar.update(task, advance=size, lines=lines)

        yield report
