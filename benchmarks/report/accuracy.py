"""Latency against accuracy, where evaluations of the models are given."""

from collections.abc import Iterator, Sequence
from functools import partial

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


def accuracies(results: Results, evaluated: Sequence[Evaluated]) -> Iterator[Block]:
    """A picture and a table for each data set: the models that were measured and evaluated."""
    workload = main_workload(results)
    measured = {each.contender: each for each in measurements_at(results, workload)}
    for data in dict.fromkeys(each.data for each in evaluated):
        points: list[tuple[str, float, float]] = []
        rows: list[Row] = []
        metric = ""
        for each in evaluated:
            found = next(((name, v) for name, v in each.metrics.items() if v is not None), None)
            label = next((x for x in measured if x in {each.name, each.model}), None)
            if each.data == data and found and label and found[0] == (metric or found[0]):
                metric, value = found
                points.append((label, measured[label].latency.median_ms, 100 * value))
                percent = f"{100 * value:.1f} %"
                rows.append((label, format_median(measured[label]), percent, str(each.examples)))
        if rows:
            alt = "; ".join(f"{n}: {format_number(ms)} ms, {v:.1f} %" for n, ms, v in points)
            yield Picture(
                alt=f"Latency and {metric} on {data}. {alt}.",
                caption=f"{metric} on {data}, and latency: {workload_text(workload)}.",
                draw=partial(figures.latency_against, points, f"{metric}, %"),
            )
            header = ("model", "median ms", metric, "examples")
            yield Table(f"{metric} on {data}, {workload_text(workload)}", header, tuple(rows))
    if missing := sorted({each.name for each in evaluated} - measured.keys()):
        names = ", ".join(missing)
        yield Listing((f"Evaluated, but not measured under that name: {names}.",))
