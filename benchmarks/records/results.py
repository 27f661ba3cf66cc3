"""The records of a results file."""

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Literal, get_args

from pydantic import Field

from squeezebert_mobile.artifact.schema import Count, Record
from squeezebert_mobile.benchmarks.records.base import Bytes, Milliseconds
from squeezebert_mobile.benchmarks.records.energy import Energy, EnergyPlan
from squeezebert_mobile.benchmarks.records.phone import (
    Answers,
    Conditions,
    Phone,
    PhoneStart,
    Probe,
)
from squeezebert_mobile.benchmarks.records.profile import Profile
from squeezebert_mobile.benchmarks.records.targets import Accelerator, Target
from squeezebert_mobile.files import atomic_write

__all__ = [
    "SCHEMA_VERSION",
    "ContenderFacts",
    "Failure",
    "Flag",
    "Goal",
    "Interval",
    "Latency",
    "LoadAverage",
    "Machine",
    "Measurement",
    "Ratio",
    "Record",
    "Results",
    "READABLE_VERSIONS",
    "Role",
    "SchemaVersion",
    "Settings",
    "Stage",
    "Start",
    "Target",
    "Weights",
    "fp32_baseline",
    "headline_baseline",
]

SchemaVersion = Literal[1, 2, 3, 4, 5]
#: Version 2 added profiles, parameters and layers, version 3 the time from text to answer,
#: version 4 energy, version 5 the delegated time of a profile.
SCHEMA_VERSION: Literal[5] = 5
READABLE_VERSIONS: tuple[int, ...] = get_args(SchemaVersion)

#: Reasons to doubt a figure. On a phone also: it throttled, the time of the probe between blocks
#: changed, it was plugged in or unplugged meanwhile, or the CPU ran what an accelerator was to run.
Flag = Literal[
    "few blocks",
    "wide",
    "drifting",
    "unstable",
    "throttled",
    "clock changed",
    "conditions changed",
    "CPU fallback",
]
Stage = Literal["build", "start", "load", "run", "text", "profile", "energy"]
Role = Literal["contender", "baseline"]
Weights = Literal["trained", "random", "unknown"]  # unknown: another maker's file
LoadAverage = tuple[float, float, float]  # over 1, 5 and 15 minutes

#: A list of numbers over several lines. JSON strings contain no line ends, so none can match.
_NUMBERS = re.compile(r"\[\n[-+.,eE\d\s]+\]")


class Settings(Record):
    """The options of the run, and how it was measured."""

    preset: str
    runs: Count  # at least, of each contender; so are the next three
    seconds: Annotated[float, Field(ge=0)]
    blocks: Count
    starts: Count
    threads: Annotated[tuple[Count, ...], Field(min_length=1)]
    sequence_lengths: Annotated[tuple[Count, ...], Field(min_length=1)]
    start_threads: Count  # of the fresh processes
    start_sequence_length: Count
    batch: Count
    choices: Count | None  # rows of multiple-choice inputs
    lead_in_runs: int  # unrecorded runs at the start of each visit
    input_seed: int
    input_vocab_size: Count  # ids are below it, for all contenders alike
    cores: str = "all"  # on a phone: all, big, or a mask for taskset
    accelerator: Accelerator = "cpu"  # that LiteRT was asked for; see Answers.placement
    energy: EnergyPlan | None = None  # on a phone; None: it was not asked for


class Machine(Record):
    """The host that was measured on."""

    cpu: str
    architecture: str
    logical_cores: Count
    physical_cores: Count | None
    usable_cores: Count  # those this process may run on
    cpu_quota: float | None  # limit of a container, in cores
    features: tuple[str, ...]  # CPU features that select other kernels
    memory_bytes: Bytes | None
    governor: str | None
    virtual: bool | None
    os: str
    python: str
    versions: dict[str, str]


class ContenderFacts(Record):
    """A model that was measured."""

    label: str
    role: Role
    origin: Literal["artifact", "file"]
    format: str
    precision: str
    task: str | None
    weights: Weights
    sequence_length: Count | None  # None where it is dynamic
    file_bytes: Bytes  # model file and its external data
    sha256: str
    parameters: Count | None = None  # None: not an artifact, or from a version 1 file
    layers: Count | None = None


class Start(Record):
    """A fresh process that imports the runtime library, loads the model and runs it.

    The resident figures are of the whole process. The model itself takes `after_runs_bytes` minus
    `after_import_bytes`.
    """

    import_ms: Milliseconds
    load_ms: Milliseconds
    first_run_ms: Milliseconds
    runs: Count
    before_import_bytes: Bytes
    after_import_bytes: Bytes
    after_load_bytes: Bytes
    after_runs_bytes: Bytes
    peak_bytes: Bytes | None  # of the process, over its lifetime

    @property
    def model_bytes(self) -> int:
        """Resident memory that loading and running the model added to the imported library."""
        return max(0, self.after_runs_bytes - self.after_import_bytes)


class Latency(Record):
    """Statistics over all recorded runs; percentiles interpolate between two samples."""

    runs: Count
    median_ms: Milliseconds
    p90_ms: Milliseconds
    p99_ms: Milliseconds
    min_ms: Milliseconds
    mean_ms: Milliseconds
    trimmed_mean_ms: Milliseconds  # without the slowest and the fastest tenth
    std_ms: Milliseconds
    stability: Annotated[float, Field(ge=0, le=100)]  # see statistics.stability


class Interval(Record):
    """A ratio of medians with its 95 % interval; None if there are too few blocks."""

    ratio: float
    low: float | None
    high: float | None
    flags: tuple[Flag, ...]


class Measurement(Record):
    """One contender at one number of threads and one length; the samples are in ms."""

    contender: str
    threads: Count
    sequence_length: Count
    warm_up_runs: Count
    warm_up_stable: bool
    latency: Latency
    drift: float | None
    flags: tuple[Flag, ...]
    blocks: tuple[tuple[float, ...], ...]


class Ratio(Record):
    """How many times faster than a baseline, measured in the same blocks."""

    contender: str
    baseline: str
    threads: Count
    sequence_length: Count
    times_faster: Interval


class Goal(Record):
    """A required ratio and the measured one; None if one of the two models was not measured."""

    contender: str
    baseline: str
    at_least: float
    times_faster: Interval | None
    holds: bool  # the measured ratio is large enough
    firm: bool  # the whole interval is on the same side of `at_least`

    @classmethod
    def judge(
        cls, contender: str, baseline: str, *, at_least: float, found: Interval | None
    ) -> "Goal":
        """Compare the measured ratio `found` with `at_least`."""
        low, high = (found.low, found.high) if found else (None, None)
        return cls(
            contender=contender,
            baseline=baseline,
            at_least=at_least,
            times_faster=found,
            holds=found is not None and found.ratio >= at_least,
            firm=low is not None and high is not None and not low < at_least <= high,
        )


class Failure(Record):
    """A contender that could not be measured, and why."""

    contender: str
    stage: Stage
    error: str


class Results(Record):
    """A results file."""

    schema_version: SchemaVersion
    target: Target
    created: str  # ISO 8601, UTC
    complete: bool  # False: interrupted, these are partial results
    settings: Settings
    machine: Machine | None  # None on a phone
    load_before: LoadAverage | None
    load_after: LoadAverage | None
    contenders: tuple[ContenderFacts, ...]
    starts: dict[str, tuple[Start, ...]]
    measurements: tuple[Measurement, ...]
    ratios: tuple[Ratio, ...]
    failures: tuple[Failure, ...]
    goals: tuple[Goal, ...] = ()
    phone: Phone | None = None
    answers: dict[str, Answers] = {}
    phone_starts: dict[str, tuple[PhoneStart, ...]] = {}
    conditions: tuple[Conditions, ...] = ()  # before, between and after blocks
    probes: tuple[Probe, ...] = ()
    profiles: tuple[Profile, ...] = ()
    not_profiled: tuple[Failure, ...] = ()
    from_text: tuple[Measurement, ...] = ()  # from a text of so many tokens to its answer
    first_answers: dict[str, tuple[Milliseconds, ...]] = {}  # since the start of a process
    energy: tuple[Energy, ...] = ()
    no_energy: tuple[Failure, ...] = ()

    @property
    def host(self) -> Machine:
        """The machine that host results were measured on."""
        assert self.machine is not None, f"measured on {self.target}"
        return self.machine

    def to_json(self) -> str:
        """The text of a results file."""
        text = self.model_dump_json(indent=1)
        return _NUMBERS.sub(lambda numbers: "".join(numbers[0].split()), text) + "\n"

    def write(self, path: Path) -> None:
        """Write the results to `path` atomically.

        Raises:
            BenchmarkError: the file cannot be written.
        """
        atomic_write(path, self.to_json(), what="results")


# Baselines ----------------------------------------------------------------------------------


def headline_baseline(
    facts: ContenderFacts, contenders: Sequence[ContenderFacts]
) -> ContenderFacts | None:
    """The most similar baseline: same precision first, then same format, then same task."""
    baselines = [other for other in contenders if other.role == "baseline"]
    return max(baselines, key=lambda other: _similarity(facts, other), default=None)


def fp32_baseline(
    facts: ContenderFacts, contenders: Sequence[ContenderFacts]
) -> ContenderFacts | None:
    """The most similar baseline among those in fp32."""
    return headline_baseline(facts, [other for other in contenders if other.precision == "fp32"])


def _similarity(facts: ContenderFacts, other: ContenderFacts) -> tuple[bool, bool, bool]:
    return (
        facts.precision == other.precision,
        facts.format == other.format,
        facts.task == other.task,
    )
