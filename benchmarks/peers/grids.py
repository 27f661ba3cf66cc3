"""Results as rows and columns, for the terminal and for Markdown."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from squeezebert_mobile.benchmarks.peers.families import FAMILIES
from squeezebert_mobile.benchmarks.peers.models import MODELS, REFERENCE, Model
from squeezebert_mobile.benchmarks.peers.survey import GOALS_AT
from squeezebert_mobile.benchmarks.records.results import Goal, Interval, Measurement, Results
from squeezebert_mobile.benchmarks.report.terminal import (
    DOUBT,
    START_COLUMNS,
    figure,
    machine_notes,
    start_cells,
    start_note,
    threads_text,
)
from squeezebert_mobile.errors import BenchmarkError

__all__ = [
    "Grid",
    "failures",
    "goal_grid",
    "grids",
    "main_cell",
    "main_grid",
    "notes",
    "taking_part",
]

_FAILED = "fails"


@dataclass(frozen=True)
class Grid:
    """A table: the rows of each group, and what stands above them."""

    title: str
    header: tuple[str, ...]  # the first is that of the rows' names
    groups: dict[str, list[list[str]]]  # heading -> rows; the heading may be empty


def taking_part(results: Results) -> list[Model]:
    """The models of these results, also those that failed, in the order of the table of models.

    Raises:
        BenchmarkError: the results are of other models.
    """
    labels = {each.label for each in results.contenders}
    labels |= {each.contender for each in results.failures}
    if unknown := sorted(labels - {model.label for model in MODELS}):
        raise BenchmarkError(
            f"the results have {unknown[0]!r}, which is none of the peers' models; give what this "
            "command has written"
        )
    return [model for model in MODELS if model.label in labels]


def main_cell(results: Results) -> tuple[int, int]:
    """Threads and length of what is shown first: where the goals are set, if that was measured."""
    cells = _measured_cells(results)
    if GOALS_AT in cells or not cells:
        return GOALS_AT
    return [cell for cell in cells if cell[0] == cells[0][0]][-1]


def _measured_cells(results: Results) -> list[tuple[int, int]]:
    """Threads and length; of an interrupted run, fewer than were asked for."""
    return list(dict.fromkeys((m.threads, m.sequence_length) for m in results.measurements))


def grids(results: Results) -> Iterator[Grid]:
    """Latency for each number of threads, then start, memory and size."""
    models = taking_part(results)
    for threads in dict.fromkeys(threads for threads, _ in _measured_cells(results)):
        yield _latency_grid(results, models, threads)
    if any(results.starts.values()):
        yield _start_grid(results, models)


def failures(results: Results) -> Iterator[str]:
    """A line for each model that failed."""
    for each in results.failures:
        yield f"{each.contender} failed ({each.stage}): {each.error}"


# Latency ------------------------------------------------------------------------------------


def _latency_grid(results: Results, models: Sequence[Model], threads: int) -> Grid:
    lengths = [length for count, length in _measured_cells(results) if count == threads]
    _, length = main_cell(results)
    cell = _cells(results)
    ratios = {
        each.contender: each.times_faster
        for each in results.ratios
        if (each.threads, each.sequence_length, each.baseline) == (threads, length, REFERENCE)
    }

    def row(model: Model) -> list[str]:
        found = [cell(model, threads, each) for each in lengths]
        if ratios:
            found.append(_ratio(ratios[model.label]) if model.label in ratios else "")
        return [model.way, *found]

    header = ("median ms", *map(str, lengths), *([f"faster\nat {length}"] if ratios else []))
    title = f"Latency by length in tokens, batch 1, {threads_text(threads)}"
    return Grid(title, header, _by_family(models, row))


def _cells(results: Results) -> Callable[[Model, int, int], str]:
    """What tells the median of a model at a number of threads and a length."""
    measured = {
        (each.contender, each.threads, each.sequence_length): each for each in results.measurements
    }
    failed = {each.contender for each in results.failures}

    def cell(model: Model, threads: int, length: int) -> str:
        if found := measured.get((model.label, threads, length)):
            return _median(found)
        return _FAILED if model.label in failed else ""

    return cell


def _median(measurement: Measurement) -> str:
    doubt = DOUBT if "drifting" in measurement.flags else ""
    return figure(measurement.latency.median_ms) + doubt


def _ratio(interval: Interval) -> str:
    return f"{figure(interval.ratio)}x{DOUBT if interval.flags else ''}"


def _by_family(
    models: Sequence[Model], row: Callable[[Model], list[str] | None]
) -> dict[str, list[list[str]]]:
    groups: dict[str, list[list[str]]] = {}
    for model in models:
        if cells := row(model):
            groups.setdefault(model.family.name, []).append(cells)
    return groups


def main_grid(results: Results) -> Grid:
    """One row for a way, one column for a family in a precision."""
    models, cell = taking_part(results), _cells(results)
    threads, length = main_cell(results)
    precisions = dict.fromkeys(model.precision for model in MODELS)
    columns = {
        (family.name, precision): f"{family.name} {precision}"
        for family in FAMILIES
        for precision in precisions
        if any((m.family.name, m.precision) == (family.name, precision) for m in models)
    }
    rows: dict[str, dict[tuple[str, str], str]] = {}
    for model in models:
        name = " ".join(filter(None, (f"{model.kind}:", model.format, model.variant)))
        found = rows.setdefault(name, {})
        found[model.family.name, model.precision] = cell(model, threads, length)
    title = f"Median latency in ms, {length} tokens, batch 1, {threads_text(threads)}"
    body = [[name, *(found.get(each, "") for each in columns)] for name, found in rows.items()]
    return Grid(title, ("", *columns.values()), {"": body})


# Start-up, memory, size ---------------------------------------------------------------------


def _start_grid(results: Results, models: Sequence[Model]) -> Grid:
    facts = {each.label: each for each in results.contenders}

    def row(model: Model) -> list[str] | None:
        starts = results.starts.get(model.label)
        return [model.way, *start_cells(starts, facts[model.label])] if starts else None

    return Grid("Start, memory and size", ("", *START_COLUMNS), _by_family(models, row))


# Goals --------------------------------------------------------------------------------------


def goal_grid(results: Results) -> Grid:
    """Who is to be how many times faster than whom, and is it."""
    groups: dict[str, list[list[str]]] = {}
    for goal in results.goals:
        found = goal.times_faster
        between = (
            f"{figure(found.low)}-{figure(found.high)}"
            if found and found.low and found.high
            else ""
        )
        cells = [f"{goal.at_least:.1f}x", _ratio(found) if found else "", between, _verdict(goal)]
        groups.setdefault(f"than {goal.baseline}", []).append([goal.contender, *cells])
    threads, length = GOALS_AT
    title = f"Goals: times faster, {length} tokens, {threads_text(threads)}"
    return Grid(title, ("", "at least", "measured", "95 %", "holds"), groups)


def _verdict(goal: Goal) -> str:
    if goal.times_faster is None:
        return "not measured"
    word = "yes" if goal.holds else "no"
    return word if goal.firm else f"{word}, not firm"


# Notes --------------------------------------------------------------------------------------


def notes(results: Results) -> Iterator[str]:
    """What has to be known to read the figures, a paragraph each."""
    _, length = main_cell(results)
    if any(each.baseline == REFERENCE for each in results.ratios):
        yield f"Faster: than {REFERENCE} at {length} tokens, a ratio of medians of the same blocks."
    yield (
        "Base size, random weights: latency is real, answers are not. Default options of each "
        "library, threads aside."
    )
    if any("drifting" in each.flags for each in results.measurements) or any(
        each.times_faster.flags for each in results.ratios
    ):
        yield (
            f"{DOUBT}: it changed by more than 5 % while it was measured, or the interval of a "
            "ratio is wider than 10 %. Quieten the machine, or measure for longer (--preset rapid)."
        )
    yield from start_note(results)
    yield f"Measured {results.created} with the preset {results.settings.preset}."
    yield from machine_notes(results)
