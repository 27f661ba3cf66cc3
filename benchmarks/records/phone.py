"""Records of a phone: its hardware and system, its conditions while it was measured."""

from typing import Annotated, Literal

from pydantic import Field

from squeezebert_mobile.artifact.schema import Count, Record
from squeezebert_mobile.benchmarks.records.base import Bytes, Milliseconds
from squeezebert_mobile.benchmarks.records.targets import Accelerator

__all__ = [
    "Answers",
    "Cluster",
    "Conditions",
    "Connection",
    "Phone",
    "PhoneStart",
    "Placement",
    "Probe",
]

Connection = Literal["usb", "wireless", "emulator"]


class Cluster(Record):
    """Cores with the same maximum clock; a phone has two or three kinds."""

    cores: tuple[int, ...]
    max_khz: Count | None
    governor: str | None


class Phone(Record):
    """The phone that was measured; None for what it does not report."""

    serial: str
    connection: Connection
    manufacturer: str | None
    model: str
    soc: str | None
    android: str | None  # the release: "14"
    sdk: Count | None
    security_patch: str | None
    build: str | None  # fingerprint
    abi: str
    clusters: tuple[Cluster, ...]  # fastest first
    designs: dict[str, Count] = {}  # design of a core, such as Cortex-X3 -> how many there are
    features: tuple[str, ...] = ()  # of all cores: those that select other kernels
    memory_bytes: Bytes | None
    libraries: dict[str, str]  # the runtime's files pushed to it: name -> SHA-256
    runner_sha256: str  # of the jar, or of the APK when measured in the app
    stand_in: bool  # the tests' program that speaks adb; not a phone, latencies mean nothing


class Conditions(Record):
    """The state of the phone at one moment."""

    at_s: float  # seconds since the run began
    thermal_status: int | None  # of PowerManager: 0 none, 1 light, 2 moderate, 3 severe, ... 6
    celsius: dict[str, float]  # sensor -> temperature
    battery_percent: int | None
    battery_celsius: float | None
    plugged: Literal["unplugged", "ac", "usb", "wireless", "dock"] | None
    cpu_khz: dict[int, int]  # core -> clock
    load_average: float | None  # over one minute


class Probe(Record):
    """Fixed arithmetic on one core, timed between blocks: it reveals a clock that was lowered."""

    at_s: float
    block: int  # index of the next block
    median_ms: Milliseconds


_Number = Annotated[int, Field(ge=0)]


class Placement(Record):
    """Where a LiteRT model runs for which an accelerator was asked."""

    requested: Accelerator
    whole: bool  # the accelerator runs all of the model; False: the CPU runs a part, or all of it
    available: tuple[str, ...]  # the accelerators that LiteRT found on the phone
    operators: _Number | None  # on the accelerator, of all lengths; None: LiteRT does not tell
    cpu_operators: _Number | None
    reason: str | None  # LiteRT's, for not running all of it there


class Answers(Record):
    """The phone's outputs for an artifact's golden texts, checked before anything is timed."""

    texts: Count
    max_abs_diff: dict[str, float]  # output -> largest difference from the golden values
    tolerance: dict[str, float]
    same_answers: bool | None  # top answers agree; None where no output has any
    placement: Placement | None = None  # None: no accelerator was asked for


class PhoneStart(Record):
    """A fresh process on the phone that loads the model and runs it."""

    first: bool  # the first of this artifact in this run: the file may not be in the page cache
    load_ms: Milliseconds  # runtime library and model
    first_run_ms: Milliseconds
    resident_bytes: Bytes | None  # of the process, after the model has run
    peak_bytes: Bytes | None  # VmHWM of the process
