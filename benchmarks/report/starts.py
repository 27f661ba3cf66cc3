"""What an app waits for: starts of fresh processes, with memory and size; from text to answer."""

import statistics
from collections.abc import Callable, Iterable, Iterator, Sequence

from squeezebert_mobile.benchmarks.records.phone import PhoneStart
from squeezebert_mobile.benchmarks.records.results import (
    ContenderFacts,
    Measurement,
    Results,
    Start,
)
from squeezebert_mobile.benchmarks.report.formatting import (
    format_median,
    format_number,
    plural,
    workload_text,
)
from squeezebert_mobile.benchmarks.report.latency import model_cell, stand_in_mark
from squeezebert_mobile.benchmarks.report.queries import facts_of, main_workload, measurements_at
from squeezebert_mobile.benchmarks.report.writers.page import Block, Row, Table

__all__ = ["answer_times", "start_cells", "start_notes", "start_table", "starts"]

_MIB = 1 << 20

#: Column -> its value for one start; the table shows the median over the starts that have one.
_HOST: dict[str, Callable[[Start], float | None]] = {
    "load\nms": lambda start: start.load_ms,
    "first run\nms": lambda start: start.first_run_ms,
    "resident\nMiB": lambda start: start.model_bytes / _MIB,
    "peak\nMiB": lambda start: _mib(start.peak_bytes),
}
_PHONE: dict[str, Callable[[PhoneStart], float | None]] = {
    "first\nload ms": lambda start: start.load_ms if start.first else None,
    "first\nrun ms": lambda start: start.first_run_ms if start.first else None,
    "later\nloads ms": lambda start: None if start.first else start.load_ms,
    "later\nruns ms": lambda start: None if start.first else start.first_run_ms,
    "resident\nMiB": lambda start: _mib(start.resident_bytes),
    "peak\nMiB": lambda start: _mib(start.peak_bytes),
}
_FILE = "file\nMB"

_LOADED = "load the runtime library, and the artifact with all checks, and answer a text"
#: Target -> what a process does until its first answer. The times of a phone's processes are those
#: of its kernel, in steps of 10 ms.
_FIRST = {
    "host": "import squeezebert_mobile.runtime, load the artifact with all checks, and answer a "
    "text",
    "adb": f"{_LOADED}, since app_process was started (to 10 ms)",
    "app": f"{_LOADED}, since the app's process was started (to 10 ms)",
}


def starts(results: Results, *, compact: bool = False) -> Iterator[Block]:
    """A table with a row for each model, and how it was measured."""
    rows: list[Row] = [
        (model_cell(results, facts, compact=compact), *cells)
        for facts in results.contenders
        if (cells := start_cells(results, facts))
    ]
    if rows:
        yield start_table(results, rows)
        yield from start_notes(results)


def start_table(results: Results, rows: Sequence[Row | str], *, first: str = "model") -> Table:
    """A table of start times, memory and size.

    Args:
        results: The results.
        rows: A name and `start_cells` each, or a heading.
        first: The header of the column of names.
    """
    columns = _PHONE if results.phone_starts else _HOST
    header = (first, *columns, _FILE)
    return Table(f"Start, memory and size{stand_in_mark(results)}", header, tuple(rows))


def start_cells(results: Results, facts: ContenderFacts) -> tuple[str, ...]:
    """The cells of one model after its name; empty if it was not started."""
    if on_phone := results.phone_starts.get(facts.label):
        medians = [_median(map(value, on_phone)) for value in _PHONE.values()]
    elif on_host := results.starts.get(facts.label):
        medians = [_median(map(value, on_host)) for value in _HOST.values()]
    else:
        return ()
    return (*medians, format_number(facts.file_bytes / 1e6))


def _median(values: Iterable[float | None]) -> str:
    known = [value for value in values if value is not None]
    return format_number(statistics.median(known)) if known else ""


def _mib(size: int | None) -> float | None:
    return None if size is None else size / _MIB


def start_notes(results: Results) -> Iterator[str]:
    """How the figures of `start_table` were measured."""
    settings = results.settings
    workload = (
        f"{plural(settings.start_threads, 'thread')}, {settings.start_sequence_length} tokens"
    )
    if results.phone_starts:
        yield (
            "Each start is a fresh process that loads the runtime library and the model. First: "
            "the first start of this model, whose file may not be in memory yet. Later: the median "
            "of the starts after it. Memory: medians of the whole process, after the model has run "
            f"(resident) and at its highest (peak). {workload.capitalize()}."
        )
    elif any(results.starts.values()):
        processes = plural(settings.starts, "fresh process", "es")
        runs = next(start for each in results.starts.values() for start in each).runs
        yield (
            f"Start: medians over {processes}, file in the system's cache, {workload}. Resident: "
            f"after {runs} runs, minus the process with only the library imported "
            f"({_library_memory(results)} MiB). Peak: of the whole process."
        )


def _library_memory(results: Results) -> str:
    """The median memory in MiB of a process with the library imported, by format."""
    by_format: dict[str, list[Start]] = {}
    for facts in results.contenders:
        by_format.setdefault(facts.format, []).extend(results.starts.get(facts.label, ()))
    sizes = {
        format: _median(start.after_import_bytes / _MIB for start in started)
        for format, started in by_format.items()
        if started
    }
    return ", ".join(
        size if len(sizes) == 1 else f"{format} {size}" for format, size in sizes.items()
    )


# From text to answer ------------------------------------------------------------------------


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
        caption = f"From text to answer, {workload_text(workload)}{stand_in_mark(results)}"
        yield Table(caption, header, tuple(rows))
    if results.first_answers:
        times = [
            (
                model_cell(results, facts_of(results, label), compact=compact),
                format_number(statistics.median(each)),
            )
            for label, each in results.first_answers.items()
        ]
        caption = f"From the start of a process to its first answer, {workload_text(first)}"
        caption += stand_in_mark(results)
        yield Table(caption, ("model", "first\nanswer ms"), tuple(times))
    if workloads:
        processes = plural(results.settings.starts, "fresh process", "es")
        yield (
            "Text to answer: medians of calls that tokenize a text, run the model and read the "
            "answer, in blocks of their own after those of the model alone; added: what this "
            f"takes beside the model. First answer: the time to {_FIRST[results.target]}; medians "
            f"over {processes}."
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
