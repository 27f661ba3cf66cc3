"""Several results in the order of time, and what has become slower."""

import statistics
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from squeezebert_mobile.benchmarks.records.results import Measurement, Results
from squeezebert_mobile.benchmarks.report.formatting import (
    format_median,
    format_number,
    workload_text,
)
from squeezebert_mobile.benchmarks.report.queries import main_workload, measurements_at, place
from squeezebert_mobile.benchmarks.report.side_by_side import NamedResults
from squeezebert_mobile.benchmarks.report.writers.page import Block, Cell, Row, Table

__all__ = ["MIN_RUNS", "history", "regressions"]

#: Two results are a comparison; from three on they are a history.
MIN_RUNS = 3
#: A median that is larger by this share than those before it is a regression.
_SLOWER = 0.05


@dataclass(frozen=True)
class _Entry:
    """A model's median in one file."""

    file: str
    created: str
    measurement: Measurement
    #: Divided by the median of all earlier runs on the same device; None if there are none.
    change: float | None

    @property
    def is_slower(self) -> bool:
        """Whether it is a regression."""
        return self.change is not None and self.change > 1 + _SLOWER


def history(results: Sequence[NamedResults]) -> Iterator[Block]:
    """A table for each of the user's models, from the oldest result to the newest."""
    workload = main_workload(results[0][1])
    histories = _histories(results)
    for label, entries in histories.items():
        rows: list[Row] = [
            (
                each.created.replace("T", " ")[:16],
                each.file,
                format_median(each.measurement),
                Cell(_change(each), style="strong" if each.is_slower else ""),
            )
            for each in entries
        ]
        caption = f"{label}, {workload_text(workload)}, in the order of time"
        yield Table(caption, ("measured (UTC)", "file", "median ms", "change"), tuple(rows))
    if histories:
        yield (
            "Change: from the median of the earlier runs on the same device. It has no interval, "
            "as the runs were not interleaved; slower: by more than "
            f"{100 * _SLOWER:.0f} %."
        )


def regressions(results: Sequence[NamedResults]) -> Iterator[str]:
    """A sentence for each model whose newest result is slower than those before it."""
    if len(results) < MIN_RUNS:
        return
    for label, entries in _histories(results).items():
        last = entries[-1]
        if last.is_slower and last.change is not None:
            yield (
                f"Slower: {label} takes {format_number(last.measurement.latency.median_ms)} ms in "
                f"{last.file}, {100 * (last.change - 1):.1f} % more than in the runs before it."
            )


def _histories(results: Sequence[NamedResults]) -> dict[str, list[_Entry]]:
    """The user's models, each with its medians from the oldest to the newest."""
    workload = main_workload(results[0][1])
    found: dict[str, list[_Entry]] = {}
    earlier: dict[tuple[str, str], list[float]] = {}
    for name, each in sorted(results, key=lambda named: named[1].created):
        own = {facts.label for facts in each.contenders if facts.role == "contender"}
        for measurement in measurements_at(each, workload):
            if (label := measurement.contender) in own:
                medians = earlier.setdefault((label, _device(each)), [])
                now = measurement.latency.median_ms
                before = statistics.median(medians) if medians else 0.0
                change = now / before if before else None
                found.setdefault(label, []).append(_Entry(name, each.created, measurement, change))
                medians.append(now)
    return {label: entries for label, entries in found.items() if len(entries) > 1}


def _device(results: Results) -> str:
    serial = results.phone.serial if results.phone else ""
    return f"{place(results)} {serial} {results.settings.cores}"


def _change(entry: _Entry) -> str:
    if entry.change is None:
        return ""
    return f"{100 * (entry.change - 1):+.1f} %{' slower' if entry.is_slower else ''}"
