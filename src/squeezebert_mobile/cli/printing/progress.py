"""Notes, and progress bars of training and of runs over the lines of stdin, on stderr."""

import os
import stat
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace

from rich.progress import (
    BarColumn,
    Progress,
    ProgressColumn,
    SpinnerColumn,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)

from squeezebert_mobile.progress import Progress as StepsProgress
from squeezebert_mobile.progress import shown, silent
from squeezebert_mobile.streams import Console, print_line, print_plain
from squeezebert_mobile.training.history import TrainingProgress
from squeezebert_mobile.training.processes import is_first_process

__all__ = ["download_progress", "line_progress", "print_note", "training_progress"]


def print_note(text: str) -> None:
    """Print a note for the user to stderr, in one line."""
    print_line(f"note: {text}", stderr=True)


def download_progress(as_json: bool) -> StepsProgress:
    """Shows the download of a checkpoint; a program that reads JSON sees no line of it."""
    return shown() if is_first_process() and (sys.stderr.isatty() or not as_json) else silent


@contextmanager
def training_progress(console: Console) -> Iterator[Callable[[TrainingProgress], None]]:
    """A progress bar with loss and last score; a line for each epoch without a terminal."""
    if not console.is_terminal:
        with _epoch_lines(console) as report:
            yield report
        return
    columns = (
        SpinnerColumn(),
        TextColumn("{task.description}"),
        BarColumn(bar_width=20),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=console, transient=True, redirect_stdout=False) as bar:
        task = bar.add_task("read", total=None)

        def report_step(now: TrainingProgress) -> None:
            bar.update(task, description=_epoch(now), completed=now.step, total=now.steps)

        yield report_step


@contextmanager
def _epoch_lines(console: Console) -> Iterator[Callable[[TrainingProgress], None]]:
    """Prints a line at the end of each epoch, with its time, last loss and score.

    The score of an epoch is known at the first step of the next one. That of the last epoch is in
    the table at the end.
    """
    last: TrainingProgress | None = None
    start = time.monotonic()

    def show(now: TrainingProgress) -> None:
        print_plain(f"{_epoch(now)}  {time.monotonic() - start:.1f} s", console)

    def report(now: TrainingProgress) -> None:
        nonlocal last, start
        if last and last.epoch != now.epoch:
            show(replace(last, score=now.score))
            start = time.monotonic()
        last = now

    yield report
    if last:
        show(replace(last, score=None))


def _epoch(now: TrainingProgress) -> str:
    score = f"  {now.score.name} {now.score.value:.3f}" if now.score else ""
    return f"epoch {now.epoch}  loss {now.loss:.3f}{score}"


def _input_size() -> int | None:
    """The bytes of stdin if it is a file."""
    try:
        status = os.fstat(sys.stdin.fileno())
    except OSError:  # in a test or a notebook stdin may be text in memory
        return None
    return status.st_size if stat.S_ISREG(status.st_mode) else None


@contextmanager
def line_progress(*, prints: bool = True) -> Iterator[Callable[[int], None]]:
    """The number of answered lines of stdin; the callback takes the size of each in bytes.

    Silent if stderr is not a terminal, or if lines or answers appear there as well. If stdin is a
    file there is a bar with the remaining time.

    Args:
        prints: Whether answers are printed meanwhile.
    """
    console = Console(stderr=True)
    is_hidden = not console.is_terminal or sys.stdin.isatty()
    is_hidden = is_hidden or (prints and sys.stdout.isatty())
    total = _input_size()
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
