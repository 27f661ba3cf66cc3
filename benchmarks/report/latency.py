"""Latency tables, and the paper's figures beside them."""

from collections.abc import Callable, Iterator, Sequence
from functools import partial

from squeezebert_mobile.benchmarks.records.results import (
    ContenderFacts,
    Interval,
    Latency,
    Measurement,
    Results,
    fp32_baseline,
    headline_baseline,
)
from squeezebert_mobile.benchmarks.records.statistics import MIN_STABILITY
from squeezebert_mobile.benchmarks.report import figures
from squeezebert_mobile.benchmarks.report.caveats import flag_notes
from squeezebert_mobile.benchmarks.report.formatting import (
    format_interval,
    format_median,
    format_number,
    format_ratio,
    size_text,
    workload_text,
)
from squeezebert_mobile.benchmarks.report.queries import (
    Workload,
    facts_of,
    is_stand_in,
    main_workload,
    measured_workloads,
    measurements_at,
    ratios_at,
)
from squeezebert_mobile.benchmarks.report.writers.page import Block, Cell, Picture, Row, Table

__all__ = ["distributions", "latencies", "model_cell", "paper", "stand_in_mark"]

#: Of arXiv 2006.11316 (2020), measured by its authors: seconds, and times faster.
_PAPER_BERT_S, _PAPER_RATIO = 1.7, 4.3

_FIGURES: dict[str, Callable[[Latency], str]] = {
    "P90": lambda latency: format_number(latency.p90_ms),
    "P99": lambda latency: format_number(latency.p99_ms),
    "min": lambda latency: format_number(latency.min_ms),
    "mean": lambda latency: format_number(latency.mean_ms),
}
#: A terminal has 80 columns.
_COMPACT_FIGURES = _FIGURES | {"std": lambda latency: format_number(latency.std_ms)}
_ALL_FIGURES = _FIGURES | {
    "trimmed mean": lambda latency: format_number(latency.trimmed_mean_ms),
    "stability": lambda latency: f"{latency.stability:.0f}",
}

BaselineOf = Callable[[ContenderFacts], ContenderFacts | None]


def latencies(results: Results, *, compact: bool = False) -> Iterator[Block]:
    """A table for each workload, and notes.

    Args:
        results: The results.
        compact: Leave out the columns that 80 characters have no room for.
    """
    columns = _compact_baselines(results) if compact else _all_baselines(results)
    for workload in measured_workloads(results):
        yield _latency_table(results, workload, columns, compact)
    yield from flag_notes(results)
    if results.measurements and not compact:
        yield (
            "Each figure is over all recorded runs. Trimmed mean: without the slowest and the "
            "fastest tenth. Stability: 0 to 100, higher where the runs differ less; 90 is "
            f"excellent, 80 good, {MIN_STABILITY} moderate, and less has the flag unstable."
        )
    if results.ratios:
        yield (
            "x: times as fast as the baseline, which is the baseline's median divided by the "
            "model's, from the same blocks, with its 95 % interval (bootstrap over ABBA blocks)."
        )
    if compact:
        yield from _other_precisions(results)
        sizes = [f"{each.label} {size}" for each in results.contenders if (size := size_text(each))]
        if sizes and results.ratios:
            yield f"Sizes: {'; '.join(sizes)}."


def _latency_table(
    results: Results, workload: Workload, columns: dict[str, BaselineOf], compact: bool
) -> Table:
    measurements = measurements_at(results, workload)
    ratios = {
        (each.contender, each.baseline): each.times_faster for each in ratios_at(results, workload)
    }
    figures_of = _COMPACT_FIGURES if compact else _ALL_FIGURES
    sized = not compact and any(size_text(each) for each in results.contenders)
    sizes = ("size",) if sized else ()
    header = ("model", *sizes, "median", *figures_of, *columns, *(() if compact else ("flags",)))
    rows: list[Row] = []
    for each in measurements:
        facts = facts_of(results, each.contender)
        row: list[str | Cell] = [
            model_cell(results, facts, compact=compact),
            *([size_text(facts)] if sized else []),
            Cell(format_median(each), style="strong"),
            *(figure(each.latency) for figure in figures_of.values()),
            *(_ratio_cell(facts, baseline_of(facts), ratios) for baseline_of in columns.values()),
        ]
        if not compact:
            flags = [*each.flags]
            extra = [
                f"{flag} (vs {baseline})"
                for (contender, baseline), interval in ratios.items()
                if contender == each.contender
                for flag in interval.flags
                if flag not in each.flags
            ]
            row.append(", ".join([*flags, *extra]) or "none")
        rows.append(tuple(row))
    blocks, all_blocks = len(measurements[0].blocks), results.settings.blocks
    some = f" ({blocks} of {all_blocks} blocks)" if blocks < all_blocks else ""
    batch = f"batch {results.settings.batch}"
    return Table(
        f"Latency in ms, {workload_text(workload)}, {batch}{some}{stand_in_mark(results)}",
        header,
        tuple(rows),
        frozenset({0} if compact else {0, *range(1, 1 + len(sizes)), len(header) - 1}),
    )


def stand_in_mark(results: Results) -> str:
    """Added to each table and figure of latencies, which may be copied out of the report."""
    return " (stand-in, not a phone)" if is_stand_in(results) else ""


def model_cell(results: Results, facts: ContenderFacts, *, compact: bool) -> Cell:
    """A model's name; in a compact table also its precision and format."""
    detail = f"{facts.precision} {facts.format}"
    if facts.task == "multiple-choice":
        detail += f", {results.settings.choices} choices"
    return Cell(facts.label, detail if compact else "")


def _all_baselines(results: Results) -> dict[str, BaselineOf]:
    """A column for each baseline."""
    labels = dict.fromkeys(each.baseline for each in results.ratios)
    return {
        f"times as fast as {label}": partial(_same_for_all, facts_of(results, label))
        for label in labels
    }


def _same_for_all(baseline: ContenderFacts, contender: ContenderFacts) -> ContenderFacts:
    return baseline


def _compact_baselines(results: Results) -> dict[str, BaselineOf]:
    """At most two columns: the baseline most like each contender, and the one in fp32."""
    contenders = [each for each in results.contenders if each.role == "contender"]
    pairs = [(each, headline_baseline(each, results.contenders)) for each in contenders]
    if not any(baseline for _, baseline in pairs):
        return {}
    same = all(baseline and baseline.precision == each.precision for each, baseline in pairs)
    columns: dict[str, BaselineOf] = {
        "vs same\nprecision" if same else "vs\nbaseline": partial(
            headline_baseline, contenders=results.contenders
        )
    }
    others = [(baseline, fp32_baseline(each, results.contenders)) for each, baseline in pairs]
    if any(fp32 and fp32 != baseline for baseline, fp32 in others):
        columns["vs\nfp32"] = partial(fp32_baseline, contenders=results.contenders)
    return columns


def _ratio_cell(
    own: ContenderFacts,
    baseline: ContenderFacts | None,
    ratios: dict[tuple[str, str], Interval],
) -> Cell:
    if baseline == own:
        return Cell("baseline", style="muted")
    interval = ratios.get((own.label, baseline.label)) if baseline else None
    if interval is None:
        return Cell("")
    return Cell(format_ratio(interval), format_interval(interval), style="strong")


def _other_precisions(results: Results) -> Iterator[str]:
    for each in results.contenders:
        baseline = headline_baseline(each, results.contenders)
        if each.role == "contender" and baseline and baseline.precision != each.precision:
            yield (
                f"{each.label} is {each.precision}, its baseline {baseline.label} is "
                f"{baseline.precision}."
            )


# The paper ----------------------------------------------------------------------------------


def paper(results: Results) -> Iterator[Block]:
    """The figures of the SqueezeBERT paper beside those of a phone."""
    if results.phone is None or is_stand_in(results):
        return
    workload = main_workload(results)
    medians = {
        each.contender: each.latency.median_ms for each in measurements_at(results, workload)
    }
    rows: list[Row] = [
        (
            f"measured here: {each.contender}, {each.baseline}",
            results.phone.model,
            f"{format_number(medians[each.baseline] / 1000)} s" if each.baseline in medians else "",
            format_number(each.times_faster.ratio),
        )
        for each in ratios_at(results, workload)
        if facts_of(results, each.contender).role == "contender"
    ]
    if rows:
        from_paper = (
            "from the paper, not measured here: SqueezeBERT, BERT-base "
            "(PyTorch Mobile, fp32, 2020)",
            "Pixel 3",
            f"{_PAPER_BERT_S} s",
            str(_PAPER_RATIO),
        )
        yield Table(
            f"The paper's figures, and those of {workload_text(workload)}",
            ("model and baseline", "phone", "baseline's latency", "times as fast"),
            (from_paper, *rows),
            frozenset({0, 1}),
        )
        yield (
            "The paper: SqueezeBERT, arXiv 2006.11316. It used another phone, another runtime and "
            "other texts, so its figures are what its authors measured, not a target for this "
            "phone."
        )


# Distributions ------------------------------------------------------------------------------


def distributions(results: Results) -> Iterator[Block]:
    """A figure for each workload: how the runs of each model are distributed."""
    for workload in measured_workloads(results):
        here = [each for each in measurements_at(results, workload) if figures.has_samples(each)]
        if here:
            yield _distribution(workload_text(workload) + stand_in_mark(results), here)


def _distribution(title: str, measurements: Sequence[Measurement]) -> Picture:
    medians = "; ".join(
        f"{each.contender}: median {format_number(each.latency.median_ms)} ms, "
        f"P99 {format_number(each.latency.p99_ms)} ms"
        for each in measurements
    )
    return Picture(
        alt=f"Distribution of latencies at {title}. {medians}.",
        caption=(
            f"{title}: the runs of each model relative to its own median. Thick line: the median; "
            "thin line: P90. The slowest and the fastest hundredth are not drawn."
        ),
        draw=partial(figures.distributions, measurements),
    )
