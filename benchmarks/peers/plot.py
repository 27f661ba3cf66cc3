"""The latency of every model as bars: ours beside what a user gets otherwise."""

from pathlib import Path
from typing import Any

from squeezebert_mobile.benchmarks.peers.grids import main_cell, taking_part
from squeezebert_mobile.benchmarks.peers.models import Model
from squeezebert_mobile.benchmarks.records.results import Results
from squeezebert_mobile.benchmarks.report.terminal import figure, threads_text
from squeezebert_mobile.errors import require

__all__ = ["draw"]

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
    """Write the plot of the first cell to `path`, an .svg or .png file.

    Raises:
        MissingExtraError: matplotlib is not installed.
    """
    figures = require("matplotlib.figure", "bench")
    matplotlib = require("matplotlib", "bench")
    families: dict[str, list[Model]] = {}
    for model in taking_part(results):
        families.setdefault(model.family.name, []).append(model)
    counts = [len(models) for models in families.values()]
    with matplotlib.rc_context(_SETTINGS):
        page = figures.Figure(figsize=(8.5, _ROW * sum(counts) + 1.6), layout="constrained")
        # One scale for both: that is what is compared.
        panels = page.subplots(
            len(families), sharex=True, squeeze=False, gridspec_kw={"height_ratios": counts}
        )[:, 0]
        for panel, (name, models) in zip(panels, families.items(), strict=True):
            _bars(panel, models, results)
            panel.set_title(name, loc="left", fontweight="bold", fontsize=10)
        _label(page, panels, results)
        page.savefig(
            path, facecolor="white", metadata={"Date": None} if path.suffix == ".svg" else None
        )


def _bars(panel: Any, models: list[Model], results: Results) -> None:
    """A bar a model, the fastest at the top; one that failed says so."""
    cell = main_cell(results)
    took = {
        each.contender: each.latency.median_ms
        for each in results.measurements
        if (each.threads, each.sequence_length) == cell
    }
    failed = {each.contender for each in results.failures}
    ordered = sorted(models, key=lambda model: took.get(model.label, float("inf")))
    for place, model in enumerate(ordered):
        median = took.get(model.label, 0)
        panel.barh(place, median, height=0.72, color=_COLOURS[model.kind])
        without = "fails" if model.label in failed else ""
        text = f"{figure(median)} ms" if median else without
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


def _name(model: Model) -> str:
    return " ".join(filter(None, (model.format, model.precision, model.variant)))


def _label(page: Any, panels: Any, results: Results) -> None:
    threads, length = main_cell(results)
    patches = require("matplotlib.patches", "bench")
    page.suptitle(
        f"One inference of {length} tokens, {threads_text(threads)}: median in ms",
        x=0.01,
        ha="left",
        fontsize=12,
    )
    panels[-1].set_xlabel(f"ms; {results.host.cpu}, {results.created[:10]}; shorter is faster")
    handles = [patches.Patch(color=_COLOURS[kind], label=_NAMES[kind]) for kind in _COLOURS]
    # The shortest bars are at the top, so there is room beside them.
    panels[0].legend(handles=handles, loc="upper right", frameon=False)
