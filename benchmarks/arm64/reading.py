"""Reads what the plugin prints: the instructions of a run, in total and by operator."""

from collections import Counter
from collections.abc import Sequence

from squeezebert_mobile.benchmarks.profiles.executorch import operator_type
from squeezebert_mobile.errors import BenchmarkError

__all__ = ["instructions_by_operator", "instructions_of_run"]


def instructions_of_run(readings: Sequence[str], run: int) -> int:
    """The instructions between the two marks of a run.

    Args:
        readings: The lines of the plugin, "clock N" and "mark N".
        run: 0 for the first marked run.

    Raises:
        BenchmarkError: there are no such marks.
    """
    begin, end = _marks(readings, run)
    return _number(readings[end]) - _number(readings[begin])


def instructions_by_operator(
    readings: Sequence[str], run: int, events: Sequence[str]
) -> dict[str, int]:
    """The instructions of each kind of operator in a profiled run, most first.

    Args:
        readings: The lines of the plugin.
        run: The number of the marked run.
        events: What the profiler did, in order:
            "begin NAME", "end"   it read the clock at the start and at the end of an operator,
                                  which may contain others
            "part N NAME"         it read the clock N times, the last time at the end of an operator
                                  that began at the reading before
            "skip N"              it read the clock N times outside of operators
            "rest N M"            the same, N or M times

    Raises:
        BenchmarkError: the number of clock readings is not the expected one.
    """
    begin, end = _marks(readings, run)
    clocks = [_number(line) for line in readings[begin + 1 : end]]
    expected = _expected(events)
    if len(clocks) not in expected:
        raise BenchmarkError(
            f"the profiler read the clock {len(clocks)} times instead of "
            f"{' or '.join(map(str, expected))}: this version of the runtime cannot be broken down "
            "by operator"
        )
    totals: Counter[str] = Counter()
    place = 0  # readings so far
    outer: list[tuple[str, int]] = []  # name and first reading of the operators that have begun
    for event in events:
        kind, *words = event.split(maxsplit=2 if event.startswith("part ") else 1)
        if kind == "part":
            name, first = words[1], place - 1
        elif kind == "end":
            name, first = outer.pop()
        elif kind == "begin":
            outer.append((words[0], place))
        place += _readings(event)
        # An operator that contains others only passes control to them.
        if kind == "part" or (kind == "end" and place == first + 2):
            totals[operator_type(name)] += clocks[place - 1] - clocks[first]
    return dict(totals.most_common())


def _readings(event: str) -> int:
    """The readings of an event other than "rest"."""
    kind, *words = event.split(maxsplit=2)
    return int(words[0]) if kind in {"part", "skip"} else int(kind != "rest")


def _expected(events: Sequence[str]) -> list[int]:
    total = sum(_readings(event) for event in events)
    rest = events[-1].split()[1:] if events and events[-1].startswith("rest ") else ["0"]
    return [total + int(number) for number in rest]


def _marks(readings: Sequence[str], run: int) -> tuple[int, int]:
    places = [place for place, line in enumerate(readings) if line.startswith("mark ")]
    if len(places) < 2 * run + 2:
        raise BenchmarkError(
            f"the plugin printed {len(places)} marks of runs instead of {2 * run + 2}"
        )
    return places[2 * run], places[2 * run + 1]


def _number(line: str) -> int:
    return int(line.split()[1])
