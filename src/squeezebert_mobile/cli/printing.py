"""What checkpoints, exports and artifacts look like on a terminal: steps as they go, and tables."""

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich import box
from rich.console import Console
from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn, TimeRemainingColumn
from rich.table import Table

from squeezebert_mobile.artifact import Accuracy, Manifest, ModelFacts, Parity
from squeezebert_mobile.runtime.golden_check import GoldenCheck

if TYPE_CHECKING:
    from squeezebert_mobile.export.inspection import CheckpointFacts
    from squeezebert_mobile.training.loop import Progress as Step  # these need torch

__all__ = [
    "export_progress",
    "print_artifact",
    "print_checkpoint",
    "print_export",
    "print_training",
    "print_verification",
    "training_progress",
]

Report = Callable[[int, int], None]
_SHOWN = 3  # of the most sensitive units


def export_progress(console: Console) -> Callable[[str], AbstractContextManager[Report]]:
    """Shows each step with its time; nothing where `console` is no terminal."""

    @contextmanager
    def step(name: str) -> Iterator[Report]:
        begun = time.monotonic()
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
                console.print(f"{mark} {name:<10}{time.monotonic() - begun:6.1f} s")

    return step


@contextmanager
def training_progress(console: Console) -> "Iterator[Callable[[Step], None]]":
    """Shows each step with its loss and the last score; nothing where `console` is no terminal."""
    columns = (
        SpinnerColumn(),
        TextColumn("{task.description}"),
        BarColumn(bar_width=20),
        TimeRemainingColumn(),
    )
    bar = Progress(*columns, console=console, transient=True, disable=not console.is_terminal)
    with bar:
        task = bar.add_task("read", total=None)

        def report(at: "Step") -> None:
            score = f"  {at.score.name} {at.score.value:.3f}" if at.score else ""
            text = f"epoch {at.epoch}  loss {at.loss:.3f}{score}"
            bar.update(task, description=text, completed=at.step, total=at.steps)

        yield report


def print_training(results: Mapping[str, Any], folder: Path, console: Console) -> None:
    """What a training came to: the loss and the score of each epoch, the best one marked."""
    figures = [name for name in results["best"] if name != "epoch"]
    table = _table("epoch", *figures, "")
    for epoch in results["epochs"]:
        kept = "kept" if epoch == results["best"] else ""
        table.add_row(str(epoch["epoch"]), *(_figure(epoch[name]) for name in figures), kept)
    console.print(table)
    console.print(f"written to {folder}", highlight=False, soft_wrap=True)


def _figure(value: float) -> str:
    return str(value) if isinstance(value, int) else f"{value:.4f}"


def print_export(manifest: Manifest, folder: Path, console: Console) -> None:
    """What was written: its size by part, before and after, and how close its answers are."""
    _print_sizes(manifest, console)
    console.print(f"written to {folder}", highlight=False, soft_wrap=True)


def print_artifact(manifest: Manifest, console: Console) -> None:
    """Everything a user of the artifact may ask: what `print_export` shows, and what it needs."""
    _print_sizes(manifest, console)
    source = manifest.source
    _print_facts(
        console,
        {
            "from": f"{source.name} (weights sha256 {source.sha256[:12]}…)",
            "licence": source.license or "none stated",
            "groups": _groups(manifest.model),
            "labels": ", ".join(manifest.labels or ()),
            "inputs": ", ".join(spec.name for spec in manifest.inputs),
            "axes": ", ".join(str(axis) for axis in manifest.inputs[0].axes),
            "longest input": f"{manifest.max_sequence_length} tokens",
            "reserves": _reserved(manifest),
            "made with": ", ".join(f"{name} {v}" for name, v in manifest.versions.items()),
        },
    )
    console.print(_operator_table("operator", manifest.operators))
    if manifest.delegated:
        console.print(_operator_table("delegated", manifest.delegated))


def _reserved(manifest: Manifest) -> str:
    if manifest.planned_bytes is None:
        return ""
    return f"{manifest.planned_bytes / 1e6:.1f} MB of memory, for the longest input"


def _operator_table(title: str, operators: Mapping[str, int]) -> Table:
    table = _table(title, "count")
    for name, count in sorted(operators.items(), key=lambda item: -item[1]):
        table.add_row(name, str(count))
    return table


def print_checkpoint(facts: "CheckpointFacts", console: Console) -> None:
    """What there is to export, and how large it will be."""
    console.print(facts.name, highlight=False, soft_wrap=True)
    console.print(_architecture(facts.model))
    _print_facts(
        console,
        {
            "task": facts.task,
            "heads": ", ".join(facts.heads),
            "licence": facts.license or "none stated",
            "groups": _groups(facts.model),
            "labels": ", ".join(facts.labels) if "classification" in facts.task else "",
            "longest input": f"{facts.max_sequence_length} tokens",
            "vocabulary": f"{facts.model.vocab_size} tokens",
        },
    )
    parts = _table("part", "parameters", "float32 MB")
    for name, part in facts.parts.items():
        parts.add_row(name, f"{part.parameters / 1e6:.2f} M", f"{part.bytes / 1e6:.2f}")
    layers = _table("layer", "shape", "groups", "count", "parameters", "multiply-adds a token")
    for layer in facts.operators:
        layers.add_row(
            layer.kind,
            " x ".join(map(str, layer.shape)),
            str(layer.groups),
            str(layer.count),
            f"{layer.parameters:,}",
            f"{layer.multiply_adds:,}" if layer.multiply_adds else "",
        )
    columns = facts.expected_bytes["onnx"]  # it comes in all precisions
    sizes = _table("expected MB of weights", *columns)
    for name, found in facts.expected_bytes.items():
        sizes.add_row(name, *(f"{found[p] / 1e6:.2f}" if p in found else "" for p in columns))
    console.print(parts, layers, sizes)


def _print_facts(console: Console, facts: dict[str, str]) -> None:
    """Name and value a line; long values are folded beside their names."""
    table = Table(box=None, show_header=False, pad_edge=False)
    table.add_column(style="dim", no_wrap=True)
    table.add_column()
    for name, value in facts.items():
        if value:
            table.add_row(name, value)
    console.print(table)


def _architecture(model: ModelFacts) -> str:
    return (
        f"{model.type}, {model.layers} layers of {model.hidden}, {model.heads} heads, "
        f"{model.parameters / 1e6:.1f} M parameters"
    )


def _groups(model: ModelFacts) -> str:
    """'4 (attention_output 1)': the usual number, and who has another."""
    usual = max(model.groups.values(), key=list(model.groups.values()).count)
    others = [f"{name} {count}" for name, count in model.groups.items() if count != usual]
    return f"{usual} ({', '.join(others)})" if others else str(usual)


def _print_sizes(manifest: Manifest, console: Console) -> None:
    console.print(f"{manifest.task}, {manifest.precision} {manifest.format}")
    console.print(_architecture(manifest.model))
    console.print(_size_table(manifest), _parity_table(manifest.parity))
    console.print(_agreement(manifest.parity))
    if manifest.accuracy:
        console.print(_accuracy(manifest.accuracy), highlight=False)
    if manifest.quantization:
        for part, why in manifest.quantization.kept.items():
            console.print(f"kept {part}: {why}", style="dim", highlight=False)
        for operator, how in manifest.quantization.approximated.items():
            console.print(f"approximated {operator}: {how}", style="dim", highlight=False)
        if found := _most_sensitive(manifest.quantization.sensitivity):
            console.print(f"most sensitive: {found}", style="dim", highlight=False)
    if manifest.weights == "random":
        console.print("random weights: latency is real, answers are not", style="yellow")


def _accuracy(found: Accuracy) -> str:
    return (
        f"{found.metric} on {found.data} ({found.examples:,} examples): {found.artifact:.4f}, the "
        f"checkpoint's {found.checkpoint:.4f}"
    )


def _most_sensitive(sensitivity: Mapping[str, float]) -> str:
    worst = sorted(sensitivity.items(), key=lambda item: item[1])[:_SHOWN]
    return ", ".join(f"{unit} {decibels:.0f} dB" for unit, decibels in worst)


def _table(*columns: str) -> Table:
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for number, column in enumerate(columns):
        table.add_column(column, justify="right" if number else "left")
    return table


def _size_table(manifest: Manifest) -> Table:
    table = _table("MB", "parameters", "checkpoint", manifest.precision, "smaller")
    for name, part in manifest.parts.items():
        table.add_row(name, *_sizes(part.parameters, part.checkpoint_bytes, part.bytes))
    parameters, after = manifest.model.parameters, manifest.model_bytes
    before = sum(part.checkpoint_bytes for part in manifest.parts.values())
    table.add_section()
    table.add_row(manifest.model_file, *_sizes(parameters, before, after))
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
