"""The pages: a report on one results file or several, and the shorter one for a terminal."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial

from squeezebert_mobile.benchmarks.records.accuracy import Evaluated
from squeezebert_mobile.benchmarks.records.results import Results
from squeezebert_mobile.benchmarks.report import (
    accuracy,
    caveats,
    conditions,
    facts,
    history,
    instructions,
    latency,
    profile,
    starts,
)
from squeezebert_mobile.benchmarks.report.headline import headlines, subline
from squeezebert_mobile.benchmarks.report.queries import is_stand_in
from squeezebert_mobile.benchmarks.report.side_by_side import (
    NamedResults,
    check_comparable,
    column_name,
    comparison_title,
    side_by_side,
)
from squeezebert_mobile.benchmarks.report.writers.page import Block, Page, Section

__all__ = ["report_page", "sections", "terminal_page"]

_MORE_HEADLINES = 3

Builder = Callable[[Results], Iterable[Block]]


def terminal_page(results: Results) -> Page:
    """What `bench` prints: tables for 80 columns and what is needed to read them."""
    builders: dict[str, Builder] = {
        "Latency": partial(latency.latencies, compact=True),
        "Start and memory": partial(starts.starts, compact=True),
        "From text to answer": partial(starts.answer_times, compact=True),
        "Energy": partial(conditions.energies, compact=True),
        "Profile": partial(profile.profiles, compact=True),
        "What failed": caveats.failures,
        "Answers": caveats.answers,
        "Temperature and clock": conditions.condition_notes,
        "Facts": facts.facts_notes,
    }
    lead = tuple(caveats.notes(results))
    return Page("", tuple(caveats.banners(results)), lead, tuple(sections(results, builders)))


def report_page(results: Sequence[NamedResults], evaluated: Sequence[Evaluated] = ()) -> Page:
    """The report on one results file, or on several side by side.

    Args:
        results: The files.
        evaluated: Evaluations of the models, for latency against accuracy.

    Raises:
        BenchmarkError: the results cannot be compared.
    """
    if len(results) == 1:
        ((name, only),) = results
        first, *others = headlines(only)
        if len(others) > _MORE_HEADLINES:
            others = [*others[:_MORE_HEADLINES], "More models are in the table"]
        return Page(
            title=first,
            banners=tuple(caveats.banners(only, name)),
            lead=(subline(only), *(f"{each}." for each in others), *caveats.notes(only)),
            sections=tuple(sections(only, _report_builders(only, evaluated))),
        )
    check_comparable(results)
    parts = [Section(2, "Side by side", tuple(side_by_side(results)))]
    if len(results) >= history.MIN_RUNS and (blocks := tuple(history.history(results))):
        parts.append(Section(2, "History", blocks))
    for name, each in results:
        first_headlines = headlines(each)[: 1 + _MORE_HEADLINES]
        lead = (
            *(f"{text}." for text in first_headlines),
            subline(each),
            *caveats.notes(each),
        )
        parts.append(Section(2, column_name(name, each), lead))
        parts += sections(each, _report_builders(each, evaluated), level=3)
    return Page(
        title=comparison_title(results),
        banners=tuple(text for name, each in results for text in caveats.banners(each, name)),
        lead=(
            *history.regressions(results),
            *(f"{name}: {headlines(each)[0]}." for name, each in results),
        ),
        sections=tuple(parts),
    )


def _report_builders(results: Results, evaluated: Sequence[Evaluated]) -> dict[str, Builder]:
    table = facts.facts_table
    phone = "The stand-in" if is_stand_in(results) else "The phone"
    return {
        "Latency": latency.latencies,
        "Latency and accuracy": partial(accuracy.accuracies, evaluated=evaluated),
        "Beside the paper": latency.paper,
        "From text to answer": starts.answer_times,
        "Energy": conditions.energies,
        "Beside the counts": instructions.instructions,
        "Start and memory": starts.starts,
        "Answers": caveats.answers,
        "Where the time goes": profile.profiles,
        "Distribution of the latencies": latency.distributions,
        "Temperature and clock": conditions.conditions,
        "What failed": caveats.failures,
        phone: partial(table, "What it reports about itself", facts.phone_facts),
        "The machine": partial(table, "What it is", facts.machine_facts),
        "Settings": partial(table, "How it was measured", facts.settings_facts),
        "Models": facts.model_table,
        "Versions": partial(table, "What it was measured with", facts.version_facts),
    }


def sections(
    results: Results, builders: dict[str, Builder], *, level: int = 2
) -> Iterator[Section]:
    """A section for each builder that has something to show."""
    for title, build in builders.items():
        if blocks := tuple(build(results)):
            yield Section(level, title, blocks)
