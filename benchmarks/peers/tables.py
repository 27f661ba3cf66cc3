"""The tables of the peers' report."""

from collections.abc import Callable, Iterator

from squeezebert_mobile.benchmarks.peers.families import FAMILIES
from squeezebert_mobile.benchmarks.peers.models import MODELS, REFERENCE, SurveyModel
from squeezebert_mobile.benchmarks.peers.survey import GOALS_AT
from squeezebert_mobile.benchmarks.records.results import Goal, Results
from squeezebert_mobile.benchmarks.report.formatting import (
    format_interval,
    format_median,
    format_ratio,
    plural,
    workload_text,
)
from squeezebert_mobile.benchmarks.report.queries import (
    facts_of,
    main_workload,
    measured_workloads,
    ratios_at,
)
from squeezebert_mobile.benchmarks.report.starts import start_cells, start_table
from squeezebert_mobile.benchmarks.report.writers.page import Cell, Row, Table, grouped
from squeezebert_mobile.errors import BenchmarkError

__all__ = ["goal_tables", "latency_tables", "start_tables", "summary_table", "survey_models"]

_FAILED = "fails"


def survey_models(results: Results) -> list[SurveyModel]:
    """The models of these results, failed ones included, in the order of MODELS.

    Raises:
        BenchmarkError: the results are of other models.
    """
    labels = {each.label for each in results.contenders}
    labels |= {each.contender for each in results.failures}
    if unknown := sorted(labels - {model.label for model in MODELS}):
        raise BenchmarkError(
            f"the results contain {unknown[0]!r}, which is none of the models of this comparison; "
            "give results that this command has written"
        )
    return [model for model in MODELS if model.label in labels]


# Latency ------------------------------------------------------------------------------------


def latency_tables(results: Results) -> Iterator[Table]:
    """A table for each number of threads: a row for each model, a column for each length."""
    for threads in dict.fromkeys(threads for threads, _ in measured_workloads(results)):
        yield _latency_table(results, threads)


def _latency_table(results: Results, threads: int) -> Table:
    lengths = [length for count, length in measured_workloads(results) if count == threads]
    _, length = main_workload(results)
    median = _median_cells(results)
    ratios = {
        each.contender: format_ratio(each.times_faster)
        for each in ratios_at(results, (threads, length))
        if each.baseline == REFERENCE
    }

    def cells(model: SurveyModel) -> tuple[str, ...]:
        medians = [median(model, threads, each) for each in lengths]
        return (*medians, *([ratios.get(model.label, "")] if ratios else []))

    header = ("median ms", *map(str, lengths), *([f"faster\nat {length}"] if ratios else []))
    title = f"Latency by length in tokens, batch 1, {plural(threads, 'thread')}"
    return Table(title, header, _by_family(results, cells))


def _median_cells(results: Results) -> Callable[[SurveyModel, int, int], str]:
    """A function of a model, a number of threads and a length to its median, as text."""
    medians = {
        (each.contender, each.threads, each.sequence_length): format_median(each)
        for each in results.measurements
    }
    failed = {each.contender: _FAILED for each in results.failures}
    return lambda model, threads, length: medians.get(
        (model.label, threads, length), failed.get(model.label, "")
    )


def _by_family(
    results: Results, cells: Callable[[SurveyModel], tuple[str, ...]]
) -> tuple[Row | str, ...]:
    """A heading for each family, and below it a row for each of its models that has cells."""
    rows: dict[str, list[Row]] = {}
    for model in survey_models(results):
        if row := cells(model):
            name = Cell(model.configuration, style="" if model.kind == "ours" else "muted")
            rows.setdefault(model.family.name, []).append((name, *row))
    return grouped(rows)


def summary_table(results: Results) -> Table:
    """A row for each way to export, a column for each family and precision."""
    models, median = survey_models(results), _median_cells(results)
    precisions = dict.fromkeys(model.precision for model in MODELS)
    columns = {
        (family.name, precision): f"{family.name} {precision}"
        for family in FAMILIES
        for precision in precisions
        if any((m.family.name, m.precision) == (family.name, precision) for m in models)
    }
    workload = main_workload(results)
    rows: dict[str, dict[tuple[str, str], str]] = {}
    for model in models:
        name = " ".join(filter(None, (f"{model.kind}:", model.format, model.variant)))
        cells = rows.setdefault(name, {})
        cells[model.family.name, model.precision] = median(model, *workload)
    return Table(
        f"Median latency in ms, {workload_text(workload)}, batch 1",
        ("", *columns.values()),
        tuple((name, *(cells.get(each, "") for each in columns)) for name, cells in rows.items()),
    )


# Start, memory, size ------------------------------------------------------------------------


def start_tables(results: Results) -> Iterator[Table]:
    """One table, if any model was started in a fresh process."""
    measured = {each.label for each in results.contenders}
    if any(results.starts.values()):
        rows = _by_family(
            results,
            lambda model: (
                start_cells(results, facts_of(results, model.label))
                if model.label in measured
                else ()
            ),
        )
        yield start_table(results, rows, first="")


# Goals --------------------------------------------------------------------------------------


def goal_tables(results: Results) -> Iterator[Table]:
    """One table, if there are goals: how many times faster a model has to be, and is."""
    rows: dict[str, list[Row]] = {}
    for goal in results.goals:
        interval = goal.times_faster
        measured = (format_ratio(interval), format_interval(interval)) if interval else ("", "")
        row = goal.contender, f"{goal.at_least:.1f}x", *measured, _verdict(goal)
        rows.setdefault(f"than {goal.baseline}", []).append(row)
    if rows:
        yield Table(
            f"Goals: times faster, {workload_text(GOALS_AT)}",
            ("", "at least", "measured", "95 %", "holds"),
            grouped(rows),
        )


def _verdict(goal: Goal) -> str:
    if goal.times_faster is None:
        return "not measured"
    word = "yes" if goal.holds else "no"
    return word if goal.firm else f"{word}, not firm"
