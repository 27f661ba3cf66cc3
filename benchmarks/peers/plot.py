"""The latency of every model as bars: ours beside the peers."""

from pathlib import Path
from typing import Any

from squeezebert_mobile.benchmarks.peers.models import SurveyModel
from squeezebert_mobile.benchmarks.peers.tables import survey_models
from squeezebert_mobile.benchmarks.records.results import Results
from squeezebert_mobile.benchmarks.report.formatting import format_number, plural
from squeezebert_mobile.benchmarks.report.queries import main_workload, measurements_at
from squeezebert_mobile.errors import require

__all__ = ["PLOT_NAME", "draw"]

PLOT_NAME = "latency.svg"

_COLOURS = {"ours": "#0b6e4f", "peer": "#9aa5b1"}
_NAMES = {"ours": "this package", "peer": "the usual exporters"}
_ROW = 0.24  # inches
_SETTINGS = {
    "font.size": 9,
    "font.family": "DejaVu Sans",  # it comes with matplotlib: the same file everywhere
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.spines.left": False,
    "svg.hashsalt": "squeezebert-mobile",  # the same file for the same results
}


def draw(results: Results, path: Path) -> None:
    """Write the plot of the main workload to `path`, an .svg or .png file.

    Raises:
        MissingExtraError: matplotlib is not installed.
    """
    matplotlib_figure = require("matplotlib.figure", "bench")
    matplotlib = require("matplotlib", "bench")
    families: dict[str, list[SurveyModel]] = {}
    for model in survey_models(results):
        families.setdefault(model.family.name, []).append(model)
    counts = [len(models) for models in families.values()]
    with matplotlib.rc_context(_SETTINGS):
        figure = matplotlib_figure.Figure(
            figsize=(8.5, _ROW * sum(counts) + 1.6), layout="constrained"
        )
        # One scale for both families: they are to be compared.
        panels = figure.subplots(
            len(families), sharex=True, squeeze=False, gridspec_kw={"height_ratios": counts}
        )[:, 0]
        for panel, (name, models) in zip(panels, families.items(), strict=True):
            _draw_bars(panel, models, results)
            panel.set_title(name, loc="left", fontweight="bold", fontsize=10)
        _label(figure, panels, results)
        figure.savefig(
            path, facecolor="white", metadata={"Date": None} if path.suffix == ".svg" else None
        )


def _draw_bars(panel: Any, models: list[SurveyModel], results: Results) -> None:
    """A bar for each model, the fastest at the top; a failed model is labelled."""
    medians = {
        each.contender: each.latency.median_ms
        for each in measurements_at(results, main_workload(results))
    }
    failed = {each.contender for each in results.failures}
    ordered = sorted(models, key=lambda model: medians.get(model.label, float("inf")))
    for place, model in enumerate(ordered):
        median = medians.get(model.label, 0)
        panel.barh(place, median, height=0.72, color=_COLOURS[model.kind])
        without = "fails" if model.label in failed else ""
        text = f"{format_number(median)} ms" if median else without
        weight = "bold" if model.kind == "ours" else "normal"
        panel.annotate(
            text, (median, place), (4, 0), textcoords="offset points", va="center", weight=weight
        )
    panel.set_yticks(range(len(ordered)), [_name(model) for model in ordered])
    for tick, model in zip(panel.get_yticklabels(), ordered, strict=True):
        tick.set_fontweight("bold" if model.kind == "ours" else "normal")
    panel.tick_params(axis="y", length=0)
    panel.grid(axis="x", color="#e5e8eb", linewidth=0.8)
    panel.set_axisbelow(True)
    panel.invert_yaxis()
    panel.margins(x=0.1, y=0.02)


def _name(model: SurveyModel) -> str:
    return " ".join(filter(None, (model.format, model.precision, model.variant)))


def _label(figure: Any, panels: Any, results: Results) -> None:
    threads, length = main_workload(results)
    patches = require("matplotlib.patches", "bench")
    figure.suptitle(
        f"One inference of {length} tokens, {plural(threads, 'thread')}: median in ms",
        x=0.01,
        ha="left",
        fontsize=12,
    )
    panels[-1].set_xlabel(f"ms; {results.host.cpu}, {results.created[:10]}; shorter is faster")
    handles = [patches.Patch(color=_COLOURS[kind], label=_NAMES[kind]) for kind in _COLOURS]
    # The shortest bars are at the top, so there is room beside them.
    panels[0].legend(handles=handles, loc="upper right", frameon=False)
