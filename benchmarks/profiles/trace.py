"""A trace of profiled runs in Chrome's format, which Perfetto (ui.perfetto.dev) opens.

A process for each contender, a track for each workload; a run holds its layers, a layer its
operators. A run whose profiler does not say the layers holds its operators.
"""

import itertools
import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from squeezebert_mobile.benchmarks.profiles.runs import ProfiledRun
from squeezebert_mobile.files import atomic_file, is_stream

__all__ = ["Trace", "trace_of"]

Event = dict[str, Any]


def trace_of(output: Path | None) -> Path | None:
    """The trace of a run with results at `output`; None if there is none, or it is a stream."""
    return None if output is None or is_stream(output) else output.with_suffix(".trace.json")


class Trace:
    """Collects the profiled runs, and writes them."""

    def __init__(self) -> None:  # noqa: D107
        self._events: list[Event] = []
        self._processes: dict[str, int] = {}

    def add(self, contender: str, track: str, runs: Sequence[ProfiledRun]) -> None:
        """Add the runs of a contender at one workload, which is the name of the track."""
        process = self._processes.setdefault(contender, len(self._processes) + 1)
        number = 1 + sum(
            event["name"] == "thread_name" and event["pid"] == process for event in self._events
        )
        place = {"pid": process, "tid": number}
        if number == 1:
            self._events.append(_name("process_name", place, contender))
        self._events.append(_name("thread_name", place, track))
        for run in runs:
            self._events += ({**place, "ph": "X", **event} for event in _slices(run))

    def write(self, path: Path, *, results: Path) -> None:
        """Write the file.

        Args:
            path: The file.
            results: Where the results have been written, for the error message.

        Raises:
            BenchmarkError: it cannot be written.
        """
        trace = {"displayTimeUnit": "ms", "traceEvents": self._events}
        remedy = (
            f"the results with the profile are in {str(results)!r}, only the trace would have to "
            "be measured again"
        )
        with atomic_file(path, what="trace", remedy=remedy) as partial:
            partial.write_text(json.dumps(trace) + "\n", encoding="utf-8")


def _name(kind: str, place: Event, name: str) -> Event:
    return {**place, "ph": "M", "name": kind, "args": {"name": name}}


def _slices(run: ProfiledRun) -> Iterator[Event]:
    """The run, its layers and its operators; each follows the one that it is in."""
    yield {"name": "run", "cat": "run", "ts": run.begin, "dur": run.duration}
    for layer, group in itertools.groupby(run.operators, key=lambda each: each.layer):
        operators = list(group)
        if layer is not None:
            begin, last = operators[0].begin, operators[-1]
            duration = last.begin + last.duration - begin
            yield {"name": layer, "cat": "layer", "ts": begin, "dur": duration}
        for each in operators:
            arguments = {"node": each.name}
            yield {
                "name": each.type,
                "cat": "operator",
                "ts": each.begin,
                "dur": each.duration,
                "args": arguments,
            }
