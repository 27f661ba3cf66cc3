"""Count models, or ours and the peers' of base size."""

import argparse
import json
import sys
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import asdict, replace
from pathlib import Path

from rich.console import Console
from rich.table import Table

from squeezebert_mobile.benchmarks.arm64.counting import CPUS, Count, count
from squeezebert_mobile.benchmarks.arm64.userland import prepare
from squeezebert_mobile.benchmarks.peers import BuildFailed, build_apart, select
from squeezebert_mobile.cache import cache_folder
from squeezebert_mobile.errors import BenchmarkError, SqueezeBertMobileError

_MOST = 6  # operators a row

#: The default artifact, 128 tokens, on the first of CPUS: more than a hundredth above this fails.
SHIPPED = "ours SqueezeBERT onnx int8"
SHIPPED_INSTRUCTIONS = 528_800_000
_ALLOWED = 1.01


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line; an error of ours is one line and exit code 1."""
    try:
        _main(arguments)
    except SqueezeBertMobileError as error:
        print(f"error: {error}", file=sys.stderr)
        raise SystemExit(1) from None


def _main(arguments: Sequence[str] | None) -> None:
    parser = argparse.ArgumentParser(
        prog="python -m squeezebert_mobile.benchmarks.arm64",
        description="Count ARM64 instructions of one inference under emulation. Counts, not times.",
    )
    parser.add_argument("models", nargs="*", type=Path, help="artifacts or .onnx files; default: "
                        "SqueezeBERT and BERT-base, ours and the peers'")  # fmt: skip
    parser.add_argument("--cpu", choices=CPUS, action="append", help="default: all")
    parser.add_argument("--sequence-length", type=int, default=128, metavar="N")
    parser.add_argument("--check", action="store_true", help="count the default artifact alone, "
                        "and fail if it takes more than it did")  # fmt: skip
    parser.add_argument("-o", "--output", type=Path, help="write the counts as JSON")
    given = parser.parse_args(arguments)
    console = Console(stderr=True)
    userland = prepare(cache_folder() / "arm64", progress=lambda step: console.print(f"get {step}"))
    counts: list[Count] = []
    with tempfile.TemporaryDirectory() as folder:
        named = [(str(model), model) for model in given.models]
        wanted = [SHIPPED] if given.check else ["onnx"]
        for name, model in named or _base_models(wanted, Path(folder), console):
            for cpu in CPUS[:1] if given.check else given.cpu or CPUS:
                console.print(f"count {name} on {cpu}")
                try:
                    found = count(userland, model, cpu=cpu, length=given.sequence_length)
                except BenchmarkError as error:
                    if given.models:
                        raise
                    console.print(f"no count: {error}")  # a peer may fail; the others count
                else:
                    counts.append(replace(found, model=name))
    if not counts:
        raise BenchmarkError("nothing could be counted; the reasons stand above")
    if given.output:
        text = json.dumps([asdict(each) for each in counts], indent=1)
        given.output.write_text(text + "\n", encoding="utf-8")
    print_counts(counts, Console())
    if given.check:
        check(counts[0].instructions)


def check(instructions: int) -> None:
    """Hold the default artifact's count against the one in this file.

    Raises:
        BenchmarkError: it is more than a hundredth larger.
    """
    if instructions > _ALLOWED * SHIPPED_INSTRUCTIONS:
        raise BenchmarkError(
            f"{SHIPPED} takes {instructions / 1e6:.1f} M instructions, and took "
            f"{SHIPPED_INSTRUCTIONS / 1e6:.1f} M; find the operator that grew, or write the new "
            "count into benchmarks/arm64/__main__.py and say why"
        )


def _base_models(
    wanted: Sequence[str], folder: Path, console: Console
) -> Iterator[tuple[str, Path]]:
    """Ours and the peers' ONNX models of base size, each made when it is asked for."""
    for model in select(wanted):
        if not model.variant:
            console.print(f"build {model.label}")
            try:
                build_apart(folder / "build.log", model.build, folder)
            except BuildFailed as error:
                console.print(f"not built: {error}")
            else:
                yield model.label, model.path(folder)


def print_counts(counts: Sequence[Count], console: Console) -> None:
    """A row a model and core: instructions, and the operators that take most of them."""
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
    main()
