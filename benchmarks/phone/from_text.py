"""What an app on a phone waits for: from a text to its answer, and a process's first answer.

Measured after all runs of the models alone, in blocks of its own, which are in the journal like all
others: a run that is resumed measures none of them twice.
"""

from dataclasses import dataclass, replace

from squeezebert_mobile.benchmarks.measure.contenders import Contender
from squeezebert_mobile.benchmarks.phone.run import PhoneRun
from squeezebert_mobile.benchmarks.phone.runners import Runners
from squeezebert_mobile.benchmarks.records.events import FirstAnswered

__all__ = ["measure_from_text"]

_SECONDS = 5.0  # estimate for a fresh process


def measure_from_text(run: PhoneRun) -> None:
    """Measure the artifacts of a run from text to answer; one that fails keeps its other figures.

    Raises:
        PhoneError: the phone does not answer.
    """
    without = run.view.without_text
    contenders = [
        each for each in run.contenders if each.origin == "artifact" and each.label not in without
    ]
    runners = replace(run.runners, contenders=contenders, source="text", running={})
    _FirstAnswers(run, runners).measure()
    for threads in run.settings.threads:
        run.measure_threads(threads, runners)


@dataclass
class _FirstAnswers:
    run: PhoneRun
    runners: Runners
    are_known: bool = True  # whether the phone tells when a process was started

    def measure(self) -> None:
        """Start the fresh processes that the journal does not have, in turn."""
        starts = self.run.preset.starts
        for index in range(starts):
            for contender in list(self.runners.contenders):
                if self.are_known and self.run.view.first_answers(contender.label) <= index:
                    left = (starts - index) * len(self.runners.contenders) * _SECONDS
                    self.run.report(f"first answer of {contender.label}", left)
                    self.runners.attempt(contender, "text", self._answer)

    def _answer(self, contender: Contender) -> None:
        """With the checksums of all files, as an app loads an artifact, and no golden texts."""
        settings = self.run.settings
        name = self.runners.input_name(settings.start_sequence_length)
        with self.runners.open(contender, settings.start_threads, first_answer=name) as runner:
            since_ns = runner.first_answer_ns()
        if since_ns is None:
            self.are_known = False
        else:
            self.run.log.add(FirstAnswered(contender=contender.label, ms=since_ns / 1e6))
