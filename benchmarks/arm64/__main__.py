"""The command line: counts given models, or the base models of ours and the peers."""

import json
import sys
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Annotated

import typer
from rich.table import Table

from squeezebert_mobile.benchmarks.arm64.counting import CPUS, Count, count
from squeezebert_mobile.benchmarks.arm64.userland import prepare
from squeezebert_mobile.benchmarks.command import run_command
from squeezebert_mobile.benchmarks.peers import BuildError, build_in_subprocess, select
from squeezebert_mobile.cache import cache_folder
from squeezebert_mobile.errors import BenchmarkError, choose
from squeezebert_mobile.streams import Console

__all__ = ["check", "main", "print_counts"]

_MOST = 6  # operators shown in a row

#: The default artifact at 128 tokens on the first of CPUS: a count more than 1 % above this fails.
SHIPPED = "ours SqueezeBERT onnx int8"
SHIPPED_INSTRUCTIONS = 528_800_000
_ALLOWED = 1.01

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False, rich_markup_mode=None)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command and return its exit code."""
    return run_command(app, "python -m squeezebert_mobile.benchmarks.arm64", arguments)


def _check_cpus(cpus: list[str] | None) -> list[str] | None:
    for cpu in cpus or ():
        if cpu not in CPUS:
            raise typer.BadParameter(choose("cpu", cpu, CPUS))
    return cpus


@app.command(
    help="Count the ARM64 instructions of one inference under emulation. Counts, not times."
)
def _arm64(
    models: Annotated[
        list[Path] | None,
        typer.Argument(
            metavar="MODEL...",
            help="Artifacts or .onnx files; default: SqueezeBERT and BERT-base, ours and the "
            "peers'.",
        ),
    ] = None,
    cpu: Annotated[
        list[str] | None,
        typer.Option(
            metavar="|".join(CPUS), callback=_check_cpus, help="The core to emulate; default: all."
        ),
    ] = None,
    sequence_length: Annotated[int, typer.Option(metavar="N", help="In tokens.")] = 128,
    only_check: Annotated[
        bool,
        typer.Option(
            "--check",
            help="Count the default artifact alone, and fail if its count has grown.",
        ),
    ] = False,
    output: Annotated[
        Path | None, typer.Option("-o", "--output", help="Write the counts as JSON.")
    ] = None,
) -> None:
    progress = Console(stderr=True)
    cpus = CPUS[:1] if only_check else cpu or CPUS
    userland = prepare(
        cache_folder() / "arm64", progress=lambda step: progress.print(f"get {step}")
    )
    counts: list[Count] = []
    with tempfile.TemporaryDirectory() as folder:
        named = [(str(model), model) for model in models or ()]
        wanted = [SHIPPED] if only_check else ["onnx"]
        for name, model in named or _base_models(wanted, Path(folder), progress):
            for core in cpus:
                progress.print(f"count {name} on {core}")
                try:
                    result = count(userland, model, cpu=core, length=sequence_length)
                except BenchmarkError as error:
                    if models:
                        raise
                    progress.print(f"no count: {error}")  # a peer may fail; the others count
                else:
                    counts.append(replace(result, model=name))
    if not counts:
        raise BenchmarkError("nothing could be counted; the reasons are above")
    if output:
        text = json.dumps([asdict(each) for each in counts], indent=1)
        output.write_text(text + "\n", encoding="utf-8")
    print_counts(counts, Console())
    if only_check:
        check(counts[0].instructions)


def check(instructions: int) -> None:
    """Compare the count of the default artifact with SHIPPED_INSTRUCTIONS.

    Raises:
        BenchmarkError: it is more than 1 % larger.
    """
    if instructions > _ALLOWED * SHIPPED_INSTRUCTIONS:
        raise BenchmarkError(
            f"{SHIPPED} takes {instructions / 1e6:.1f} M instructions, and took "
            f"{SHIPPED_INSTRUCTIONS / 1e6:.1f} M; find the operator that grew, or write the new "
            "count into benchmarks/arm64/__main__.py and say why"
        )


def _base_models(
    wanted: Sequence[str], folder: Path, progress: Console
) -> Iterator[tuple[str, Path]]:
    """The selected models of base size, each built just before it is counted."""
    for model in select(wanted):
        if not model.variant:
            progress.print(f"build {model.label}")
            try:
                build_in_subprocess(folder / "build.log", model.build, folder)
            except BuildError as error:
                progress.print(f"not built: {error}")
            else:
                yield model.label, model.path(folder)


def print_counts(counts: Sequence[Count], console: Console) -> None:
    """Print a row for each model and core: its instructions, and the largest operators."""
    table = Table("model", "cpu", "M instructions", "of them", box=None, pad_edge=False)
    table.columns[2].justify = "right"
    for each in counts:
        largest = list(each.by_operator.items())[:_MOST]
        parts = ", ".join(f"{name} {number / 1e6:.0f}" for name, number in largest)
        table.add_row(each.model, each.cpu, f"{each.instructions / 1e6:.1f}", parts)
    console.print(table)
    checked = sum(each.golden_texts or 0 for each in counts)
    console.print(
        f"Instructions of one inference, {counts[0].sequence_length} tokens, one thread, "
        f"onnxruntime {counts[0].onnxruntime} under emulation: counts, not times. "
        f"{checked} golden answers were checked."
    )


if __name__ == "__main__":
    sys.exit(main())
