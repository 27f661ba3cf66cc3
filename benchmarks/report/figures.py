"""Figures as inline SVG: text stays text, and the colours follow the page, dark or light."""

import io
import re
import warnings
from collections.abc import Callable, Sequence
from typing import Any
from xml.etree import ElementTree

import numpy as np
from numpy.typing import NDArray

from squeezebert_mobile.benchmarks.records.profile import Profile
from squeezebert_mobile.benchmarks.records.results import Measurement, Results
from squeezebert_mobile.benchmarks.report.formatting import (
    THERMAL_STATUSES,
    cores_text,
    format_number,
)
from squeezebert_mobile.errors import printable, require

__all__ = [
    "SENSORS",
    "distributions",
    "has_samples",
    "latency_against",
    "over_time",
    "panels",
    "profile_bars",
    "shown_sensors",
]

#: How many of a phone's sensors are drawn, the hottest ones; a phone may have forty.
SENSORS = 4

# Placeholders: matplotlib needs a colour, and each becomes a CSS variable of the page.
_INK, _MUTED, _GRID = "#010101", "#010102", "#010103"
_SERIES = ("#010104", "#010105", "#010106", "#010107", "#010108")
_VARIABLES = {_INK: "--ink", _MUTED: "--muted", _GRID: "--grid"} | {
    colour: f"--series-{index}" for index, colour in enumerate(_SERIES)
}
_HATCHES = ("", "//", "..", "xx", "--")  # likewise
_DASHES = ("-", "--", ":", "-.", (0, (5, 1, 1, 1, 1, 1)))  # readable without seeing colours
_FONT = "DejaVu Sans"  # shipped with matplotlib: the same layout everywhere
_SETTINGS = {
    "font.size": 9,
    "font.family": _FONT,
    "text.color": _INK,
    "text.parse_math": False,  # dollars in a label are no formula
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
_LONGEST = 28  # characters of a label in a figure; tables show all of it
_NUMBER = re.compile(r"-?\d+\.\d{2,}")
_REFERENCE = re.compile(r"#([A-Za-z]\w*)")


# Latency ------------------------------------------------------------------------------------


def distributions(measurements: Sequence[Measurement], alt: str, prefix: str) -> str:
    """A row for each measurement of a cell: its samples relative to its own median.

    On one scale in ms, the distribution of a 25 ms model beside a 160 ms one would be a thin line.
    The slowest and the fastest hundredth of the samples are left out.

    Args:
        measurements: Those of one workload; all have samples.
        alt: The description of the figure.
        prefix: The start of every id, so that figures of one page share none.

    Raises:
        MissingExtraError: matplotlib is not installed.
    """
    return _draw(lambda: _distributions(measurements), alt, prefix)


def _distributions(measurements: Sequence[Measurement]) -> Any:
    rows = [_relative(each) for each in measurements]
    middle = [_without_extremes(row) for row in rows]
    low = min(float(each.min()) for each in middle)
    high = max(float(each.max()) for each in middle)
    pad = max(0.05 * (high - low), 0.05)
    figure = _figure(0.42 * len(rows) + 0.75)
    axes = figure.subplots()
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
    return figure


def _without_extremes(row: NDArray[np.float64]) -> NDArray[np.float64]:
    """Without the lowest and the highest hundredth; few samples are all kept."""
    low = np.percentile(row, 1, method="lower")
    high = np.percentile(row, 99, method="higher")
    return row[(row >= low) & (row <= high)]


def has_samples(measurement: Measurement) -> bool:
    """Whether there is a finite sample to draw; a results file may have none."""
    return _relative(measurement).size > 0


def _relative(measurement: Measurement) -> NDArray[np.float64]:
    """The samples, in % above the median."""
    samples = np.array([each for block in measurement.blocks for each in block], np.float64)
    relative = 100 * samples / (measurement.latency.median_ms or 1) - 100
    return relative[np.isfinite(relative)]


def _density(
    samples: NDArray[np.float64], edges: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """A density estimate: the centres of bins, and smoothed counts with a maximum of 1."""
    counts = np.histogram(samples, edges)[0].astype(np.float64)
    step = edges[1] - edges[0]
    spread = min(float(samples.std()), float(np.subtract(*np.percentile(samples, [75, 25]))) / 1.34)
    width = max(0.9 * spread * len(samples) ** -0.2 / step, 0.7)  # Silverman's, in bins
    reach = np.arange(-_BINS // 2 + 1, _BINS // 2)
    kernel = np.exp(-0.5 * (reach / width) ** 2)
    smooth = np.convolve(counts, kernel, mode="same")
    kept = smooth > 0.004 * smooth.max()
    return ((edges[1:] + edges[:-1]) / 2)[kept], (smooth / smooth.max())[kept]


# Profiles -----------------------------------------------------------------------------------


def profile_bars(profiles: Sequence[Profile], alt: str, prefix: str) -> str:
    """A stacked bar for each contender: the operators that take longest, and all others.

    Args:
        profiles: Those of one workload.
        alt: The description of the figure.
        prefix: The start of every id, so that figures of one page share none.

    Raises:
        MissingExtraError: matplotlib is not installed.
    """
    return _draw(lambda: _profile_bars(profiles), alt, prefix)


def _profile_bars(profiles: Sequence[Profile]) -> Any:
    times = [{share.name: share.ms for share in profile.operators} for profile in profiles]
    names = {name for operators in times for name in operators}
    # By share, so that the operators of a fast model are named, too.
    weight = {
        name: sum(o.get(name, 0) / (p.run_ms or 1) for o, p in zip(times, profiles, strict=True))
        for name in names
    }
    shown = sorted(names, key=lambda name: (-weight[name], name))[: len(_SERIES)]
    figure = _figure(0.42 * len(profiles) + 1.0)
    axes = figure.subplots()
    places = range(len(profiles))
    left = np.zeros(len(profiles))
    for index, name in enumerate(shown):
        widths = np.array([operators.get(name, 0) for operators in times])
        axes.barh(
            places, widths, 0.6, left=left, color=_SERIES[index], label=_short(name),
            edgecolor=_INK, linewidth=0.4, hatch=_HATCHES[index],
        )  # fmt: skip
        left += widths
    rest = np.array([profile.run_ms for profile in profiles]) - left
    axes.barh(places, np.maximum(rest, 0), 0.6, left=left, color=_GRID, label="others")
    names_and_times = [f"{_short(p.contender)}\n{format_number(p.run_ms)} ms" for p in profiles]
    axes.set_yticks(places, names_and_times)
    axes.tick_params(axis="y", length=0)
    axes.invert_yaxis()
    axes.set_xlabel("ms of a profiled run")
    axes.legend(loc="lower center", bbox_to_anchor=(0.5, 1), frameon=False, ncols=3)
    return figure


# A phone over time --------------------------------------------------------------------------


def shown_sensors(results: Results) -> list[str]:
    """The sensors that `over_time` draws: the hottest ones."""
    peaks: dict[str, float] = {}
    for each in results.conditions:
        for name, value in each.celsius.items():
            peaks[name] = max(value, peaks.get(name, value))
    return sorted(peaks, key=lambda name: -peaks[name])[:SENSORS]


def over_time(results: Results, alt: str, prefix: str) -> str:
    """Temperature, thermal status, clock and fixed arithmetic over time; lines mark the blocks.

    Panels without values are left out.

    Args:
        results: Of a phone, with `panels` and at least two conditions or probes.
        alt: The description of the figure.
        prefix: The start of every id, so that figures of one page share none.

    Raises:
        MissingExtraError: matplotlib is not installed.
    """
    return _draw(lambda: _over_time(results), alt, prefix)


def latency_against(
    points: Sequence[tuple[str, float, float]], what: str, alt: str, prefix: str
) -> str:
    """A point for each model: its name, its ms, and another value."""
    return _draw(lambda: _latency_against(points, what), alt, prefix)


def _latency_against(points: Sequence[tuple[str, float, float]], what: str) -> Any:
    figure = _figure(3.0, width=4.5)
    axes = figure.subplots()
    for index, (name, ms, value) in enumerate(points):
        axes.plot(ms, value, "o", color=_SERIES[index % len(_SERIES)], clip_on=False)
        axes.annotate(_short(name), (ms, value), (5, 4), textcoords="offset points")
    axes.set_xlim(left=0, right=1.3 * max(ms for _, ms, _ in points) or 1)
    values = [value for *_, value in points]
    margin = max(1, (max(values) - min(values)) / 4)
    axes.set_ylim(min(values) - margin, min(100, max(values) + margin))
    axes.set_xlabel("median latency, ms")
    axes.set_ylabel(what)
    axes.grid(color=_GRID, linewidth=0.8)
    axes.set_axisbelow(True)
    return figure


Line = tuple[str, list[tuple[float, float]]]  # name, [(minutes, value), ...]


def panels(results: Results) -> dict[str, list[Line]]:
    """The lines of each panel that `over_time` draws, by unit."""
    lines = {
        "°C": _temperatures(results),
        "thermal\nstatus": _line(
            "thermal status", [(c.at_s, c.thermal_status) for c in results.conditions]
        ),
        "GHz": _clocks(results),
        "fixed\narithmetic, ms": _line(
            "fixed arithmetic", [(p.at_s, p.median_ms) for p in results.probes]
        ),
    }
    return {unit: values for unit, values in lines.items() if values}


def _over_time(results: Results) -> Any:
    shown = panels(results)
    figure = _figure(1.35 * len(shown) + 0.4)
    all_axes = figure.subplots(len(shown), sharex=True, squeeze=False)[:, 0]
    for axes, (unit, lines) in zip(all_axes, shown.items(), strict=True):
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
            axes.set_yticks(range(len(THERMAL_STATUSES)), THERMAL_STATUSES)
            axes.set_ylim(-0.3, max(3.3, max(y for _, y in lines[0][1]) + 0.3))
        elif "°C" not in unit:
            axes.set_ylim(bottom=0)  # from 0, so that lengths are proportional to values
        if len(lines) > 1:
            axes.legend(
                loc="center left", bbox_to_anchor=(1.01, 0.5), frameon=False, handlelength=2.4
            )
    all_axes[-1].set_xlabel("minutes since the run began")
    figure.align_ylabels(all_axes)
    return figure


def _line(name: str, points: Sequence[tuple[float, float | None]]) -> list[Line]:
    known = [(at / 60, float(value)) for at, value in points if value is not None]
    return [(name, known)] if known else []


def _temperatures(results: Results) -> list[Line]:
    lines: list[Line] = []
    for sensor in shown_sensors(results):
        lines += _line(sensor, [(c.at_s, c.celsius.get(sensor)) for c in results.conditions])
    return lines + _line("battery", [(c.at_s, c.battery_celsius) for c in results.conditions])


def _clocks(results: Results) -> list[Line]:
    """The highest clock among the cores of each cluster."""
    lines: list[Line] = []
    for cluster in results.phone.clusters if results.phone else ():
        points = []
        for each in results.conditions:
            clocks = [each.cpu_khz[core] for core in cluster.cores if core in each.cpu_khz]
            points.append((each.at_s, max(clocks) / 1e6 if clocks else None))
        lines += _line(cores_text(cluster.cores), points)
    return lines


# From matplotlib's SVG to inline SVG -------------------------------------------------------


def _figure(height: float, width: float = _WIDTH) -> Any:
    matplotlib_figure = require("matplotlib.figure", "bench")
    return matplotlib_figure.Figure(figsize=(width, height), layout="constrained")


def _short(label: str) -> str:
    text = printable(label)
    return text if len(text) <= _LONGEST else f"{text[: _LONGEST - 1]}…"


def _draw(make: Callable[[], Any], alt: str, prefix: str) -> str:
    matplotlib = require("matplotlib", "bench")
    file = io.StringIO()
    with matplotlib.rc_context(_SETTINGS), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # letters that DejaVu lacks; a browser has other fonts
        make().savefig(file, format="svg", transparent=True, metadata={"Date": None})
    return _inline(ElementTree.fromstring(file.getvalue()), printable(alt), prefix)


def _inline(root: ElementTree.Element, alt: str, prefix: str) -> str:
    """An <svg> element to place in an HTML page: no global style, no ids that clash."""
    for parent in list(root.iter()):
        for child in list(parent):
            if child.tag.endswith(("}metadata", "}style")):
                parent.remove(child)
    ids = {each for element in root.iter() for each in _references(element)}
    for element in root.iter():
        element.tag = element.tag.rpartition("}")[2]
        element.attrib = {
            name.rpartition("}")[2]: _value(value, ids, prefix) for name, value in element.items()
        }
        if (own := element.attrib.pop("id", None)) in ids:
            element.set("id", f"{prefix}{own}")
    root.set("style", f"--width: {root.attrib['viewBox'].split()[2]}pt")
    for name in ("width", "height", "version"):
        root.attrib.pop(name, None)
    root.set("role", "img")
    root.set("aria-label", alt)
    return ElementTree.tostring(root, encoding="unicode")


def _references(element: ElementTree.Element) -> list[str]:
    return [each for value in element.attrib.values() for each in _REFERENCE.findall(value)]


def _value(value: str, ids: set[str], prefix: str) -> str:
    for colour, variable in _VARIABLES.items():
        value = value.replace(colour, f"var({variable})")
    value = value.replace(f"'{_FONT}'", "system-ui, sans-serif")
    value = _REFERENCE.sub(lambda f: f"#{prefix}{f[1]}" if f[1] in ids else f[0], value)
    return _NUMBER.sub(lambda match: f"{float(match[0]):.1f}", value)
