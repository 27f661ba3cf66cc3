"""What an app waits for: from text to answer, and from the start of a process."""

import statistics
from collections.abc import Iterator

from squeezebert_mobile.benchmarks.records.results import Measurement, Results
from squeezebert_mobile.benchmarks.report.formatting import (
    format_median,
    format_number,
    plural,
    workload_text,
)
from squeezebert_mobile.benchmarks.report.latency import model_cell
from squeezebert_mobile.benchmarks.report.queries import facts_of, main_workload, measurements_at
from squeezebert_mobile.benchmarks.report.writers.page import Block, Row, Table

__all__ = ["answer_times"]


def answer_times(results: Results, *, compact: bool = False) -> Iterator[Block]:
    """A table for each workload: the model alone, from text to answer, the first answer.

    Args:
        results: The results.
        compact: Only the main workload, for 80 columns.
    """
    workloads = dict.fromkeys((m.threads, m.sequence_length) for m in results.from_text)
    first = (results.settings.start_threads, max(results.settings.sequence_lengths))
    for workload in workloads:
        if compact and workload != main_workload(results):
            continue
        alone = {each.contender: each for each in measurements_at(results, workload)}
        rows: list[Row] = []
        for each in results.from_text:
            if (each.threads, each.sequence_length) == workload:
                name = model_cell(results, facts_of(results, each.contender), compact=compact)
                rows.append((name, *_cells(each, alone.get(each.contender))))
        header = ("model", "model\nalone ms", "text to\nanswer ms", "90 %\nms", "added\nms")
        yield Table(f"From text to answer, {workload_text(workload)}", header, tuple(rows))
    if results.first_answers:
        times = [
            (
                model_cell(results, facts_of(results, label), compact=compact),
                format_number(statistics.median(each)),
            )
            for label, each in results.first_answers.items()
        ]
        caption = f"From the start of a process to its first answer, {workload_text(first)}"
        yield Table(caption, ("model", "first\nanswer ms"), tuple(times))
    if workloads:
        processes = plural(results.settings.starts, "fresh process", "es")
        yield (
            "Text to answer: medians of calls that tokenize a text, run the model and read the "
            "answer, in blocks of their own after those of the model alone; added: what this "
            f"takes beside the model. First answer: medians over {processes} that import "
            "squeezebert_mobile.runtime, load the artifact with all checks and answer a text."
        )


def _cells(answering: Measurement, alone: Measurement | None) -> tuple[str, ...]:
    latency = answering.latency
    added = format_number(latency.median_ms - alone.latency.median_ms) if alone else ""
    return (
        format_median(alone) if alone else "",
        format_median(answering),
        format_number(latency.p90_ms),
        added,
    )
