"""The peers' report as pages: one for a file, and a shorter one for a terminal."""

from collections.abc import Iterator

from squeezebert_mobile.benchmarks.peers import tables
from squeezebert_mobile.benchmarks.peers.models import REFERENCE
from squeezebert_mobile.benchmarks.peers.plot import PLOT_NAME
from squeezebert_mobile.benchmarks.records.results import Results
from squeezebert_mobile.benchmarks.report import caveats, facts, starts
from squeezebert_mobile.benchmarks.report.contents import Builder, sections
from squeezebert_mobile.benchmarks.report.queries import main_workload
from squeezebert_mobile.benchmarks.report.writers.page import Block, Listing, Page, Picture

__all__ = ["report_page", "terminal_page"]


def terminal_page(results: Results) -> Page:
    """Every figure, and what is needed to read it."""
    builders: dict[str, Builder] = {
        "Latency": tables.latency_tables,
        "Start and memory": tables.start_tables,
        "Goals": tables.goal_tables,
        "What failed": caveats.failures,
    }
    return _page(results, builders)


def report_page(results: Results) -> Page:
    """The same with a summary, the plot and how each model was built."""
    builders: dict[str, Builder] = {
        "Summary": _summary,
        "Goals": tables.goal_tables,
        "Latency": tables.latency_tables,
        "Start and memory": tables.start_tables,
        "What failed": caveats.failures,
        "How each model was built": _recipes,
    }
    return _page(results, builders)


def _page(results: Results, builders: dict[str, Builder]) -> Page:
    return Page(
        title="SqueezeBERT Mobile beside its peers",
        banners=tuple(caveats.banners(results)),
        lead=(),
        sections=tuple(sections(results, builders | {"Notes": _notes})),
    )


def _summary(results: Results) -> Iterator[Block]:
    yield Picture(alt="The latency of every model", file=PLOT_NAME)
    yield tables.summary_table(results)


def _recipes(results: Results) -> Iterator[Block]:
    recipes = {model.configuration: model.how for model in tables.survey_models(results)}
    yield Listing(tuple(f"{way}: {how}" for way, how in recipes.items()))


def _notes(results: Results) -> Iterator[Block]:
    _, length = main_workload(results)
    if any(each.baseline == REFERENCE for each in results.ratios):
        yield f"Faster: than {REFERENCE} at {length} tokens, a ratio of medians of the same blocks."
    yield "Models of base size. Default options of each library, apart from the number of threads."
    yield from caveats.random_weights(results)
    yield from caveats.flag_notes(results)
    yield from starts.start_notes(results)
    yield f"Measured {results.created} with the preset {results.settings.preset}."
    yield from facts.facts_notes(results)
