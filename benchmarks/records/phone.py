"""What is known of a phone, and of the conditions under which it was measured."""

from typing import Literal

from squeezebert_mobile.benchmarks.records.base import Bytes, Count, Milliseconds, Record

__all__ = ["Answers", "Cluster", "Conditions", "Connection", "Phone", "PhoneStart", "Probe"]

Connection = Literal["usb", "wireless", "emulator"]


class Cluster(Record):
    """Cores with the same highest clock: a phone has two or three kinds."""

    cores: tuple[int, ...]
    max_khz: Count | None
    governor: str | None


class Phone(Record):
    """The phone that was measured; None where it does not tell."""

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
    clusters: tuple[Cluster, ...]  # the fastest first
    memory_bytes: Bytes | None
    libraries: dict[str, str]  # what was pushed for the runtime: file -> SHA-256
    runner_sha256: str  # of the jar; of the APK where the app measured
    stand_in: bool  # no phone: a program that speaks adb; its latencies are nobody's


class Conditions(Record):
    """How the phone was at one moment."""

    at_s: float  # since the run began
    thermal_status: int | None  # of PowerManager: 0 none, 1 light, 2 moderate, 3 severe, ... 6
    celsius: dict[str, float]  # sensor -> temperature
    battery_percent: int | None
    battery_celsius: float | None
    plugged: Literal["unplugged", "ac", "usb", "wireless", "dock"] | None
    cpu_khz: dict[int, int]  # core -> clock
    load_average: float | None  # over a minute


class Probe(Record):
    """The same arithmetic on one core, between blocks: it sees a slower clock without a sensor."""

    at_s: float
    block: int  # index of the block that follows
    median_ms: Milliseconds


class Answers(Record):
    """What the phone answered to an artifact's golden texts, before anything was timed."""

    texts: Count
    max_abs_diff: dict[str, float]  # by output
    tolerance: dict[str, float]
    same_answers: bool | None  # of the largest; None where an output has none


class PhoneStart(Record):
    """A fresh process on the phone that loads the model and runs it."""

    first: bool  # the first of this artifact in this run: the file may not be in memory yet
    load_ms: Milliseconds  # runtime library and model
    first_run_ms: Milliseconds
    resident_bytes: Bytes | None  # of the process once the model has run
    peak_bytes: Bytes | None  # VmHWM of the process
