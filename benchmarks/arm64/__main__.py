"""The command line: counts given models, or the base models of ours and the peers."""

import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

from squeezebert_mobile.benchmarks.arm64.checking import (
    CHECKED_LENGTH,
    SHIPPED,
    SHIPPED_RUNTIMES,
    check,
)
from squeezebert_mobile.benchmarks.arm64.cores import CORES, DEFAULT_CORES
from squeezebert_mobile.benchmarks.arm64.printing import print_counts
from squeezebert_mobile.benchmarks.arm64.records import CountsFile
from squeezebert_mobile.benchmarks.arm64.runtimes import RUNTIMES
from squeezebert_mobile.benchmarks.arm64.survey import Plan, base_models, count_all, given_models
from squeezebert_mobile.benchmarks.arm64.userland import prepare
from squeezebert_mobile.benchmarks.command import run_command
from squeezebert_mobile.cache import cache_folder
from squeezebert_mobile.errors import BenchmarkError, choose
from squeezebert_mobile.streams import Console

__all__ = ["main"]

_LABELS = tuple(runtime.label for runtime in RUNTIMES)

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False, rich_markup_mode=None)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command and return its exit code."""
    return run_command(app, "python -m squeezebert_mobile.benchmarks.arm64", arguments)


def _check_cpus(cpus: list[str] | None) -> list[str] | None:
    for cpu in cpus or ():
        if cpu not in CORES:
            raise typer.BadParameter(choose("cpu", cpu, CORES))
    return cpus


def _check_runtimes(labels: list[str] | None) -> list[str] | None:
    for label in labels or ():
        if label not in _LABELS:
            raise typer.BadParameter(choose("runtime", label, _LABELS))
    return labels


@app.command(
    help="Count the ARM64 instructions of one inference under emulation. Counts, not times."
)
def _arm64(
    models: Annotated[
        list[Path] | None,
        typer.Argument(
            metavar="MODEL...",
            help="Artifacts, or .onnx, .pte or .tflite files; default: SqueezeBERT and BERT-base, "
            "ours and the peers'.",
        ),
    ] = None,
    only: Annotated[
        list[str] | None,
        typer.Option(
            metavar="WORDS",
            help="Of the default models, those with all of these words in their names, such as "
            "'SqueezeBERT int8'; repeat it to select more.",
        ),
    ] = None,
    cpu: Annotated[
        list[str] | None,
        typer.Option(
            metavar="|".join(CORES),
            callback=_check_cpus,
            help=f"The core to emulate; default: {', '.join(DEFAULT_CORES)}.",
        ),
    ] = None,
    runtime: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME",
            callback=_check_runtimes,
            help=f"{', '.join(map(repr, _LABELS))}; default: all that run a model.",
        ),
    ] = None,
    sequence_length: Annotated[int, typer.Option(metavar="N", help="In tokens.")] = 128,
    only_check: Annotated[
        bool,
        typer.Option(
            "--check",
            help="Count the default artifact, in each format and on each core, and fail if a "
            "count has grown.",
        ),
    ] = False,
    output: Annotated[
        Path | None,
        typer.Option(
            *("-o", "--output"),
            metavar="FILE",
            help="Write the counts there as JSON, each when it is known.",
        ),
    ] = None,
    resume: Annotated[
        bool, typer.Option("--resume", help="Keep the counts in the output file; count the others.")
    ] = False,
) -> None:
    if resume and output is None:
        raise typer.BadParameter("--resume needs the file to continue; add -o FILE")
    progress = Console(stderr=True)

    def report(step: str) -> None:
        progress.print(step, highlight=False, soft_wrap=True)

    file = CountsFile(output, resume=resume)
    userland = prepare(cache_folder() / "arm64", progress=report)
    plan = Plan(tuple(cpu or DEFAULT_CORES), tuple(runtime or _LABELS), sequence_length)
    if only_check:
        plan = Plan(DEFAULT_CORES, SHIPPED_RUNTIMES, CHECKED_LENGTH, by_operator=False)
    with tempfile.TemporaryDirectory(prefix="squeezebert-arm64-") as folder:
        if models:
            named = given_models(models)
        else:
            wanted = list(SHIPPED) if only_check else only or []
            named = base_models(wanted, Path(folder), report)
        counts = count_all(userland, named, plan, file, report, strict=bool(models))
    if not counts:
        raise BenchmarkError("nothing could be counted; the reasons are above")
    print_counts(counts, Console())
    if only_check:
        check(counts)


if __name__ == "__main__":
    sys.exit(main())
