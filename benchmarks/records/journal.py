"""The journal: a run as a list of events, each written down as soon as it happened.

A run is `Begin`, then starts, warm-ups, blocks and failures, then `End`. `assemble` makes results
from any list of events that has a beginning, so an interrupted run is read like a finished one.
"""

import json
from collections import defaultdict
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import product
from pathlib import Path
from typing import Annotated, Any, Literal, TextIO

from pydantic import Field, TypeAdapter, ValidationError

from squeezebert_mobile.benchmarks.records import statistics as stats
from squeezebert_mobile.benchmarks.records.phone import (
    Answers,
    Conditions,
    Phone,
    PhoneStart,
    Probe,
)
from squeezebert_mobile.benchmarks.records.results import (
    SCHEMA_VERSION,
    ContenderFacts,
    Failure,
    Flag,
    LoadAverage,
    Machine,
    Measurement,
    Ratio,
    Record,
    Results,
    Settings,
    Start,
    Target,
    fp32_baseline,
    headline_baseline,
)
from squeezebert_mobile.closing import Closing
from squeezebert_mobile.errors import BenchmarkError

__all__ = [
    "Answered",
    "Begin",
    "Block",
    "Conditioned",
    "End",
    "Event",
    "Failed",
    "Journal",
    "PhoneStarted",
    "Probed",
    "Resumed",
    "Started",
    "Visit",
    "WarmedUp",
    "assemble",
    "compare",
    "read_events",
    "read_results",
    "target_of",
]


_CLOCK_CHANGE = 0.10  # the same arithmetic may take this share longer within a cell


class Begin(Record):
    """The first line: everything that is known before the first run."""

    event: Literal["begin"] = "begin"
    schema_version: Literal[1] = SCHEMA_VERSION
    created: str
    settings: Settings
    machine: Machine | None  # of a host
    load_before: LoadAverage | None
    contenders: tuple[ContenderFacts, ...]
    phone: Phone | None = None
    target: Target | None = None  # None: of a version that knew no app


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
    typical_ms: float | None = None  # of a phone: a resumed run goes on with as many runs a visit


class Block(Record):
    """The samples of one ABBA block, in ms."""

    event: Literal["block"] = "block"
    threads: int
    sequence_length: int
    samples: dict[str, tuple[float, ...]]


class Visit(Record):
    """The samples in ms of one of a contender's two visits to a block, on a phone."""

    event: Literal["visit"] = "visit"
    threads: int
    sequence_length: int
    block: int  # index
    place: int  # in the block's order
    contender: str
    samples: tuple[float, ...]


class Answered(Record):
    """A phone has answered an artifact's golden texts."""

    event: Literal["answers"] = "answers"
    contender: str
    answers: Answers


class PhoneStarted(Record):
    """One fresh process of one contender on a phone."""

    event: Literal["phone-start"] = "phone-start"
    contender: str
    start: PhoneStart


class Conditioned(Record):
    """How a phone was, before the first cell (0, 0) or within one."""

    event: Literal["conditions"] = "conditions"
    threads: int
    sequence_length: int
    conditions: Conditions


class Probed(Record):
    """How fast a phone's core was."""

    event: Literal["probe"] = "probe"
    threads: int
    sequence_length: int
    probe: Probe


class Resumed(Record):
    """An interrupted run goes on."""

    event: Literal["resumed"] = "resumed"
    created: str


class End(Record):
    """The last line of a run that was not interrupted."""

    event: Literal["end"] = "end"
    load_after: LoadAverage | None


Event = (
    Begin
    | Started
    | Failed
    | WarmedUp
    | Block
    | Visit
    | Answered
    | PhoneStarted
    | Conditioned
    | Probed
    | Resumed
    | End
)
_EVENT: TypeAdapter[Event] = TypeAdapter(Annotated[Event, Field(discriminator="event")])


class Journal(Closing):
    """The events so far; with a path, each is a line of that file too.

    Args:
        path: The file, or None.
        resume: Whether the file is there, and the run in it goes on.

    Raises:
        BenchmarkError: the file exists (to resume: does not), or cannot be written.
    """

    def __init__(self, path: Path | None = None, *, resume: bool = False) -> None:
        """Create the file, where there is to be one, or read the one to go on with."""
        self.events: list[Event] = []
        self._file: TextIO | None = None
        if path and resume:
            if not path.exists():
                raise BenchmarkError(
                    f"there is no {str(path)!r} to go on with; leave --resume out, or name the "
                    "results file of the run that broke off with -o"
                )
            self.events = read_events(path)
            _cut_off_rest(path)
        try:
            if path:
                path.parent.mkdir(parents=True, exist_ok=True)
                self._file = path.open("a" if resume else "x", encoding="utf-8", newline="\n")
        except FileExistsError as error:
            raise BenchmarkError(
                f"{error.filename!r} exists: it may hold what an interrupted run has measured; "
                "go on with it by --resume (on a phone), or move it away, then measure again"
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


def _cut_off_rest(path: Path) -> None:
    """Drop what stands after the last line end: half an event."""
    whole = path.read_bytes().rpartition(b"\n")[0] + b"\n"
    with path.open("r+b") as file:
        file.truncate(len(whole))


# Events to results --------------------------------------------------------------------------


def assemble(events: Sequence[Event]) -> Results:
    """The results of a run, or of as much of it as there is."""
    begin = events[0]
    assert isinstance(begin, Begin)
    starts: dict[str, list[Start]] = defaultdict(list)
    for event in events:
        if isinstance(event, Started):
            starts[event.contender].append(event.start)
    measurements = tuple(_measurements(begin, [*events, *_whole_blocks(events)]))
    end = events[-1] if isinstance(events[-1], End) else None
    return Results(
        schema_version=SCHEMA_VERSION,
        target=target_of(begin),
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
        phone=begin.phone,
        answers={each.contender: each.answers for each in events if isinstance(each, Answered)},
        phone_starts=_phone_starts(events),
        conditions=tuple(each.conditions for each in events if isinstance(each, Conditioned)),
        probes=tuple(each.probe for each in events if isinstance(each, Probed)),
    )


def target_of(begin: Begin) -> Target:
    """Where a run measures."""
    return begin.target or ("adb" if begin.phone else "host")


def _phone_starts(events: Sequence[Event]) -> dict[str, tuple[PhoneStart, ...]]:
    starts: dict[str, tuple[PhoneStart, ...]] = {}
    for event in events:
        if isinstance(event, PhoneStarted):
            starts[event.contender] = (*starts.get(event.contender, ()), event.start)
    return starts


def _whole_blocks(events: Sequence[Event]) -> Iterator[Block]:
    """The blocks of which every contender has made both visits."""
    blocks: dict[tuple[int, int, int], dict[int, Visit]] = defaultdict(dict)
    for event in events:
        if isinstance(event, Visit):
            blocks[event.threads, event.sequence_length, event.block][event.place] = event
    begin = events[0]
    assert isinstance(begin, Begin)
    failed = {event.failure.contender for event in events if isinstance(event, Failed)}
    going = {each.label for each in begin.contenders} - failed
    for (threads, length, _), visits in sorted(blocks.items()):
        samples: dict[str, tuple[float, ...]] = {}
        for _, visit in sorted(visits.items()):
            samples[visit.contender] = (*samples.get(visit.contender, ()), *visit.samples)
        if len(visits) == 2 * len(going) and samples.keys() == going:
            yield Block(threads=threads, sequence_length=length, samples=samples)


def _measurements(begin: Begin, events: Sequence[Event]) -> Iterator[Measurement]:
    for threads, length in product(begin.settings.threads, begin.settings.sequence_lengths):
        here = [
            event
            for event in events
            if isinstance(event, WarmedUp | Block)
            and (event.threads, event.sequence_length) == (threads, length)
        ]
        warm_ups = {event.contender: event for event in here if isinstance(event, WarmedUp)}
        flags = tuple(_phone_flags(events, threads, length))
        samples = [event.samples for event in here if isinstance(event, Block)]
        for label, warm_up in warm_ups.items():
            if blocks := tuple(block[label] for block in samples if label in block):
                yield _measurement(warm_up, blocks, flags)


def _phone_flags(events: Sequence[Event], threads: int, length: int) -> Iterator[Flag]:
    """What speaks against all figures of a cell: the phone was not the same all the time."""
    here = [
        event
        for event in events
        if isinstance(event, Conditioned | Probed)
        and (event.threads, event.sequence_length) == (threads, length)
    ]
    conditions = [event.conditions for event in here if isinstance(event, Conditioned)]
    probes = [event.probe.median_ms for event in here if isinstance(event, Probed)]
    if any(each.thermal_status for each in conditions):
        yield "throttled"
    if probes and max(probes) > (1 + _CLOCK_CHANGE) * min(probes):
        yield "clock changed"
    if len({each.plugged for each in conditions}) > 1:
        yield "conditions changed"


def _measurement(
    warm_up: WarmedUp, blocks: tuple[tuple[float, ...], ...], flags: tuple[Flag, ...]
) -> Measurement:
    return Measurement(
        contender=warm_up.contender,
        threads=warm_up.threads,
        sequence_length=warm_up.sequence_length,
        warm_up_runs=warm_up.runs,
        warm_up_stable=warm_up.stable,
        latency=stats.latency(blocks),
        drift=stats.drift(blocks),
        flags=(*stats.latency_flags(blocks), *flags),
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
    text = _text(path)
    with _damage(path):
        if text.startswith('{"event"'):  # as each line of a journal does
            return assemble(_events(text, path))
        _check_version(_object(text, path), path)
        return Results.model_validate_json(text)


def read_events(path: Path) -> list[Event]:
    """The events in a journal; half a line at its end is none.

    Raises:
        BenchmarkError: the file is missing, damaged, or of another version.
    """
    with _damage(path):
        return _events(_text(path), path)


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise BenchmarkError(f"cannot read the results {str(path)!r}: {error}") from None


@contextmanager
def _damage(path: Path) -> Iterator[None]:
    try:
        yield
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
