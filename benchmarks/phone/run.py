"""A run on a phone: runners that each have one artifact loaded take turns in ABBA blocks.

Every visit is recorded in the journal as soon as it is measured, so an interrupted run can be
resumed: what the journal has is not measured again.
"""

import secrets
import statistics
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from squeezebert_mobile.benchmarks.measure.contenders import Contender, feed_arguments, make_feed
from squeezebert_mobile.benchmarks.measure.progress import (
    ProgressCallback,
    cell_text,
    report_push,
)
from squeezebert_mobile.benchmarks.measure.schedule import (
    LEAD_IN_RUNS,
    WARM_UP_RUNS,
    WARM_UP_SECONDS,
    Preset,
    Schedule,
    planned_seconds,
    runs_per_visit,
    typical,
)
from squeezebert_mobile.benchmarks.phone.adb.client import Device
from squeezebert_mobile.benchmarks.phone.adb.errors import PhoneError, RunnerDied, RunnerRefused
from squeezebert_mobile.benchmarks.phone.adb.facts import read_conditions
from squeezebert_mobile.benchmarks.phone.adb.files import (
    artifact_files,
    file_set,
    make_readable,
    push,
)
from squeezebert_mobile.benchmarks.phone.cooling import Cooling
from squeezebert_mobile.benchmarks.phone.libraries.lookup import Libraries
from squeezebert_mobile.benchmarks.phone.resume import Cell, JournalView
from squeezebert_mobile.benchmarks.phone.runner.client import Runner
from squeezebert_mobile.benchmarks.phone.runner.job import Job
from squeezebert_mobile.benchmarks.phone.runner.launchers import (
    AppLauncher,
    Launcher,
    ShellLauncher,
)
from squeezebert_mobile.benchmarks.phone.runner_jar import RUNNER_JAR
from squeezebert_mobile.benchmarks.records.events import (
    Answered,
    Conditioned,
    Failed,
    PhoneStarted,
    Probed,
    VisitMeasured,
    WarmedUp,
)
from squeezebert_mobile.benchmarks.records.journal import Journal
from squeezebert_mobile.benchmarks.records.phone import Conditions, PhoneStart, Probe
from squeezebert_mobile.benchmarks.records.results import Failure, Settings, Stage
from squeezebert_mobile.errors import BenchmarkError

__all__ = ["MAX_TRIES", "MOST_RUNS", "PhoneRun"]

_START_RUNS = 3  # of a fresh process
_START_SECONDS = 5.0  # estimate for a fresh process
MOST_RUNS = 100_000  # that the runner accepts for a visit
#: Blocks for each one of the preset, if the runs are so much faster than in the warm-up.
_MOST_BLOCKS = 100
_NO_CELL: Cell = (0, 0)
MAX_TRIES = 2  # for a runner that Android kills


@dataclass
class PhoneRun:
    """The state of a run: the remaining contenders, their runners, and the journal."""

    contenders: list[Contender]
    device: Device
    preset: Preset
    settings: Settings
    log: Journal
    cooling: Cooling
    progress: ProgressCallback | None
    sleep: Callable[[float], None]
    stopped: Callable[[], bool]
    folders: dict[str, str] = field(default_factory=dict)  # label -> the artifact's on the phone
    runners: dict[str, Runner] = field(default_factory=dict)  # label -> its runner
    #: In the names of this run's jobs: no other run on the phone has the same.
    token: str = field(default_factory=lambda: secrets.token_hex(4))
    begun: float = field(init=False)
    view: JournalView = field(init=False)
    launcher: Launcher = field(init=False)

    def __post_init__(self) -> None:
        """Leave out the contenders that failed before the run was interrupted."""
        self.view = JournalView(self.log.events)
        self.begun = time.monotonic() - self.view.seconds
        failed = self.view.failed
        self.contenders = [each for each in self.contenders if each.label not in failed]

    @property
    def _labels(self) -> list[str]:
        return [contender.label for contender in self.contenders]

    # Before anything is timed

    def prepare(self, libraries: Libraries | None, mask: str | None) -> None:
        """Push the files that the phone lacks; without `libraries` the app measures."""
        artifacts = {
            each.label: artifact_files(Path(each.path), each.checksums) for each in self.contenders
        }
        self.folders = {label: files.folder for label, files in artifacts.items()}
        file_sets = list(artifacts.values())
        if libraries is None:
            self.launcher = AppLauncher()
            push(self.device, file_sets, self._report_push)
            make_readable(self.device, file_sets)
            return
        runner = file_set("runner", {RUNNER_JAR.name: RUNNER_JAR})
        native = file_set("libraries", libraries.files)
        jars = [name for name in libraries.files if name.endswith(".jar")]
        # First: LiteRT's has all of Kotlin's library, the runner's only what it calls itself.
        class_path = (
            *(f"{native.folder}/{jar}" for jar in jars),
            f"{runner.folder}/{RUNNER_JAR.name}",
        )
        self.launcher = ShellLauncher(class_path, native.folder, mask)
        push(self.device, [runner, native, *file_sets], self._report_push)

    def measure_starts(self) -> None:
        """Check each artifact's golden outputs, then load it in fresh processes, in turn."""
        self._record_conditions(_NO_CELL, self._read_conditions())
        for contender in list(self.contenders):
            if contender.label not in self.view.answered:
                self.report(f"check {contender.label}", _START_SECONDS)
                self._attempt(contender, "load", self._check)
        for index in range(self.preset.starts):
            for contender in list(self.contenders):
                if len(self.view.starts(contender.label)) <= index:
                    left = (self.preset.starts - index) * len(self.contenders)
                    self.report(f"start {contender.label}", left * _START_SECONDS)
                    self._attempt(contender, "start", self._start)

    def _check(self, contender: Contender) -> None:
        with self._open(contender, self.settings.start_threads, check=True) as runner:
            assert runner.answers is not None
            self.log.add(Answered(contender=contender.label, answers=runner.answers))

    def _start(self, contender: Contender) -> None:
        with self._open(contender, self.settings.start_threads) as runner:
            name = str(self.settings.start_sequence_length)
            answer = runner.ask("warm_up", input=name, most_runs=_START_RUNS, most_seconds=0)
            context = answer["context"]
            start = PhoneStart(
                first=not self.view.starts(contender.label),
                load_ms=runner.load_ns / 1e6,
                first_run_ms=answer["samples_ns"][0] / 1e6,
                resident_bytes=_kilobytes(context, "memory_kb"),
                peak_bytes=_kilobytes(context, "peak_memory_kb"),
            )
        self.log.add(PhoneStarted(contender=contender.label, start=start))

    # Blocks

    def measure_threads(self, threads: int) -> None:
        """Load every artifact with `threads` threads and measure all lengths."""
        try:
            for length in self.settings.sequence_lengths:
                cell = (threads, length)
                if not self.view.schedule(cell, self._labels, self.preset).is_complete:
                    self._measure_cell(cell)
        finally:
            self.close_runners()

    def _measure_cell(self, cell: Cell) -> None:
        for contender in list(self.contenders):
            self.report(f"warm up {contender.label}", len(self.contenders) * self.preset.seconds)
            self._attempt(contender, "run", lambda each: self._warm_up(each, cell))
        typical_s = {label: self.view.typical_s(label, cell) for label in self._labels}
        block_seconds = planned_seconds(self.preset, typical_s)
        schedule = self.view.schedule(cell, self._labels, self.preset)
        for block in schedule.blocks():
            if block >= _MOST_BLOCKS * self.preset.blocks:
                raise BenchmarkError(
                    f"{block} blocks are not enough at {cell_text(*cell)}: the runs take far less "
                    "time than in the warm-up; measure again, with another file as -o"
                )
            left = max(1, self.preset.blocks - block) * block_seconds
            self._wait_and_probe(cell, block, left)
            self.report(cell_text(*cell), left)
            self._measure_block(cell, block, schedule, typical_s)
        self._record_conditions(cell, self._read_conditions())

    def _measure_block(
        self, cell: Cell, block: int, schedule: Schedule, typical_s: Mapping[str, float]
    ) -> None:
        for place, label in schedule.remaining(block).items():
            if self.stopped():
                raise KeyboardInterrupt
            samples = self._visit(label, cell, typical_s[label])
            self.log.add(
                VisitMeasured(
                    threads=cell[0],
                    sequence_length=cell[1],
                    block=block,
                    place=place,
                    contender=label,
                    samples=samples,
                )
            )
            schedule.record(block, place, label, samples)

    def _visit(self, label: str, cell: Cell, typical_s: float) -> tuple[float, ...]:
        """The samples in ms of one visit."""
        runs = min(runs_per_visit(self.preset, typical_s), MOST_RUNS)
        answer = self._ask(
            label,
            cell,
            "block",
            likely_s=(LEAD_IN_RUNS + runs) * typical_s,
            input=str(cell[1]),
            lead_in=LEAD_IN_RUNS,
            samples=runs,
            seconds=0,
        )
        found = len(answer["samples_ns"])
        if found != runs:
            raise PhoneError(
                f"the runner measured {found} runs instead of {runs}; please report it"
            )
        return tuple(round(ns / 1e6, 4) for ns in answer["samples_ns"])

    # Runners

    def _open(self, contender: Contender, threads: int, *, check: bool = False) -> Runner:
        inputs = {}
        for length in {*self.settings.sequence_lengths, self.settings.start_sequence_length}:
            feed = make_feed(**feed_arguments(contender, self.settings, length))
            inputs[str(length)] = feed["input_ids"].reshape(-1, length).tolist()
        number = self._labels.index(contender.label)
        folder = self.folders[contender.label]
        job = Job(
            folder,
            contender.format,
            threads,
            inputs,
            check=check,
            model_sha256=contender.sha256,
            name=f"job-{self.token}-{number}",
            accelerator=self.settings.accelerator,
        )
        runner = Runner(self.device, self.launcher, job, fresh=not self.runners)
        first = self.view.placement(contender.label)
        if first and first.whole and not (runner.placement and runner.placement.whole):
            runner.close()
            raise RunnerRefused(
                f"the {first.requested.upper()} ran the whole model when it was first loaded, and "
                "does not any more; close other apps, and measure again"
            )
        return runner

    def _ask(self, label: str, cell: Cell, do: str, **fields: Any) -> dict[str, Any]:
        """Send a command to a contender's runner; a runner that Android killed is restarted."""
        for tries_left in reversed(range(MAX_TRIES)):
            try:
                return self.runner(label, cell).ask(do, **fields)
            except RunnerDied:
                self.close_runner(label)
                if not tries_left:
                    raise
        raise AssertionError("unreachable")

    def runner(self, label: str, cell: Cell) -> Runner:
        """The runner of a contender, which is started and warmed up if there is none."""
        if label not in self.runners:
            contender = next(each for each in self.contenders if each.label == label)
            self._warm_up(contender, cell)
        return self.runners[label]

    def close_runner(self, label: str) -> None:
        """End the runner of a contender, if there is one."""
        if runner := self.runners.pop(label, None):
            runner.close()

    def close_runners(self) -> None:
        """End all runners."""
        for label in list(self.runners):
            self.close_runner(label)

    def _warm_up(self, contender: Contender, cell: Cell) -> None:
        threads, length = cell
        if contender.label not in self.runners:
            self.runners[contender.label] = self._open(contender, threads)
        answer = self.runners[contender.label].ask(
            "warm_up", input=str(length), most_runs=WARM_UP_RUNS, most_seconds=WARM_UP_SECONDS
        )
        self.log.add(
            WarmedUp(
                contender=contender.label,
                threads=threads,
                sequence_length=length,
                runs=len(answer["samples_ns"]),
                stable=answer["stable"],
                typical_ms=typical(answer["samples_ns"]) / 1e6,
            )
        )

    def _attempt(
        self, contender: Contender, stage: Stage, action: Callable[[Contender], None]
    ) -> None:
        """Leave out a contender that the runner refuses; retry one whose runner was killed."""
        for tries_left in reversed(range(MAX_TRIES)):
            try:
                action(contender)
                return
            except RunnerRefused as error:
                failure = Failure(contender=contender.label, stage=stage, error=str(error))
                self.log.add(Failed(failure=failure))
                self.contenders.remove(contender)
                self.close_runner(contender.label)
                if not self.contenders:
                    raise BenchmarkError(
                        f"nothing can be measured: {contender.label!r}: {error}"
                    ) from error
                return
            except RunnerDied:
                self.close_runner(contender.label)
                if not tries_left:
                    raise

    # The phone's conditions

    def _wait_and_probe(self, cell: Cell, block: int, seconds_left: float) -> None:
        """Before a block: wait until the phone is cool, then record its conditions and clock."""
        self.wait_until_cool(cell, seconds_left)
        label = next(iter(self.runners), self.contenders[0].label)
        samples = self._ask(label, cell, "probe")["samples_ns"]
        probe = Probe(
            at_s=round(self.elapsed(), 3), block=block, median_ms=statistics.median(samples) / 1e6
        )
        threads, length = cell
        self.log.add(Probed(threads=threads, sequence_length=length, probe=probe))

    def wait_until_cool(self, cell: Cell = _NO_CELL, seconds_left: float = 0) -> Conditions:
        """Wait until the phone is cool, and record its conditions.

        Args:
            cell: Whose figures they are conditions of.
            seconds_left: What is to be measured after that, for the progress.
        """

        def report(reason: str, left: float) -> None:
            self.report(reason, left + seconds_left)

        conditions = self.cooling.wait(self._read_conditions, report, self.pause)
        self._record_conditions(cell, conditions)
        return conditions

    def _read_conditions(self) -> Conditions:
        return read_conditions(self.device, self.elapsed)

    def _record_conditions(self, cell: Cell, conditions: Conditions) -> None:
        threads, length = cell
        self.log.add(Conditioned(threads=threads, sequence_length=length, conditions=conditions))

    def pause(self, seconds: float) -> None:
        """Wait.

        Raises:
            KeyboardInterrupt: the run is to end.
        """
        if self.stopped():
            raise KeyboardInterrupt
        self.sleep(seconds)

    # Progress

    def elapsed(self) -> float:
        """Seconds since the run began."""
        return time.monotonic() - self.begun

    def report(self, step: str, seconds_left: float) -> None:
        """Show the current step and the time that is left."""
        if self.progress:
            elapsed = self.elapsed()
            self.progress(step, elapsed, elapsed + seconds_left)

    def _report_push(self, sent: int, total: int) -> None:
        if self.progress:
            report_push(self.progress, sent, total, self.elapsed())


def _kilobytes(context: Mapping[str, int | None], name: str) -> int | None:
    value = context.get(name)
    return None if value is None else 1024 * value
