"""Figures as inline SVG: text stays text, and colours are those of the page, dark or light."""

import io
import re
import warnings
from collections.abc import Callable, Sequence
from typing import Any
from xml.etree import ElementTree

import numpy as np
from numpy.typing import NDArray

from squeezebert_mobile.benchmarks.records.results import Measurement, Results
from squeezebert_mobile.benchmarks.report.formatting import format_number
from squeezebert_mobile.benchmarks.report.page import printable
from squeezebert_mobile.errors import require

__all__ = ["SENSORS", "course", "distributions", "has_samples", "panels", "shown_sensors"]

#: The hottest of a phone's sensors that are drawn; it may have forty.
SENSORS = 4

# Matplotlib wants a colour; the page replaces each by one that suits its background.
_INK, _MUTED, _GRID = "#010101", "#010102", "#010103"
_SERIES = ("#010104", "#010105", "#010106", "#010107", "#010108")
_VARIABLES = {_INK: "--ink", _MUTED: "--muted", _GRID: "--grid"} | {
    colour: f"--series-{index}" for index, colour in enumerate(_SERIES)
}
_DASHES = ("-", "--", ":", "-.", (0, (5, 1, 1, 1, 1, 1)))  # colour alone tells nothing to some
_FONT = "DejaVu Sans"  # it comes with matplotlib: the same layout everywhere
_SETTINGS = {
    "font.size": 9,
    "font.family": _FONT,
    "text.color": _INK,
    "text.parse_math": False,  # a label with dollars is a label
    "axes.edgecolor": _MUTED,
    "axes.labelcolor": _INK,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "xtick.color": _MUTED,
    "ytick.color": _MUTED,
    "xtick.labelcolor": _INK,
    "ytick.labelcolor": _INK,
    "svg.fonttype": "none",
    "svg.hashsalt": "squeezebert-mobile",  # the same file for the same results
}
_WIDTH = 7.0  # inches
_BINS = 80
_LONGEST = 28  # characters of a label in a figure; the tables have all of it
_NUMBER = re.compile(r"-?\d+\.\d{2,}")
_REFERENCE = re.compile(r"#([A-Za-z]\w*)")


# Latency ------------------------------------------------------------------------------------


def distributions(measurements: Sequence[Measurement], alt: str, prefix: str) -> str:
    """A row for each measurement of a cell: its samples relative to its own median.

    On one scale in ms, a model of 25 ms beside one of 160 would be a line without a shape. The
    slowest and the fastest hundredth of the samples are left out.

    Args:
        measurements: Those of one number of threads and one length that have samples.
        alt: What there is to see.
        prefix: What every id begins with, so that two figures on a page share none.

    Raises:
        MissingExtraError: matplotlib is not installed.
    """
    return _drawn(lambda: _distributions(measurements), alt, prefix)


def _distributions(measurements: Sequence[Measurement]) -> Any:
    rows = [_relative(each) for each in measurements]
    middle = [_without_extremes(row) for row in rows]
    low = min(float(each.min()) for each in middle)
    high = max(float(each.max()) for each in middle)
    pad = max(0.05 * (high - low), 0.05)
    page = _figure(0.42 * len(rows) + 0.75)
    axes = page.subplots()
    edges = np.linspace(low - pad, high + pad, _BINS + 1)
    for place, (each, row) in enumerate(zip(measurements, middle, strict=True)):
        centres, heights = _density(row, edges)
        colour = _SERIES[place % len(_SERIES)]
        outline = [*(place - 0.4 * heights), *(place + 0.4 * heights[::-1])]
        around = [*centres, *centres[::-1]]
        axes.fill(around, outline, facecolor=colour, alpha=0.45, linewidth=0)
        axes.plot([*around, around[0]], [*outline, outline[0]], color=colour, linewidth=0.9)
        p90 = 100 * each.latency.p90_ms / (each.latency.median_ms or 1) - 100
        axes.plot([0, 0], [place - 0.4, place + 0.4], color=_INK, linewidth=1.6)
        if p90 <= high + pad:
            axes.plot([p90, p90], [place - 0.25, place + 0.25], color=_INK, linewidth=0.9)
    names = [
        f"{_short(m.contender)}\n{format_number(m.latency.median_ms)} ms" for m in measurements
    ]
    axes.set_yticks(range(len(rows)), names)
    axes.tick_params(axis="y", length=0)
    axes.invert_yaxis()
    axes.set_xlim(low - pad, high + pad)
    axes.set_xlabel("slower than its own median, in %")
    axes.grid(axis="x", color=_GRID, linewidth=0.8)
    axes.set_axisbelow(True)
    return page


def _without_extremes(row: NDArray[np.float64]) -> NDArray[np.float64]:
    """Without the lowest and the highest hundredth; of a few samples nothing is left out."""
    low = np.percentile(row, 1, method="lower")
    high = np.percentile(row, 99, method="higher")
    return row[(row >= low) & (row <= high)]


def has_samples(measurement: Measurement) -> bool:
    """Whether there is anything to draw: a file may hold no samples, or none that is a number."""
    return _relative(measurement).size > 0


def _relative(measurement: Measurement) -> NDArray[np.float64]:
    """The samples, in % above the median."""
    samples = np.array([each for block in measurement.blocks for each in block], np.float64)
    found = 100 * samples / (measurement.latency.median_ms or 1) - 100
    return found[np.isfinite(found)]


def _density(
    samples: NDArray[np.float64], edges: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Where samples lie: the middles of bins, and a smoothed count in each, 1 at its highest."""
    counts = np.histogram(samples, edges)[0].astype(np.float64)
    step = edges[1] - edges[0]
    spread = min(float(samples.std()), float(np.subtract(*np.percentile(samples, [75, 25]))) / 1.34)
    width = max(0.9 * spread * len(samples) ** -0.2 / step, 0.7)  # Silverman's, in bins
    reach = np.arange(-_BINS // 2 + 1, _BINS // 2)
    kernel = np.exp(-0.5 * (reach / width) ** 2)
    smooth = np.convolve(counts, kernel, mode="same")
    kept = smooth > 0.004 * smooth.max()
    return ((edges[1:] + edges[:-1]) / 2)[kept], (smooth / smooth.max())[kept]


# A phone over time --------------------------------------------------------------------------


def shown_sensors(results: Results) -> list[str]:
    """The sensors that `course` draws: the hottest ones."""
    peaks: dict[str, float] = {}
    for each in results.conditions:
        for name, value in each.celsius.items():
            peaks[name] = max(value, peaks.get(name, value))
    return sorted(peaks, key=lambda name: -peaks[name])[:SENSORS]


def course(results: Results, alt: str, prefix: str) -> str:
    """Temperature, thermal status, clock and fixed arithmetic over time, blocks marked by lines.

    A panel without any value is left out.

    Args:
        results: Those of a phone, with two conditions or probes at least that have `panels`.
        alt: What there is to see.
        prefix: What every id begins with, so that two figures on a page share none.

    Raises:
        MissingExtraError: matplotlib is not installed.
    """
    return _drawn(lambda: _course(results), alt, prefix)


Line = tuple[str, list[tuple[float, float]]]  # a name; minutes and values


def panels(results: Results) -> dict[str, list[Line]]:
    """What `course` draws: the lines of each panel that has any, by unit."""
    found = {
        "°C": _temperatures(results),
        "thermal\nstatus": _one(
            "thermal status", [(c.at_s, c.thermal_status) for c in results.conditions]
        ),
        "GHz": _clocks(results),
        "fixed\narithmetic, ms": _one(
            "fixed arithmetic", [(p.at_s, p.median_ms) for p in results.probes]
        ),
    }
    return {unit: lines for unit, lines in found.items() if lines}


def _course(results: Results) -> Any:
    shown = panels(results)
    page = _figure(1.35 * len(shown) + 0.4)
    places = page.subplots(len(shown), sharex=True, squeeze=False)[:, 0]
    for axes, (unit, lines) in zip(places, shown.items(), strict=True):
        blocks = [probe.at_s / 60 for probe in results.probes]
        axes.vlines(blocks, 0, 1, color=_GRID, linewidth=0.8, transform=axes.get_xaxis_transform())
        for index, (name, points) in enumerate(lines):
            style = {
                "color": _SERIES[index % len(_SERIES)],
                "linestyle": _DASHES[index % len(_DASHES)],
                "drawstyle": "steps-post" if "status" in unit else "default",
            }
            axes.plot(*zip(*points, strict=True), label=_short(name), linewidth=1.5, **style)
        axes.set_ylabel(unit)
        axes.margins(y=0.15)
        if "status" in unit:
            axes.set_yticks(range(7), ["none", "light", "moderate", "severe", "critical", "5", "6"])
            axes.set_ylim(-0.3, max(3.3, max(y for _, y in lines[0][1]) + 0.3))
        elif "°C" not in unit:
            axes.set_ylim(bottom=0)  # a tenth less looks like a tenth less
        if len(lines) > 1:
            axes.legend(
                loc="center left", bbox_to_anchor=(1.01, 0.5), frameon=False, handlelength=2.4
            )
    places[-1].set_xlabel("minutes since the run began")
    page.align_ylabels(places)
    return page


def _one(name: str, points: Sequence[tuple[float, float | None]]) -> list[Line]:
    there = [(at / 60, float(value)) for at, value in points if value is not None]
    return [(name, there)] if there else []


def _temperatures(results: Results) -> list[Line]:
    lines: list[Line] = []
    for sensor in shown_sensors(results):
        lines += _one(sensor, [(c.at_s, c.celsius.get(sensor)) for c in results.conditions])
    return lines + _one("battery", [(c.at_s, c.battery_celsius) for c in results.conditions])


def _clocks(results: Results) -> list[Line]:
    """The highest clock among the cores of each cluster."""
    lines: list[Line] = []
    for cluster in results.phone.clusters if results.phone else ():
        points = []
        for each in results.conditions:
            clocks = [each.cpu_khz[core] for core in cluster.cores if core in each.cpu_khz]
            points.append((each.at_s, max(clocks) / 1e6 if clocks else None))
        many = "s" * (len(cluster.cores) > 1)
        lines += _one(f"core{many} {', '.join(map(str, cluster.cores))}", points)
    return lines


# Matplotlib's SVG to the page's -------------------------------------------------------------


def _figure(height: float) -> Any:
    figures = require("matplotlib.figure", "bench")
    return figures.Figure(figsize=(_WIDTH, height), layout="constrained")


def _short(label: str) -> str:
    text = printable(label)
    return text if len(text) <= _LONGEST else f"{text[: _LONGEST - 1]}…"


def _drawn(make: Callable[[], Any], alt: str, prefix: str) -> str:
    matplotlib = require("matplotlib", "bench")
    file = io.StringIO()
    with matplotlib.rc_context(_SETTINGS), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the browser's font has the letters that DejaVu lacks
        make().savefig(file, format="svg", transparent=True, metadata={"Date": None})
    return _inline(ElementTree.fromstring(file.getvalue()), printable(alt), prefix)


def _inline(root: ElementTree.Element, alt: str, prefix: str) -> str:
    """An <svg> element for the middle of an HTML page: no rules for all of it, no ids of others."""
    for parent in list(root.iter()):
        for child in list(parent):
            if child.tag.endswith(("}metadata", "}style")):
                parent.remove(child)
    ids = {each for found in root.iter() for each in _referred(found)}
    for found in root.iter():
        found.tag = found.tag.rpartition("}")[2]
        found.attrib = {
            name.rpartition("}")[2]: _value(value, ids, prefix) for name, value in found.items()
        }
        if (own := found.attrib.pop("id", None)) in ids:
            found.set("id", f"{prefix}{own}")
    for name in ("width", "height", "version"):
        root.attrib.pop(name, None)
    root.set("role", "img")
    root.set("aria-label", alt)
    return ElementTree.tostring(root, encoding="unicode")


def _referred(element: ElementTree.Element) -> list[str]:
    return [each for value in element.attrib.values() for each in _REFERENCE.findall(value)]


def _value(value: str, ids: set[str], prefix: str) -> str:
    for colour, variable in _VARIABLES.items():
        value = value.replace(colour, f"var({variable})")
    value = value.replace(f"'{_FONT}'", "system-ui, sans-serif")
    value = _REFERENCE.sub(lambda f: f"#{prefix}{f[1]}" if f[1] in ids else f[0], value)
    return _NUMBER.sub(lambda found: f"{float(found[0]):.1f}", value)
