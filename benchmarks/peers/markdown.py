"""Results as Markdown: the report, and the table in the README."""

import re
from collections.abc import Iterator

from squeezebert_mobile.benchmarks.peers.grids import (
    Grid,
    failures,
    goal_grid,
    grids,
    main_grid,
    notes,
    taking_part,
)
from squeezebert_mobile.benchmarks.records.results import Results
from squeezebert_mobile.benchmarks.report.terminal import DOUBT
from squeezebert_mobile.errors import BenchmarkError

__all__ = ["PLOT_NAME", "check_marks", "readme_with", "report", "section"]

PLOT_NAME = "latency.svg"

_BEGIN = "<!-- benchmarks.peers --readme writes from here -->"
_END = "<!-- to here -->"
_SECTION = re.compile(f"(?<={re.escape(_BEGIN)}\n).*?(?={re.escape(_END)})", re.DOTALL)


def report(results: Results) -> str:
    """Everything, for a file beside the plot."""
    return "\n\n".join(_paragraphs(results)) + "\n"


def _paragraphs(results: Results) -> Iterator[str]:
    yield "# SqueezeBERT Mobile beside its peers"
    if not results.complete:
        yield "**Incomplete: interrupted; this is what there was.**"
    yield from notes(results)
    yield f"![The latency of every model]({PLOT_NAME})"
    for grid in (main_grid(results), goal_grid(results), *grids(results)):
        if grid.groups:
            yield f"## {grid.title}"
            yield _table(grid)
    if results.failures:
        yield "## What failed"
        yield "\n".join(f"- {line}" for line in failures(results))
    yield "## How each was built"
    ways = {model.way: model.how for model in taking_part(results)}
    yield "\n".join(f"- {way}: {how}" for way, how in ways.items())


def section(results: Results) -> str:
    """The table of the README, with what it was measured on."""
    machine, settings = results.host, results.settings
    grid = main_grid(results)
    versions = [
        f"{name} {machine.versions[name]}"
        for name in ("onnxruntime", "executorch", "torch", "transformers")
        if name in machine.versions
    ]
    virtual = ", a virtual machine" if machine.virtual else ""
    told = (
        f"{grid.title}; base size, random weights, medians of alternating runs "
        f"(preset {settings.preset}). {machine.cpu}, {machine.usable_cores} cores{virtual}, "
        f"{results.created[:10]}; {', '.join(versions)}."
    )
    table = _table(grid)
    if not results.complete:
        told += " The run was interrupted."
    if DOUBT in table:
        told += f" {DOUBT}: it changed by more than 5 % while it was measured; read the ratios."
    return f"{table}\n\n{told}\n"


def check_marks(text: str) -> None:
    """See that the text of a README has a place for `section`.

    Raises:
        BenchmarkError: it has none.
    """
    if not _SECTION.search(text):
        raise BenchmarkError(
            f"the README has no place for the table; put the lines {_BEGIN!r} and {_END!r} there"
        )


def readme_with(text: str, results: Results) -> str:
    """The text of a README with `section` between its two marks."""
    return _SECTION.sub(lambda _: section(results), text)


def _table(grid: Grid) -> str:
    header = [name.replace("\n", " ") for name in grid.header]
    lines = [header, ["---", *["---:"] * (len(header) - 1)]]
    for heading, rows in grid.groups.items():
        if heading:
            lines.append([f"**{heading}**", *[""] * (len(header) - 1)])
        lines += rows
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)
