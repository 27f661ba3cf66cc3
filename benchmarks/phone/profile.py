"""A profiled block of each contender on a phone, after the timed ones: ONNX Runtime's own profiler.

The runner opens the model once more for it, so that nothing of the profiler is in the timed runs.
The profiled runs are in the journal too, so that the trace of a resumed run has all of them.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass

from squeezebert_mobile.benchmarks.measure.profiling import RUNS
from squeezebert_mobile.benchmarks.measure.progress import cell_text
from squeezebert_mobile.benchmarks.measure.schedule import LEAD_IN_RUNS
from squeezebert_mobile.benchmarks.phone.adb.errors import PhoneError, RunnerDied, RunnerRefused
from squeezebert_mobile.benchmarks.phone.adb.files import HOME
from squeezebert_mobile.benchmarks.phone.resume import Cell
from squeezebert_mobile.benchmarks.phone.run import PhoneRun
from squeezebert_mobile.benchmarks.phone.runners import MAX_TRIES
from squeezebert_mobile.benchmarks.profiles.onnx import profiled_runs
from squeezebert_mobile.benchmarks.profiles.runs import ProfiledRun, summarized
from squeezebert_mobile.benchmarks.profiles.trace import Trace
from squeezebert_mobile.benchmarks.records.events import Event, NotProfiled, Profiled
from squeezebert_mobile.benchmarks.records.results import Failure

__all__ = ["NO_ARTIFACT", "NO_PROFILER", "collect", "profile_contenders"]

NO_PROFILER = "on phones only ONNX Runtime has a profiler, and this artifact is in the format {}"
NO_ARTIFACT = "on phones only artifacts are profiled, and this is a model file"

_FORMAT = "onnx"
_MOST_SECONDS = 600.0  # to read a profile


class _Unreadable(PhoneError):
    """The profile is not one; the other figures are not affected."""


@dataclass(frozen=True)
class _Profiler:
    run: PhoneRun

    def profile(self, label: str, cell: Cell) -> None:
        """Profile a contender in a cell; a runner that Android killed is started again."""
        for tries_left in reversed(range(MAX_TRIES)):
            try:
                runs = self._runs(label, cell)
            except (RunnerRefused, RunnerDied, _Unreadable) as error:
                self.run.runners.close(label)
                if isinstance(error, RunnerDied) and tries_left:
                    continue
                self.give_up(label, str(error))
            else:
                profile = summarized(runs, label, *cell)
                self.run.log.add(Profiled(profile=profile, runs=tuple(r.record for r in runs)))
            return

    def _runs(self, label: str, cell: Cell) -> Sequence[ProfiledRun]:
        typical_s = self.run.view.typical_s(label, cell)
        answer = self.run.runners.get(label, cell).ask(
            "profile",
            likely_s=2 * (LEAD_IN_RUNS + RUNS) * typical_s,
            input=self.run.runners.input_name(cell[1]),
            runs=LEAD_IN_RUNS + RUNS,
        )
        runs = _parsed(self._read(answer["file"]))
        if len(runs) != LEAD_IN_RUNS + RUNS:
            raise _Unreadable(
                f"ONNX Runtime's profiler recorded {len(runs)} of {LEAD_IN_RUNS + RUNS} runs"
            )
        return runs[LEAD_IN_RUNS:]

    def _read(self, file: str) -> str:
        """The text of a profile, which is removed from the phone."""
        result = self.run.device.run("cat", file, timeout=_MOST_SECONDS)
        if result.code:
            why = result.err.strip() or f"exit status {result.code}"
            raise _Unreadable(f"the profile cannot be read from the phone: {why}")
        if file.startswith(f"{HOME}/") and ".." not in file:
            self.run.device.run("rm", "-f", file)
        return result.out

    def give_up(self, label: str, why: str) -> None:
        """Record that a contender has no profile."""
        failure = Failure(contender=label, stage="profile", error=why)
        self.run.log.add(NotProfiled(failure=failure))


def _parsed(text: str) -> list[ProfiledRun]:
    try:
        return profiled_runs(json.loads(text))
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise _Unreadable(f"the file is no profile of ONNX Runtime ({error!r:.80})") from None


def profile_contenders(run: PhoneRun) -> None:
    """Profile every contender at each number of threads and length, unless the journal has it.

    Raises:
        PhoneError: the phone does not answer.
    """
    profiler = _Profiler(run)
    for threads in run.settings.threads:
        try:
            for contender in run.contenders:
                for length in run.settings.sequence_lengths:
                    cell = (threads, length)
                    label = contender.label
                    if run.view.is_profiled(label, cell):
                        continue
                    if contender.origin == "file":
                        profiler.give_up(label, NO_ARTIFACT)
                        continue
                    if contender.format != _FORMAT:
                        profiler.give_up(label, NO_PROFILER.format(contender.format))
                        continue
                    run.report(f"profile {label}, {cell_text(*cell)}", 0)
                    profiler.profile(label, cell)
                run.runners.close(contender.label)
        finally:
            run.runners.close_all()


def collect(trace: Trace, events: Sequence[Event]) -> None:
    """Add the profiled runs of a journal to a trace."""
    for event in events:
        if isinstance(event, Profiled):
            profile = event.profile
            track = cell_text(profile.threads, profile.sequence_length)
            trace.add(profile.contender, track, [ProfiledRun.of(run) for run in event.runs])
