"""Numbers, intervals and workloads as text."""

from collections.abc import Sequence

from squeezebert_mobile.benchmarks.records.results import (
    ContenderFacts,
    Interval,
    Measurement,
)
from squeezebert_mobile.benchmarks.report.queries import Workload

__all__ = [
    "DOUBT",
    "THERMAL_STATUSES",
    "cores_text",
    "format_interval",
    "format_median",
    "format_number",
    "format_ratio",
    "plural",
    "size_text",
    "workload_text",
]

#: Marks a figure that has a flag; a note below the table explains it.
DOUBT = "?"

#: The thermal statuses of Android's PowerManager, from 0 on.
THERMAL_STATUSES = ("none", "light", "moderate", "severe", "critical", "emergency", "shutdown")


def format_number(value: float) -> str:
    """Three significant digits (two below 1), or no decimals from 1000 on."""
    if abs(value) >= 999.5:
        return f"{value:.0f}"
    return (f"{value:#.2g}" if abs(value) < 1 else f"{value:#.3g}").rstrip(".")


def format_median(measurement: Measurement) -> str:
    """The median in ms, with a question mark if the latency varied, or the phone changed."""
    # A median needs no number of blocks; an interval does.
    doubt = DOUBT if {*measurement.flags} - {"few blocks"} else ""
    return format_number(measurement.latency.median_ms) + doubt


def format_ratio(interval: Interval) -> str:
    """The ratio as 1.93x, with a question mark if it has a flag."""
    return f"{format_number(interval.ratio)}x{DOUBT if interval.flags else ''}"


def format_interval(interval: Interval) -> str:
    """The ends of an interval as 1.90-1.96; empty if there is none."""
    if interval.low is None or interval.high is None:
        return ""
    return f"{format_number(interval.low)}-{format_number(interval.high)}"


def plural(count: int, noun: str, ending: str = "s") -> str:
    """1 thread, 2 threads, ..."""
    return f"{count} {noun}{ending * (count != 1)}"


def size_text(facts: ContenderFacts) -> str:
    """51.1 M parameters, 12 layers; empty if they are not known."""
    if not (facts.parameters and facts.layers):
        return ""
    millions = format_number(facts.parameters / 1e6)
    return f"{millions} M parameters, {plural(facts.layers, 'layer')}"


def cores_text(cores: Sequence[int]) -> str:
    """Core 7; cores 4, 5, 6."""
    return f"core{'s' * (len(cores) > 1)} {', '.join(map(str, cores))}"


def workload_text(workload: Workload) -> str:
    """1 thread, 128 tokens."""
    threads, length = workload
    return f"{plural(threads, 'thread')}, {plural(length, 'token')}"
