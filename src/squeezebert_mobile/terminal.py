"""What an export shows on a terminal: its steps as they go, and a table at the end."""

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

from rich import box
from rich.console import Console
from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn
from rich.table import Table

from squeezebert_mobile.artifact import Manifest, Parity
from squeezebert_mobile.runtime.golden import GoldenCheck

__all__ = ["export_progress", "print_export", "print_verification"]

Report = Callable[[int, int], None]


def export_progress(console: Console) -> Callable[[str], AbstractContextManager[Report]]:
    """Shows each step with its time; nothing where `console` is no terminal."""

    @contextmanager
    def step(name: str) -> Iterator[Report]:
        begun = time.monotonic()
        columns = (SpinnerColumn(), TextColumn("{task.description}"), BarColumn(bar_width=30))
        bar = Progress(*columns, console=console, transient=True, disable=not console.is_terminal)
        with bar:
            task = bar.add_task(name, total=None)
            yield lambda done, total: bar.update(task, completed=done, total=total)
        if console.is_terminal:
            console.print(f"[green]✓[/] {name:<10}{time.monotonic() - begun:6.1f} s")

    return step


def print_export(manifest: Manifest, folder: Path, console: Console) -> None:
    """What was written: its size by part, before and after, and how close its answers are."""
    model = manifest.model
    console.print(
        f"{manifest.task}, {manifest.precision} {manifest.format}: {model.type}, "
        f"{model.layers} layers of {model.hidden}, {model.parameters / 1e6:.1f} M parameters"
    )
    console.print(_size_table(manifest), _parity_table(manifest.parity))
    console.print(_agreement(manifest.parity))
    for part, why in (manifest.quantization.kept if manifest.quantization else {}).items():
        console.print(f"kept {part}: {why}", style="dim", highlight=False)
    if manifest.weights == "random":
        console.print("random weights: latency is real, answers are not", style="yellow")
    console.print(f"written to {folder}", highlight=False, soft_wrap=True)


def _table(*columns: str) -> Table:
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for number, column in enumerate(columns):
        table.add_column(column, justify="right" if number else "left")
    return table


def _size_table(manifest: Manifest) -> Table:
    table = _table("MB", "parameters", "checkpoint", manifest.precision, "smaller")
    for name, part in manifest.parts.items():
        table.add_row(name, *_sizes(part.parameters, part.checkpoint_bytes, part.bytes))
    before = sum(part.checkpoint_bytes for part in manifest.parts.values())
    file = manifest.files[manifest.model_file].bytes
    table.add_section()
    table.add_row(manifest.model_file, *_sizes(manifest.model.parameters, before, file))
    return table


def _sizes(parameters: int, before: int, after: int) -> tuple[str, ...]:
    ratio = f"{before / after:.1f}x" if after else ""
    return f"{parameters / 1e6:.2f} M", f"{before / 1e6:.2f}", f"{after / 1e6:.2f}", ratio


def _parity_table(parity: Parity) -> Table:
    table = _table("against fp32", "max |diff|", "mean cosine", "min cosine")
    for name, output in parity.outputs.items():
        table.add_row(
            name,
            f"{output.max_abs_diff:.2g}",
            f"{output.mean_cosine:.5f}",
            f"{output.min_cosine:.5f}",
        )
    return table


def print_verification(
    manifest: Manifest, checks: Sequence[GoldenCheck], parity: Parity | None, console: Console
) -> None:
    """What was checked: the files, the golden answers, and the checkpoint's, if it was asked."""
    console.print(f"{len(manifest.files)} files, checksums right")
    table = _table("golden answers", "max |diff|", "at most", "same answer")
    for check in checks:
        same = "" if check.same_answers is None else f"{check.same_answers} of {check.texts}"
        table.add_row(check.output, f"{check.max_abs_diff:.2g}", f"{check.tolerance:.2g}", same)
    console.print(table)
    if parity:
        console.print(_parity_table(parity), _agreement(parity))


def _agreement(parity: Parity) -> str:
    text = f"verified on {parity.texts} texts"
    if parity.top1_agreement is None:
        return text
    return (
        f"{text}: same answer in {parity.top1_agreement:.2%} of {parity.answers} "
        f"({parity.answers_undecided} too close to call)"
    )
