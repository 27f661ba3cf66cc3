"""A run on a phone: processes that wait, each with one artifact loaded, take turns in ABBA blocks.

Every visit is written down as it arrives. So a run that broke off is gone on with: what the journal
holds is not measured again.
"""

import datetime
import itertools
import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from squeezebert_mobile.artifact import sha256_of
from squeezebert_mobile.benchmarks.measure.contenders import Contender, feed_arguments, make_feed
from squeezebert_mobile.benchmarks.measure.progress import ProgressCallback
from squeezebert_mobile.benchmarks.measure.schedule import (
    LEAD_IN_RUNS,
    WARM_UP_RUNS,
    WARM_UP_SECONDS,
    Preset,
    planned_seconds,
    runs_per_visit,
    typical,
)
from squeezebert_mobile.benchmarks.measure.settings import settings_for
from squeezebert_mobile.benchmarks.phone.adb import Device
from squeezebert_mobile.benchmarks.phone.app import apk_sha256
from squeezebert_mobile.benchmarks.phone.cooling import Cooling
from squeezebert_mobile.benchmarks.phone.done import Cell, Done
from squeezebert_mobile.benchmarks.phone.errors import PhoneError, RunnerDied, RunnerRefused
from squeezebert_mobile.benchmarks.phone.facts import core_mask, read_conditions, read_phone
from squeezebert_mobile.benchmarks.phone.libraries import Libraries
from squeezebert_mobile.benchmarks.phone.pushing import (
    RUNNER,
    artifact_parcel,
    file_parcel,
    open_to_apps,
    push,
)
from squeezebert_mobile.benchmarks.phone.runner import Job, Runner
from squeezebert_mobile.benchmarks.phone.starting import (
    InApp,
    InShell,
    PhoneTarget,
    Way,
    check_cores,
)
from squeezebert_mobile.benchmarks.records.assembly import assemble
from squeezebert_mobile.benchmarks.records.events import (
    Answered,
    Begin,
    Conditioned,
    End,
    Event,
    Failed,
    PhoneStarted,
    Probed,
    Resumed,
    VisitMeasured,
    WarmedUp,
)
from squeezebert_mobile.benchmarks.records.journal import Journal
from squeezebert_mobile.benchmarks.records.phone import Conditions, PhoneStart, Probe
from squeezebert_mobile.benchmarks.records.results import Failure, Results, Settings, Stage
from squeezebert_mobile.errors import BenchmarkError

__all__ = ["measure_phone"]

_START_RUNS = 3  # of a fresh process
_START_SECONDS = 5.0  # likely, until the first one has told
_TRIES = 2  # of a process that Android kills


def measure_phone(
    contenders: Sequence[Contender],
    *,
    device: Device,
    libraries: Libraries | None,
    preset: Preset,
    target: PhoneTarget = "adb",
    threads: Sequence[int] = (1,),
    sequence_lengths: Sequence[int] | None = None,
    cores: str = "all",
    cooling: Cooling | None = None,
    journal: Path | None = None,
    resume: bool = False,
    progress: ProgressCallback | None = None,
    sleep: Callable[[float], None] = time.sleep,
    stopped: Callable[[], bool] = lambda: False,
) -> Results:
    """Measure `contenders` against each other on a phone.

    Ctrl-C ends the measurement early: the results then hold the blocks that were finished, and
    their `complete` is False.

    Args:
        contenders: What to measure: artifacts.
        device: The phone.
        libraries: What `find_libraries` gave for the contenders' formats and the phone's ABI; None
            in the app, which has its own.
        preset: How long to measure.
        target: Who measures: a process of adb's shell ("adb"), or the sample app ("app").
        threads: The numbers of threads to measure with.
        sequence_lengths: The lengths to measure at, as in `measure_host`.
        cores: "all", "big" or a mask for taskset, such as "f0".
        cooling: When to wait for the phone to cool down.
        journal: The file to which everything is appended as soon as it is measured.
        resume: Whether the journal is there, and the run in it goes on.
        progress: Called with what is being done, the seconds done and the seconds expected.
        sleep: Lets seconds pass.
        stopped: Asked between visits; true ends the run as Ctrl-C does.

    Raises:
        BenchmarkError: the contenders cannot be measured as asked, or all of them fail.
        PhoneError: the phone refuses, or is gone; the journal holds what was measured.
    """
    assert (libraries is None) == (target == "app"), target
    check_cores(target, cores)
    settings = settings_for(contenders, preset, threads, sequence_lengths, cores=cores)
    sums = libraries.sha256 if libraries else {}
    runner_sha256 = sha256_of(RUNNER) if libraries else apk_sha256(device)
    phone = read_phone(device, libraries=sums, runner_sha256=runner_sha256)
    mask = core_mask(phone, cores)
    begin = Begin(
        created=_now(),
        settings=settings,
        machine=None,
        load_before=None,
        contenders=tuple(each.facts for each in contenders),
        phone=phone,
        target=target,
    )
    with Journal(journal, resume=resume) as log:
        if resume:
            _check_same(begin, log.events, journal)
            log.add(Resumed(created=_now()))
        else:
            log.add(begin)
        run = _PhoneRun(
            list(contenders), device, preset, settings, log, cooling or Cooling(), progress, sleep,
            stopped,
        )  # fmt: skip
        try:
            run.prepare(libraries, mask)
            run.measure_starts()
            for count in settings.threads:
                run.measure_threads(count)
            log.add(End(load_after=None))
        except KeyboardInterrupt:
            pass
        except BenchmarkError as error:
            if journal:
                _keep(log, journal, error)
            raise
        return assemble(log.events)


def _keep(log: Journal, journal: Path, error: BenchmarkError) -> None:
    """Say where it is kept; a journal in which nothing was measured would only be in the way."""
    if any(isinstance(event, VisitMeasured | PhoneStarted) for event in log.events):
        error.add_note(f"kept in {str(journal)!r}; go on with the same command and --resume")
    else:
        log.close()
        journal.unlink()


def _now() -> str:
    return datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")


def _check_same(begin: Begin, events: Sequence[Event], journal: Path | None) -> None:
    """What goes on must be what was begun: the same models, asked in the same way, on one phone."""
    earlier = events[0]
    assert isinstance(earlier, Begin)
    if isinstance(events[-1], End):
        raise PhoneError(f"the run in {str(journal)!r} is complete; leave --resume out")
    if earlier.phone is None or begin.phone is None:
        raise PhoneError(f"{str(journal)!r} was measured on a host; leave --resume out")
    differs = [
        name
        for name, one, other in (
            ("the target", earlier.measured_on, begin.measured_on),
            ("the phone", earlier.phone.serial, begin.phone.serial),
            ("the phone's system", earlier.phone.build, begin.phone.build),
            ("the runtime's libraries", earlier.phone.libraries, begin.phone.libraries),
            ("the runner", earlier.phone.runner_sha256, begin.phone.runner_sha256),
            ("the settings", earlier.settings, begin.settings),
            ("the artifacts", earlier.contenders, begin.contenders),
        )
        if one != other
    ]
    if differs:
        raise PhoneError(
            f"cannot go on with {str(journal)!r}: {', '.join(differs)} differ from when it began; "
            "give the same command, or measure anew to another file with -o"
        )


@dataclass
class _PhoneRun:
    """A run under way: who is still in it, what was done, and how long it is likely to take."""

    contenders: list[Contender]
    device: Device
    preset: Preset
    settings: Settings
    log: Journal
    cooling: Cooling
    progress: ProgressCallback | None
    sleep: Callable[[float], None]
    stopped: Callable[[], bool]
    folders: dict[str, str] = field(default_factory=dict)  # of the artifacts on the phone
    runners: dict[str, Runner] = field(default_factory=dict)
    begun: float = field(init=False)
    done: Done = field(init=False)
    way: Way = field(init=False)

    def __post_init__(self) -> None:
        """Leave out who has failed before."""
        self.done = Done(self.log.events, self.preset)
        self.begun = time.monotonic() - self.done.seconds
        self.contenders = [each for each in self.contenders if each.label not in self.done.failed]

    @property
    def _labels(self) -> list[str]:
        return [each.label for each in self.contenders]

    # Before anything is timed

    def prepare(self, libraries: Libraries | None, mask: str | None) -> None:
        """Push what is missing on the phone; without `libraries` the app is to measure."""
        artifacts = {each.label: artifact_parcel(Path(each.path)) for each in self.contenders}
        parcels = list(artifacts.values())
        self.folders = {label: parcel.folder for label, parcel in artifacts.items()}
        if libraries is None:
            self.way = InApp()
            push(self.device, parcels, self._tell_pushed)
            open_to_apps(self.device, parcels)
            return
        runner = file_parcel("runner", {RUNNER.name: RUNNER})
        native = file_parcel("libraries", libraries.files)
        jars = [name for name in libraries.files if name.endswith(".jar")]
        class_path = (f"{runner.folder}/{RUNNER.name}", *(f"{native.folder}/{jar}" for jar in jars))
        self.way = InShell(class_path, native.folder, mask)
        push(self.device, [runner, native, *parcels], self._tell_pushed)

    def measure_starts(self) -> None:
        """See that each artifact answers rightly, then load it in fresh processes, in turn."""
        self._note((0, 0), self._look())
        for contender in list(self.contenders):
            if contender.label not in self.done.answered:
                self._tell(f"check {contender.label}", _START_SECONDS)
                self._attempt(contender, "load", self._check)
        for index in range(self.preset.starts):
            for contender in list(self.contenders):
                done = len(self.done.starts(contender.label))
                if done <= index:
                    left = (self.preset.starts - index) * len(self.contenders)
                    self._tell(f"start {contender.label}", left * _START_SECONDS)
                    self._attempt(contender, "start", self._start)

    def _check(self, contender: Contender) -> None:
        with self._open(contender, self.settings.start_threads, check=True) as runner:
            assert runner.answers is not None
            self.log.add(Answered(contender=contender.label, answers=runner.answers))

    def _start(self, contender: Contender) -> None:
        with self._open(contender, self.settings.start_threads) as runner:
            name = str(self.settings.start_sequence_length)
            told = runner.ask("warm_up", input=name, most_runs=_START_RUNS, most_seconds=0)
            context = told["context"]
            start = PhoneStart(
                first=not self.done.starts(contender.label),
                load_ms=runner.load_ns / 1e6,
                first_run_ms=told["samples_ns"][0] / 1e6,
                resident_bytes=_kilobytes(context, "memory_kb"),
                peak_bytes=_kilobytes(context, "peak_memory_kb"),
            )
        self.log.add(PhoneStarted(contender=contender.label, start=start))

    # Blocks

    def measure_threads(self, threads: int) -> None:
        """Open every artifact with `threads` threads and measure all lengths."""
        try:
            for length in self.settings.sequence_lengths:
                if not self.done.is_done((threads, length), self._labels):
                    self._measure_cell((threads, length))
        finally:
            for runner in self.runners.values():
                runner.close()
            self.runners.clear()

    def _measure_cell(self, cell: Cell) -> None:
        typical_s = {}
        for contender in list(self.contenders):
            self._tell(f"warm up {contender.label}", self._seconds_a_cell())
            self._attempt(contender, "run", lambda each: self._warm_up(each, cell))
        for contender in self.contenders:
            typical_s[contender.label] = self.done.typical_s(contender.label, cell)
        block_seconds = planned_seconds(self.preset, typical_s)
        for index in itertools.count():
            if self.done.missing(cell, index, self._labels):
                left = max(1, self.preset.blocks - index) * block_seconds
                self._look_before(cell, index, left)
                self._tell(_name(cell), left)
                self._measure_block(cell, index, typical_s)
            if self.done.is_done(cell, self._labels):
                break
        self._note(cell, self._look())

    def _measure_block(self, cell: Cell, index: int, typical_s: Mapping[str, float]) -> None:
        for place, label in self.done.missing(cell, index, self._labels).items():
            if self.stopped():
                raise KeyboardInterrupt
            samples = self._visit(label, cell, typical_s[label])
            self.log.add(
                VisitMeasured(
                    threads=cell[0],
                    sequence_length=cell[1],
                    block=index,
                    place=place,
                    contender=label,
                    samples=samples,
                )
            )

    def _visit(self, label: str, cell: Cell, typical_s: float) -> tuple[float, ...]:
        """The samples in ms of one visit."""
        runs = runs_per_visit(self.preset, typical_s)
        told = self._ask(
            label,
            cell,
            "block",
            likely_s=(LEAD_IN_RUNS + runs) * typical_s,
            input=str(cell[1]),
            lead_in=LEAD_IN_RUNS,
            samples=runs,
            seconds=0,
        )
        return tuple(round(ns / 1e6, 4) for ns in told["samples_ns"])

    def _ask(self, label: str, cell: Cell, do: str, **fields: Any) -> dict[str, Any]:
        """Ask a contender's runner; one that Android has killed is started again."""
        contender = next(each for each in self.contenders if each.label == label)
        for left in reversed(range(_TRIES)):
            try:
                if label not in self.runners:
                    self._warm_up(contender, cell)
                return self.runners[label].ask(do, **fields)
            except RunnerDied:
                self._close(label)
                if not left:
                    raise
        raise AssertionError("unreachable")

    def _close(self, label: str) -> None:
        if runner := self.runners.pop(label, None):
            runner.close()

    def _warm_up(self, contender: Contender, cell: Cell) -> None:
        threads, length = cell
        if contender.label not in self.runners:
            self.runners[contender.label] = self._open(contender, threads)
        told = self.runners[contender.label].ask(
            "warm_up", input=str(length), most_runs=WARM_UP_RUNS, most_seconds=WARM_UP_SECONDS
        )
        self.log.add(
            WarmedUp(
                contender=contender.label,
                threads=threads,
                sequence_length=length,
                runs=len(told["samples_ns"]),
                stable=told["stable"],
                typical_ms=typical(told["samples_ns"]) / 1e6,
            )
        )

    # The phone

    def _open(self, contender: Contender, threads: int, *, check: bool = False) -> Runner:
        inputs = {}
        for length in {*self.settings.sequence_lengths, self.settings.start_sequence_length}:
            feed = make_feed(**feed_arguments(contender, self.settings, length))
            inputs[str(length)] = feed["input_ids"].reshape(-1, length).tolist()
        number = next(i for i, each in enumerate(self.contenders) if each.label == contender.label)
        folder = self.folders[contender.label]
        job = Job(folder, contender.format, threads, inputs, check=check, name=f"job-{number}")
        return Runner(self.device, self.way, job, fresh=not self.runners)

    def _attempt(
        self, contender: Contender, stage: Stage, what: Callable[[Contender], None]
    ) -> None:
        """Go on without a contender that the runner refuses; try again one that was killed."""
        for left in reversed(range(_TRIES)):
            try:
                what(contender)
                return
            except RunnerRefused as error:
                failure = Failure(contender=contender.label, stage=stage, error=str(error))
                self.log.add(Failed(failure=failure))
                self.contenders.remove(contender)
                self._close(contender.label)
                if not self.contenders:
                    raise BenchmarkError(
                        f"nothing can be measured: {contender.label!r}: {error}"
                    ) from error
                return
            except RunnerDied:
                self._close(contender.label)
                if not left:
                    raise

    def _look_before(self, cell: Cell, index: int, seconds_left: float) -> None:
        """Wait until the phone is cool, then note how it is."""

        def tell(why: str, left: float) -> None:
            self._tell(why, left + seconds_left)

        conditions = self.cooling.wait(self._look, tell, self._sleep)
        self._note(cell, conditions)
        label = next(iter(self.runners), self.contenders[0].label)
        samples = self._ask(label, cell, "probe")["samples_ns"]
        probe = Probe(
            at_s=round(self._elapsed(), 3), block=index, median_ms=statistics.median(samples) / 1e6
        )
        threads, length = cell
        self.log.add(Probed(threads=threads, sequence_length=length, probe=probe))

    def _look(self) -> Conditions:
        return read_conditions(self.device, self._elapsed)

    def _note(self, cell: Cell, conditions: Conditions) -> None:
        threads, length = cell
        self.log.add(Conditioned(threads=threads, sequence_length=length, conditions=conditions))

    def _sleep(self, seconds: float) -> None:
        if self.stopped():
            raise KeyboardInterrupt
        self.sleep(seconds)

    # Progress

    def _elapsed(self) -> float:
        return time.monotonic() - self.begun

    def _seconds_a_cell(self) -> float:
        return len(self.contenders) * self.preset.seconds

    def _tell(self, what: str, seconds_left: float) -> None:
        if self.progress:
            done = self._elapsed()
            self.progress(what, done, done + seconds_left)

    def _tell_pushed(self, done: int, of: int) -> None:
        if self.progress:
            elapsed = self._elapsed()
            what = f"push {done / 1e6:.0f} of {of / 1e6:.0f} MB"
            self.progress(what, elapsed, elapsed * of / done)


def _kilobytes(context: Mapping[str, object], name: str) -> int | None:
    value = context.get(name)
    return 1024 * value if isinstance(value, int) else None


def _name(cell: Cell) -> str:
    threads, length = cell
    return f"{threads} thread{'s' * (threads > 1)}, length {length}"
