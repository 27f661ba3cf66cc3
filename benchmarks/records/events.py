"""The events of a run, as the journal records them.

A run is `Begin`, then starts, warm-ups, blocks (on a phone: visits) and failures, then `End`.
"""

from typing import Annotated, Literal

from pydantic import Field, TypeAdapter

from squeezebert_mobile.artifact.schema import Count, Record
from squeezebert_mobile.benchmarks.records.base import Milliseconds
from squeezebert_mobile.benchmarks.records.energy import EnergyBlock
from squeezebert_mobile.benchmarks.records.phone import (
    Answers,
    Conditions,
    Phone,
    PhoneStart,
    Probe,
)
from squeezebert_mobile.benchmarks.records.profile import Profile, RunRecord
from squeezebert_mobile.benchmarks.records.results import (
    SCHEMA_VERSION,
    ContenderFacts,
    Failure,
    LoadAverage,
    Machine,
    SchemaVersion,
    Settings,
    Start,
    Target,
)

__all__ = [
    "EVENT",
    "Answered",
    "Begin",
    "BlockMeasured",
    "Conditioned",
    "End",
    "EnergyMeasured",
    "Event",
    "Failed",
    "FirstAnswered",
    "NoEnergy",
    "NotProfiled",
    "PhoneStarted",
    "Probed",
    "Profiled",
    "Resumed",
    "Source",
    "Started",
    "VisitMeasured",
    "WarmedUp",
]


#: Times in ms, from the nanosecond that clocks resolve to more than a week.
Samples = Annotated[
    tuple[Annotated[float, Field(ge=1e-6, le=1e9, allow_inf_nan=False)], ...], Field(min_length=1)
]


#: What is timed: a run of the model on ids, or a call from text to answer.
Source = Literal["ids", "text"]


class Begin(Record):
    """The first line: everything known before the first run."""

    event: Literal["begin"] = "begin"
    schema_version: SchemaVersion = SCHEMA_VERSION
    created: str
    settings: Settings
    machine: Machine | None  # None on a phone
    load_before: LoadAverage | None
    contenders: tuple[ContenderFacts, ...]
    phone: Phone | None = None
    target: Target | None = None  # None: by a version that could not measure in the app

    @property
    def measured_on(self) -> Target:
        """Where the run measures."""
        return self.target or ("adb" if self.phone else "host")


class Started(Record):
    """A fresh process of one contender was measured."""

    event: Literal["start"] = "start"
    contender: str
    start: Start


class Failed(Record):
    """A contender failed; it is not measured any further."""

    event: Literal["failure"] = "failure"
    failure: Failure


class WarmedUp(Record):
    """A contender was warmed up: the unrecorded runs before the first block."""

    event: Literal["warm-up"] = "warm-up"
    contender: str
    threads: int
    sequence_length: int
    runs: Count
    stable: bool
    #: On a phone only: a resumed run keeps the number of runs per visit that follows from it.
    typical_ms: Annotated[float, Field(gt=0, allow_inf_nan=False)] | None = None
    source: Source = "ids"


class BlockMeasured(Record):
    """The samples of one ABBA block on the host, in ms."""

    event: Literal["block"] = "block"
    threads: int
    sequence_length: int
    samples: dict[str, Samples]
    source: Source = "ids"


class VisitMeasured(Record):
    """The samples in ms of one of a contender's two visits to a block, on a phone."""

    event: Literal["visit"] = "visit"
    threads: int
    sequence_length: int
    block: int  # index of the block
    place: int  # index of the visit in the block's order
    contender: str
    samples: Samples
    source: Source = "ids"


class Answered(Record):
    """A phone answered an artifact's golden texts correctly."""

    event: Literal["answers"] = "answers"
    contender: str
    answers: Answers


class PhoneStarted(Record):
    """A fresh process of one contender was measured on a phone."""

    event: Literal["phone-start"] = "phone-start"
    contender: str
    start: PhoneStart


class Conditioned(Record):
    """A phone's conditions before the first cell (threads and length 0) or within a cell."""

    event: Literal["conditions"] = "conditions"
    threads: int
    sequence_length: int
    conditions: Conditions
    source: Source = "ids"  # of the runs in the cell


class Probed(Record):
    """The clock probe of a phone was run."""

    event: Literal["probe"] = "probe"
    threads: int
    sequence_length: int
    probe: Probe
    source: Source = "ids"  # of the runs in the cell


class FirstAnswered(Record):
    """A fresh process has answered a text."""

    event: Literal["first answer"] = "first answer"
    contender: str
    ms: Milliseconds  # from the start of the process


class Profiled(Record):
    """A contender was profiled, after the timed blocks."""

    event: Literal["profile"] = "profile"
    profile: Profile
    runs: tuple[RunRecord, ...] = ()  # on a phone


class NotProfiled(Record):
    """A contender could not be profiled; its figures are not affected."""

    event: Literal["no profile"] = "no profile"
    failure: Failure


class EnergyMeasured(Record):
    """The energy of one idle block and one of inference was measured, on a phone."""

    event: Literal["energy"] = "energy"
    contender: str
    threads: Count
    sequence_length: Count
    index: Annotated[int, Field(ge=0)]  # of the block
    block: EnergyBlock


class NoEnergy(Record):
    """The energy of a contender could not be measured; its other figures are not affected."""

    event: Literal["no energy"] = "no energy"
    failure: Failure


class Resumed(Record):
    """An interrupted run was resumed."""

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
    | BlockMeasured
    | VisitMeasured
    | Answered
    | PhoneStarted
    | Conditioned
    | Probed
    | FirstAnswered
    | Profiled
    | NotProfiled
    | EnergyMeasured
    | NoEnergy
    | Resumed
    | End
)
#: Reads one event; its field `event` says which.
EVENT: TypeAdapter[Event] = TypeAdapter(Annotated[Event, Field(discriminator="event")])
