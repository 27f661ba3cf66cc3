"""The journal: a run as a list of events, each written down as soon as it happened.

A run is `Begin`, then starts, warm-ups, blocks and failures, then `End`. `assemble` makes results
from any list of events that has a beginning, so an interrupted run is read like a finished one.
"""

import json
from collections import defaultdict
from collections.abc import Iterator, Sequence
from itertools import product
from pathlib import Path
from typing import Annotated, Any, Literal, TextIO

from pydantic import Field, TypeAdapter, ValidationError

from squeezebert_mobile.benchmarks import stats
from squeezebert_mobile.benchmarks.results import (
    SCHEMA_VERSION,
    ContenderFacts,
    Failure,
    LoadAverage,
    Machine,
    Measurement,
    Ratio,
    Record,
    Results,
    Settings,
    Start,
    fp32_baseline,
    headline_baseline,
)
from squeezebert_mobile.errors import BenchmarkError
from squeezebert_mobile.runtime.closing import Closing

__all__ = [
    "Begin",
    "Block",
    "End",
    "Event",
    "Failed",
    "Journal",
    "Started",
    "WarmedUp",
    "assemble",
    "compare",
    "read_results",
]


class Begin(Record):
    """The first line: everything that is known before the first run."""

    event: Literal["begin"] = "begin"
    schema_version: Literal[1] = SCHEMA_VERSION
    created: str
    settings: Settings
    machine: Machine
    load_before: LoadAverage | None
    contenders: tuple[ContenderFacts, ...]


class Started(Record):
    """One fresh process of one contender."""

    event: Literal["start"] = "start"
    contender: str
    start: Start


class Failed(Record):
    """A contender that takes no further part."""

    event: Literal["failure"] = "failure"
    failure: Failure


class WarmedUp(Record):
    """The unrecorded runs before the first block."""

    event: Literal["warm-up"] = "warm-up"
    contender: str
    threads: int
    sequence_length: int
    runs: int
    stable: bool


class Block(Record):
    """The samples of one ABBA block, in ms."""

    event: Literal["block"] = "block"
    threads: int
    sequence_length: int
    samples: dict[str, tuple[float, ...]]


class End(Record):
    """The last line of a run that was not interrupted."""

    event: Literal["end"] = "end"
    load_after: LoadAverage | None


Event = Begin | Started | Failed | WarmedUp | Block | End
_EVENT: TypeAdapter[Event] = TypeAdapter(Annotated[Event, Field(discriminator="event")])


class Journal(Closing):
    """The events so far; with a path, each is a line of that file too.

    Raises:
        BenchmarkError: the file exists, or cannot be written.
    """

    def __init__(self, path: Path | None = None) -> None:
        """Create the file, where there is to be one."""
        self.events: list[Event] = []
        self._file: TextIO | None = None
        try:
            if path:
                path.parent.mkdir(parents=True, exist_ok=True)
                self._file = path.open("x", encoding="utf-8", newline="\n")
        except FileExistsError as error:
            raise BenchmarkError(
                f"{error.filename!r} exists: it may hold what an interrupted run has measured; "
                "look at it or move it away, then measure again"
            ) from None
        except OSError as error:
            raise BenchmarkError(
                f"cannot write the journal {str(path)!r}: {error.strerror}; "
                "choose another place with -o"
            ) from None

    def add(self, event: Event) -> None:
        """Keep an event."""
        self.events.append(event)
        if self._file:
            self._file.write(event.model_dump_json() + "\n")
            self._file.flush()

    def close(self) -> None:
        """Close the file."""
        if self._file:
            self._file.close()


# Events to results --------------------------------------------------------------------------


def assemble(events: Sequence[Event]) -> Results:
    """The results of a run, or of as much of it as there is."""
    begin = events[0]
    assert isinstance(begin, Begin)
    starts: dict[str, list[Start]] = defaultdict(list)
    for event in events:
        if isinstance(event, Started):
            starts[event.contender].append(event.start)
    measurements = tuple(_measurements(begin, events))
    end = events[-1] if isinstance(events[-1], End) else None
    return Results(
        schema_version=SCHEMA_VERSION,
        target="host",
        created=begin.created,
        complete=end is not None,
        settings=begin.settings,
        machine=begin.machine,
        load_before=begin.load_before,
        load_after=end.load_after if end else None,
        contenders=begin.contenders,
        starts={label: tuple(each) for label, each in starts.items()},
        measurements=measurements,
        ratios=tuple(_ratios(begin.contenders, measurements)),
        failures=tuple(event.failure for event in events if isinstance(event, Failed)),
    )


def _measurements(begin: Begin, events: Sequence[Event]) -> Iterator[Measurement]:
    for threads, length in product(begin.settings.threads, begin.settings.sequence_lengths):
        here = [
            event
            for event in events
            if isinstance(event, WarmedUp | Block)
            and (event.threads, event.sequence_length) == (threads, length)
        ]
        warm_ups = {event.contender: event for event in here if isinstance(event, WarmedUp)}
        samples = [event.samples for event in here if isinstance(event, Block)]
        for label, warm_up in warm_ups.items():
            if blocks := tuple(block[label] for block in samples if label in block):
                yield _measurement(warm_up, blocks)


def _measurement(warm_up: WarmedUp, blocks: tuple[tuple[float, ...], ...]) -> Measurement:
    return Measurement(
        contender=warm_up.contender,
        threads=warm_up.threads,
        sequence_length=warm_up.sequence_length,
        warm_up_runs=warm_up.runs,
        warm_up_stable=warm_up.stable,
        latency=stats.latency(blocks),
        drift=stats.drift(blocks),
        flags=stats.latency_flags(blocks),
        blocks=blocks,
    )


def _ratios(
    contenders: Sequence[ContenderFacts], measurements: Sequence[Measurement]
) -> Iterator[Ratio]:
    facts = {each.label: each for each in contenders}
    for measurement in measurements:
        own = facts[measurement.contender]
        wanted = [fp32_baseline(own, contenders)]
        if own.role == "contender":
            wanted.insert(0, headline_baseline(own, contenders))
        labels = dict.fromkeys(other.label for other in wanted if other and other != own)
        for label in labels:
            if ratio := compare(measurements, measurement, baseline=label):
                yield ratio


def compare(
    measurements: Sequence[Measurement], measurement: Measurement, *, baseline: str
) -> Ratio | None:
    """How many times faster `measurement` is than `baseline`, if that was measured too."""
    key = (baseline, measurement.threads, measurement.sequence_length)
    for other in measurements:
        if (other.contender, other.threads, other.sequence_length) == key:
            return Ratio(
                contender=measurement.contender,
                baseline=baseline,
                threads=measurement.threads,
                sequence_length=measurement.sequence_length,
                times_faster=stats.compare(slower=other.blocks, faster=measurement.blocks),
            )
    return None


# Reading ------------------------------------------------------------------------------------


def read_results(path: Path) -> Results:
    """The results in a results file, or in the journal of a run that was cut off.

    Raises:
        BenchmarkError: the file is missing, damaged, or of another version.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise BenchmarkError(f"cannot read the results {str(path)!r}: {error}") from None
    try:
        if text.startswith('{"event"'):  # as each line of a journal does
            return assemble(_events(text, path))
        _check_version(_object(text, path), path)
        return Results.model_validate_json(text)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"]) or "top level"
        raise BenchmarkError(f"{str(path)!r} is damaged at {where}: {first['msg']}") from None


def _events(text: str, path: Path) -> list[Event]:
    complete = text.split("\n")[:-1]  # what stands after the last line end was cut off
    if not complete or _object(complete[0], path).get("event") != "begin":
        raise BenchmarkError(f"{str(path)!r} is not a whole journal: its first line is no 'begin'")
    _check_version(_object(complete[0], path), path)
    return [_EVENT.validate_json(line) for line in complete]


def _object(text: str, path: Path) -> dict[str, Any]:
    try:
        data = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise BenchmarkError(f"{str(path)!r} is not valid JSON: {error}") from None
    if not isinstance(data, dict):
        raise BenchmarkError(f"{str(path)!r} must hold a JSON object, not {type(data).__name__}")
    return data


def _check_version(data: dict[str, Any], path: Path) -> None:
    found = data.get("schema_version")
    if found != SCHEMA_VERSION:
        raise BenchmarkError(
            f"{str(path)!r} has schema_version {found!r}, this version of squeezebert-mobile reads "
            f"{SCHEMA_VERSION}; upgrade squeezebert-mobile, or measure again"
        )
