"""A run on a phone: runners that each have one artifact loaded take turns in ABBA blocks.

Every visit is recorded in the journal as soon as it is measured, so an interrupted run can be
resumed: what the journal has is not measured again.
"""

import secrets
import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from squeezebert_mobile.benchmarks.measure.contenders import Contender
from squeezebert_mobile.benchmarks.measure.progress import (
    ProgressCallback,
    cell_text,
    report_push,
)
from squeezebert_mobile.benchmarks.measure.schedule import (
    LEAD_IN_RUNS,
    Preset,
    Schedule,
    planned_seconds,
    runs_per_visit,
)
from squeezebert_mobile.benchmarks.phone.adb.client import Device
from squeezebert_mobile.benchmarks.phone.adb.errors import PhoneError
from squeezebert_mobile.benchmarks.phone.adb.facts import read_conditions
from squeezebert_mobile.benchmarks.phone.adb.files import file_set, make_readable, push
from squeezebert_mobile.benchmarks.phone.cooling import Cooling
from squeezebert_mobile.benchmarks.phone.libraries.lookup import Libraries
from squeezebert_mobile.benchmarks.phone.plain import model_files
from squeezebert_mobile.benchmarks.phone.resume import Cell, JournalView
from squeezebert_mobile.benchmarks.phone.runner.launchers import (
    AppLauncher,
    Launcher,
    ShellLauncher,
)
from squeezebert_mobile.benchmarks.phone.runner_jar import RUNNER_JAR
from squeezebert_mobile.benchmarks.phone.runners import Place, Runners
from squeezebert_mobile.benchmarks.records.events import (
    Answered,
    Conditioned,
    PhoneStarted,
    Probed,
    Source,
    VisitMeasured,
)
from squeezebert_mobile.benchmarks.records.journal import Journal
from squeezebert_mobile.benchmarks.records.phone import Conditions, PhoneStart, Probe
from squeezebert_mobile.benchmarks.records.results import Settings
from squeezebert_mobile.errors import BenchmarkError

__all__ = ["MOST_RUNS", "PhoneRun"]

_START_RUNS = 3  # of a fresh process
_START_SECONDS = 5.0  # estimate for a fresh process
MOST_RUNS = 100_000  # that the runner accepts for a visit
#: Blocks for each one of the preset, if the runs are so much faster than in the warm-up.
_MOST_BLOCKS = 100
_NO_CELL: Cell = (0, 0)


@dataclass
class PhoneRun:
    """The state of a run: the remaining contenders, their runners, and the journal."""

    everyone: Sequence[Contender]
    device: Device
    preset: Preset
    settings: Settings
    log: Journal
    cooling: Cooling
    progress: ProgressCallback | None
    sleep: Callable[[float], None]
    stopped: Callable[[], bool]
    from_text: bool = False  # whether texts are to be measured too
    begun: float = field(init=False)
    view: JournalView = field(init=False)
    runners: Runners = field(init=False)

    def __post_init__(self) -> None:
        """Go on with the clock of the run that was interrupted."""
        self.view = JournalView(self.log.events)
        self.begun = time.monotonic() - self.view.seconds

    @property
    def contenders(self) -> list[Contender]:
        """Those that are still measured."""
        return self.runners.contenders

    # Before anything is timed

    def prepare(self, libraries: Libraries | None, mask: str | None) -> None:
        """Push the files that the phone lacks; without `libraries` the app measures."""
        contenders = [each for each in self.everyone if each.label not in self.view.failed]
        models = {each.label: model_files(each) for each in contenders}
        file_sets = list(models.values())
        launcher: Launcher = AppLauncher()
        if libraries is None:
            push(self.device, file_sets, self._report_push)
            make_readable(self.device, file_sets)
        else:
            runner = file_set("runner", {RUNNER_JAR.name: RUNNER_JAR})
            native = file_set("libraries", libraries.files)
            jars = [name for name in libraries.files if name.endswith(".jar")]
            # First: LiteRT's has all of Kotlin's library, the runner's only what it calls itself.
            class_path = (
                *(f"{native.folder}/{jar}" for jar in jars),
                f"{runner.folder}/{RUNNER_JAR.name}",
            )
            launcher = ShellLauncher(class_path, native.folder, mask)
            push(self.device, [runner, native, *file_sets], self._report_push)
        folders = {label: files.folder for label, files in models.items()}
        place = Place(self.device, launcher, folders, secrets.token_hex(4))
        self.runners = Runners(contenders, place, self.settings, self.log)

    def measure_starts(self) -> None:
        """Check each artifact's golden outputs, then load it in fresh processes, in turn."""
        self._record_conditions(_NO_CELL, self._read_conditions())
        for contender in list(self.contenders):
            if contender.label not in self.view.answered:
                self.report(f"check {contender.label}", _START_SECONDS)
                self.runners.attempt(contender, "load", self._check)
        for index in range(self.preset.starts):
            for contender in list(self.contenders):
                if len(self.view.starts(contender.label)) <= index:
                    left = (self.preset.starts - index) * len(self.contenders)
                    self.report(f"start {contender.label}", left * _START_SECONDS)
                    self.runners.attempt(contender, "start", self._start)

    def _check(self, contender: Contender) -> None:
        threads = self.settings.start_threads
        # With texts: a runner that does not know them is refused before anything is measured.
        with self.runners.open(contender, threads, check=True, texts=self.from_text) as runner:
            if runner.answers is not None:
                self.log.add(Answered(contender=contender.label, answers=runner.answers))

    def _start(self, contender: Contender) -> None:
        with self.runners.open(contender, self.settings.start_threads) as runner:
            name = self.runners.input_name(self.settings.start_sequence_length)
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

    def measure_threads(self, threads: int, runners: Runners | None = None) -> None:
        """Load every model with `threads` threads and measure all lengths.

        Args:
            threads: Of one inference.
            runners: Those of the models to measure; None: of all, on ids.
        """
        runners = runners or self.runners
        try:
            for length in self.settings.sequence_lengths:
                cell = (threads, length)
                if runners.contenders and not self._schedule(cell, runners).is_complete:
                    self._measure_cell(cell, runners)
        finally:
            runners.close_all()

    def _schedule(self, cell: Cell, runners: Runners) -> Schedule:
        return self.view.schedule(cell, runners.labels, self.preset, runners.source)

    def _measure_cell(self, cell: Cell, runners: Runners) -> None:
        for contender in list(runners.contenders):
            seconds = len(runners.contenders) * self.preset.seconds
            self.report(f"warm up {contender.label}", seconds)
            runners.attempt(contender, "run", lambda each: runners.warm_up(each, cell))
        if not runners.contenders:
            return
        typical_s = {
            label: self.view.typical_s(label, cell, runners.source) for label in runners.labels
        }
        block_seconds = planned_seconds(self.preset, typical_s)
        where = cell_text(*cell) + (", from text" if runners.source == "text" else "")
        schedule = self._schedule(cell, runners)
        for block in schedule.blocks():
            if block >= _MOST_BLOCKS * self.preset.blocks:
                raise BenchmarkError(
                    f"{block} blocks are not enough at {where}: the runs take far less "
                    "time than in the warm-up; measure again, with another file as -o"
                )
            left = max(1, self.preset.blocks - block) * block_seconds
            self._wait_and_probe(cell, block, left, runners)
            self.report(where, left)
            self._measure_block(cell, block, schedule, typical_s, runners)
        self._record_conditions(cell, self._read_conditions(), runners.source)

    def _measure_block(
        self,
        cell: Cell,
        block: int,
        schedule: Schedule,
        typical_s: Mapping[str, float],
        runners: Runners,
    ) -> None:
        for place, label in schedule.remaining(block).items():
            if self.stopped():
                raise KeyboardInterrupt
            samples = self._visit(label, cell, typical_s[label], runners)
            self.log.add(
                VisitMeasured(
                    threads=cell[0],
                    sequence_length=cell[1],
                    block=block,
                    place=place,
                    contender=label,
                    samples=samples,
                    source=runners.source,
                )
            )
            schedule.record(block, place, label, samples)

    def _visit(
        self, label: str, cell: Cell, typical_s: float, runners: Runners
    ) -> tuple[float, ...]:
        """The samples in ms of one visit."""
        runs = min(runs_per_visit(self.preset, typical_s), MOST_RUNS)
        answer = runners.ask(
            label,
            cell,
            "block",
            likely_s=(LEAD_IN_RUNS + runs) * typical_s,
            input=runners.input_name(cell[1]),
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

    # The phone's conditions

    def _wait_and_probe(
        self, cell: Cell, block: int, seconds_left: float, runners: Runners
    ) -> None:
        """Before a block: wait until the phone is cool, then record its conditions and clock."""
        self.wait_until_cool(cell, seconds_left, runners.source)
        label = next(iter(runners.running), runners.labels[0])
        samples = runners.ask(label, cell, "probe")["samples_ns"]
        probe = Probe(
            at_s=round(self.elapsed(), 3), block=block, median_ms=statistics.median(samples) / 1e6
        )
        threads, length = cell
        event = Probed(threads=threads, sequence_length=length, probe=probe, source=runners.source)
        self.log.add(event)

    def wait_until_cool(
        self, cell: Cell = _NO_CELL, seconds_left: float = 0, source: Source = "ids"
    ) -> Conditions:
        """Wait until the phone is cool, and record its conditions.

        Args:
            cell: Whose figures they are conditions of.
            seconds_left: What is to be measured after that, for the progress.
            source: What the runs of the cell begin with.
        """

        def report(reason: str, left: float) -> None:
            self.report(reason, left + seconds_left)

        conditions = self.cooling.wait(self._read_conditions, report, self.pause)
        self._record_conditions(cell, conditions, source)
        return conditions

    def _read_conditions(self) -> Conditions:
        return read_conditions(self.device, self.elapsed)

    def _record_conditions(
        self, cell: Cell, conditions: Conditions, source: Source = "ids"
    ) -> None:
        threads, length = cell
        event = Conditioned(
            threads=threads, sequence_length=length, conditions=conditions, source=source
        )
        self.log.add(event)

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
