"""Measuring on this machine: cold starts in fresh processes, then ABBA blocks in one process."""

import datetime
import gc
import itertools
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from squeezebert_mobile.benchmarks.measure.cold_start import measure_start
from squeezebert_mobile.benchmarks.measure.contenders import (
    Contender,
    InputFeed,
    LoadedModel,
    feed_arguments,
    make_feed,
    open_model,
)
from squeezebert_mobile.benchmarks.measure.from_text import TextRun, check_takes_text
from squeezebert_mobile.benchmarks.measure.machine import load_average, machine_facts
from squeezebert_mobile.benchmarks.measure.profiling import (
    check_profilable,
    profile_contender,
)
from squeezebert_mobile.benchmarks.measure.progress import (
    ProgressCallback,
    cell_text,
    progress_bar,
)
from squeezebert_mobile.benchmarks.measure.recording import Recorder
from squeezebert_mobile.benchmarks.measure.schedule import Preset
from squeezebert_mobile.benchmarks.measure.settings import make_settings
from squeezebert_mobile.benchmarks.measure.timing import Clock, Run, warm_up
from squeezebert_mobile.benchmarks.measure.unfinished_runs import (
    check_journal,
    keeping_measurements,
    results_of_journal,
)
from squeezebert_mobile.benchmarks.profiles.runs import summarized
from squeezebert_mobile.benchmarks.profiles.trace import Trace, trace_of
from squeezebert_mobile.benchmarks.records.assembly import assemble
from squeezebert_mobile.benchmarks.records.continuation import (
    check_continuable,
    complete_events,
    failed_labels,
    measured_cells,
    start_counts,
)
from squeezebert_mobile.benchmarks.records.events import (
    Begin,
    End,
    Failed,
    NotProfiled,
    Profiled,
    Resumed,
    Started,
)
from squeezebert_mobile.benchmarks.records.journal import Journal, journal_of, keeping, opened
from squeezebert_mobile.benchmarks.records.results import Failure, Results, Settings, Stage
from squeezebert_mobile.errors import BenchmarkError, first_line

__all__ = ["bench_on_host", "measure_host"]

_READ = "squeezebert-mobile report reads it"  # the journal
_START_SECONDS = 2.0  # estimate for a fresh process


def bench_on_host(
    contenders: Sequence[Contender],
    *,
    output: Path | None,
    preset: Preset,
    threads: Sequence[int],
    sequence_lengths: Sequence[int] | None,
    resume: bool = False,
    profile: bool = False,
    from_text: bool = False,
) -> Results:
    """Measure on this machine with a progress bar, and write the results to `output`, if given.

    During the run a journal is kept next to `output`, unless that is a stream such as /dev/stdout.

    Args:
        contenders: The models to measure.
        output: The results file.
        preset: How long to measure.
        threads: The numbers of threads to measure with.
        sequence_lengths: The lengths to measure at, as in `measure_host`.
        resume: Write the results of a complete run from its journal, and measure nothing.
        profile: Profile each contender after the timed blocks, and write a trace beside `output`.
        from_text: Also measure the time from text to answer, as in `measure_host`.

    Raises:
        BenchmarkError: the contenders cannot be measured with these settings, or all of them fail;
            or there is the journal of an earlier run, or none to write the results from.
    """
    journal = journal_of(output) if output else None
    check_journal(journal, resume=resume)
    trace = Trace() if profile else None
    with Journal(journal, resume=resume) as log:
        if journal and resume:
            settings = make_settings(contenders, preset, threads, sequence_lengths)
            results = results_of_journal(journal, settings, [each.facts for each in contenders])
        else:
            with progress_bar() as progress, keeping_measurements(log, remedy=_READ):
                results = measure_host(
                    contenders,
                    preset=preset,
                    threads=threads,
                    sequence_lengths=sequence_lengths,
                    journal=log,
                    progress=progress,
                    trace=trace,
                    from_text=from_text,
                )
        if output:
            with keeping(journal, "to write the results, run the same command with --resume"):
                results.write(output)
        log.remove()
    if trace and output and (file := trace_of(output)):
        trace.write(file, results=output)
    return results


def measure_host(
    contenders: Sequence[Contender],
    *,
    preset: Preset,
    threads: Sequence[int] = (1,),
    sequence_lengths: Sequence[int] | None = None,
    not_built: Sequence[Failure] = (),
    journal: Journal | Path | None = None,
    progress: ProgressCallback | None = None,
    clock: Clock = time.perf_counter,
    trace: Trace | None = None,
    from_text: bool = False,
) -> Results:
    """Measure `contenders` against each other on this machine.

    Ctrl-C ends the measurement early: the results then contain the finished blocks, and their
    `complete` is False.

    Args:
        contenders: The models to measure. Ratios refer to those with the role "baseline".
        preset: How long to measure.
        threads: The numbers of threads to measure with.
        sequence_lengths: The lengths to measure at. By default the length of a contender with a
            fixed length, or else 128, or less if a contender's maximum is shorter.
        not_built: Contenders that could not be built; they are recorded in the results.
        journal: A new file to which each block is appended as soon as it is measured, or an open
            journal. If that has events, the run is continued: its cold starts and complete cells
            are kept.
        progress: Called with the current step, the seconds elapsed and the seconds expected.
        clock: Returns seconds.
        trace: Profile each contender after the timed blocks, and collect its runs here.
        from_text: Also measure the time from text to answer, and to the first answer of a process.

    Raises:
        BenchmarkError: the contenders cannot be measured with these options, or all of them fail;
            or the run to continue differs from this one.
    """
    settings = make_settings(contenders, preset, threads, sequence_lengths)
    if trace:
        check_profilable(contenders)
    if from_text:
        check_takes_text(contenders)
    with opened(journal) as log:
        begin = _begin(contenders, settings)
        if log.events:
            check_continuable(begin, log.events, repr(str(log.path)))
            if isinstance(log.events[-1], End):
                return assemble(log.events)
        try:
            if log.events:
                log.cut(complete_events(settings, log.events))
                log.add(Resumed(created=begin.created))
            else:
                log.add(begin)
                for failure in not_built:
                    log.add(Failed(failure=failure))
            run = _HostRun(list(contenders), preset, settings, log, clock, progress)
            run.measure_starts()
            for count in settings.threads:
                run.measure_threads(count)
            if from_text:
                run.measure_from_text()
            if trace:
                run.profile(trace)
            log.add(End(load_after=load_average()))
        except KeyboardInterrupt:
            if not log.events:
                raise
        return assemble(log.events)


def _begin(contenders: Sequence[Contender], settings: Settings) -> Begin:
    return Begin(
        created=datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        settings=settings,
        machine=machine_facts(),
        load_before=load_average(),
        contenders=tuple(contender.facts for contender in contenders),
    )


# The run ------------------------------------------------------------------------------------


@dataclass
class _HostRun:
    """The state of a run: the remaining contenders, the opened models, the expected duration."""

    contenders: list[Contender]
    preset: Preset
    settings: Settings
    log: Journal
    clock: Clock
    progress: ProgressCallback | None
    models: dict[str, LoadedModel] = field(default_factory=dict)
    cells_left: int = 0
    begun: float = 0.0
    everyone: tuple[Contender, ...] = field(init=False)  # also those that have failed
    recorder: Recorder = field(init=False)

    def __post_init__(self) -> None:
        """Expect what the preset says, until something is measured."""
        self.begun = time.monotonic()
        self.everyone = tuple(self.contenders)
        failed = failed_labels(self.log.events)  # before the run was interrupted
        self.contenders = [each for each in self.everyone if each.label not in failed]
        self.cells_left = sum(len(self._lengths_left(count)) for count in self.settings.threads)
        seconds = len(self.contenders) * self.preset.seconds
        self.recorder = Recorder(self.preset, self.log, self.clock, self._report, seconds)

    def measure_starts(self) -> None:
        """Load each contender in fresh processes, in turn."""
        self._check_unchanged()
        done = start_counts(self.log.events)
        left = sum(self.preset.starts - done[each.label] for each in self.contenders)
        for index in range(self.preset.starts):
            for contender in [each for each in self.contenders if done[each.label] <= index]:
                self._report(f"start {contender.label}", left * _START_SECONDS)
                left -= 1
                try:
                    start = measure_start(contender, self.settings)
                except BenchmarkError as error:
                    self._drop(contender, "start", error)
                else:
                    self.log.add(Started(contender=contender.label, start=start))

    def measure_threads(self, threads: int) -> None:
        """Open every model with `threads` threads and measure the lengths that are left."""
        lengths = self._lengths_left(threads)
        if not lengths:
            return
        for contender in list(self.contenders):
            self._report(f"load {contender.label}", 0)
            try:
                self.models[contender.label] = open_model(contender, threads=threads)
            except Exception as error:  # each runtime raises its own; the failure is recorded
                self._drop(contender, "load", error)
        self._check_unchanged()
        for length in lengths:
            self.cells_left -= 1
            self._measure_cell(threads, length)
        self.models.clear()
        gc.collect()  # frees the models' memory before the next ones are loaded

    def measure_from_text(self) -> None:
        """Measure the artifacts from text to answer."""
        run = TextRun(
            [each for each in self.contenders if each.origin == "artifact"],
            self.settings,
            self.recorder,
            self._check_unchanged,
        )
        run.measure_first_answers()
        for count in self.settings.threads:
            run.measure_threads(count)

    def _lengths_left(self, threads: int) -> list[int]:
        measured = measured_cells(self.log.events)
        lengths = self.settings.sequence_lengths
        return [length for length in lengths if (threads, length) not in measured]

    def profile(self, trace: Trace) -> None:
        """Profile every contender that was measured, at each number of threads."""
        for threads, contender in itertools.product(self.settings.threads, self.contenders):
            self._report(f"profile {contender.label}", 0)
            lengths = self.settings.sequence_lengths
            feeds = {length: self._feed(contender, length) for length in lengths}
            try:
                profiled = profile_contender(contender, feeds, threads=threads)
            except Exception as error:  # as in measure_threads
                failure = Failure(
                    contender=contender.label, stage="profile", error=first_line(error)
                )
                self.log.add(NotProfiled(failure=failure))
                continue
            for length, runs in profiled.items():
                trace.add(contender.label, cell_text(threads, length), runs)
                profile = summarized(runs, contender.label, threads, length)
                self.log.add(Profiled(profile=profile))
        self._check_unchanged()

    def _check_unchanged(self) -> None:
        """Another export may have replaced an artifact before it was loaded."""
        for contender in self.everyone:
            contender.check_unchanged()

    def _measure_cell(self, threads: int, length: int) -> None:
        runs: dict[str, Run] = {}
        typical_s: dict[str, float] = {}
        for contender in list(self.contenders):
            label = contender.label
            self._report(f"warm up {label}", self.recorder.cell_seconds)
            run = partial(self.models[label], self._feed(contender, length))
            try:
                done = warm_up(run, self.clock)
            except Exception as error:  # as in measure_threads
                self._drop(contender, "run", error)
                continue
            self.recorder.warmed_up(label, threads, length, done)
            runs[label], typical_s[label] = run, done.typical_s
        self.recorder.measure(threads, length, runs, typical_s)

    def _feed(self, contender: Contender, length: int) -> InputFeed:
        return make_feed(**feed_arguments(contender, self.settings, length))

    def _drop(self, contender: Contender, stage: Stage, error: Exception) -> None:
        """Continue without `contender`, if any other is left."""
        contender.check_unchanged()
        failure = Failure(contender=contender.label, stage=stage, error=first_line(error))
        self.log.add(Failed(failure=failure))
        self.contenders.remove(contender)
        self.models.pop(contender.label, None)
        if not self.contenders:
            raise BenchmarkError(
                f"nothing can be measured: {contender.label!r}: {first_line(error)}"
            )

    def _report(self, step: str, seconds_left: float) -> None:
        if self.progress:
            elapsed = time.monotonic() - self.begun
            expected = elapsed + seconds_left + self.cells_left * self.recorder.cell_seconds
            self.progress(step, elapsed, expected)
