"""Latency against accuracy, where evaluations of the models are given."""

from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path

from squeezebert_mobile.benchmarks.records.accuracy import Evaluated
from squeezebert_mobile.benchmarks.records.results import Results
from squeezebert_mobile.benchmarks.report import figures
from squeezebert_mobile.benchmarks.report.formatting import (
    format_median,
    format_number,
    workload_text,
)
from squeezebert_mobile.benchmarks.report.queries import main_workload, measurements_at
from squeezebert_mobile.benchmarks.report.writers.page import Block, Listing, Picture, Row, Table

__all__ = ["accuracies"]

_LOSSES = {"loss", "perplexity"}  # of fill-mask


def accuracies(results: Results, evaluated: Sequence[Evaluated]) -> Iterator[Block]:
    """A picture and a table for each data set: the models that were measured and evaluated."""
    workload = main_workload(results)
    measured = {each.contender: each for each in measurements_at(results, workload)}
    for data in dict.fromkeys(each.data for each in evaluated):
        points: list[tuple[str, float, float]] = []
        rows: list[Row] = []
        metric, shown = "", _name(data, [each.data for each in evaluated])
        for each in evaluated:
            found = next(_fractions(each), None)
            label = next((x for x in measured if x in {each.name, each.model}), None)
            if each.data == data and found and label and found[0] == (metric or found[0]):
                metric, value = found
                points.append((label, measured[label].latency.median_ms, 100 * value))
                percent = f"{100 * value:.1f} %"
                rows.append((label, format_median(measured[label]), percent, str(each.examples)))
        if rows:
            alt = "; ".join(f"{n}: {format_number(ms)} ms, {v:.1f} %" for n, ms, v in points)
            caption = f"{metric.capitalize()} on {shown}, {workload_text(workload)}"
            yield Picture(
                alt=f"Latency and {metric} on {shown}. {alt}.",
                caption=f"{caption}.",
                draw=partial(figures.latency_against, points, f"{metric}, %"),
            )
            header = ("model", "median ms", metric, "examples")
            yield Table(caption, header, tuple(rows))
    if missing := sorted({each.name for each in evaluated} - measured.keys()):
        names = ", ".join(missing)
        yield Listing((f"Evaluated, but not measured under that name: {names}.",))


def _fractions(evaluated: Evaluated) -> Iterator[tuple[str, float]]:
    """The metrics of which 1 is the best."""
    for name, value in evaluated.metrics.items():
        if value is not None and name not in _LOSSES:
            yield name, value


def _name(path: str, others: Sequence[str]) -> str:
    """The file's name; the path if another file has the same name."""
    name = Path(path).name
    return name if all(Path(other).name != name for other in others if other != path) else path
