"""The runners of a run's models: each has one loaded, and is started again if Android kills it.

Where a model runs on ids, its runner gets these; where the time from text to answer is measured, it
gets texts, and builds the tokenizer.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from squeezebert_mobile.artifact import read_manifest
from squeezebert_mobile.benchmarks.inputs.texts import text_arguments
from squeezebert_mobile.benchmarks.measure.contenders import Contender, feed_arguments, make_feed
from squeezebert_mobile.benchmarks.measure.schedule import WARM_UP_RUNS, WARM_UP_SECONDS, typical
from squeezebert_mobile.benchmarks.phone.adb.client import Device
from squeezebert_mobile.benchmarks.phone.adb.errors import RunnerDied, RunnerRefused
from squeezebert_mobile.benchmarks.phone.plain import path_on_phone, plain_job
from squeezebert_mobile.benchmarks.phone.resume import Cell, JournalView
from squeezebert_mobile.benchmarks.phone.runner.client import Runner
from squeezebert_mobile.benchmarks.phone.runner.job import Job
from squeezebert_mobile.benchmarks.phone.runner.launchers import Launcher
from squeezebert_mobile.benchmarks.records.events import Failed, Source, WarmedUp
from squeezebert_mobile.benchmarks.records.journal import Journal
from squeezebert_mobile.benchmarks.records.results import Failure, Settings, Stage
from squeezebert_mobile.errors import BenchmarkError
from squeezebert_mobile.runtime import SqueezeBertTokenizer

__all__ = ["MAX_TRIES", "Place", "Runners"]

MAX_TRIES = 2  # for a runner that Android kills


@dataclass(frozen=True)
class Place:
    """Where the runners are started."""

    device: Device
    launcher: Launcher
    folders: Mapping[str, str]  # label -> the folder of the model's files on the phone
    token: str  # in the names of this run's jobs: no other run on the phone has the same


@dataclass
class Runners:
    """The runners of the models that are still measured."""

    contenders: list[Contender]
    place: Place
    settings: Settings
    log: Journal
    source: Source = "ids"
    running: dict[str, Runner] = field(default_factory=dict)  # by label

    @property
    def labels(self) -> list[str]:
        """The models' labels, in their order."""
        return [contender.label for contender in self.contenders]

    @cached_property
    def view(self) -> JournalView:
        """What the journal has."""
        return JournalView(self.log.events)

    def input_name(self, length: int) -> str:
        """The name of the input of a length, in the jobs."""
        return str(length) if self.source == "ids" else f"text {length}"

    # Starting and ending

    def get(self, label: str, cell: Cell) -> Runner:
        """The runner of a model, which is started and warmed up if there is none."""
        if label not in self.running:
            contender = next(each for each in self.contenders if each.label == label)
            self.warm_up(contender, cell)
        return self.running[label]

    def open(
        self,
        contender: Contender,
        threads: int,
        *,
        check: bool = False,
        texts: bool = False,
        first_answer: str | None = None,
    ) -> Runner:
        """Start a runner, which the caller closes.

        Args:
            contender: Its model.
            threads: Of one inference.
            check: Compare the files' checksums and the golden outputs.
            texts: Give it texts beside ids.
            first_answer: The text that it answers as soon as the model is loaded.
        """
        is_artifact = contender.origin == "artifact"
        has_text = is_artifact and (texts or self.source == "text")
        job = Job(
            path_on_phone(contender, self.place.folders[contender.label]),
            contender.format,
            threads,
            self._ids(contender) if is_artifact and self.source == "ids" else {},
            check=check,
            model_sha256=contender.sha256,
            name=f"job-{self.place.token}-{self.labels.index(contender.label)}",
            accelerator=self.settings.accelerator,
            texts=self._texts(contender) if has_text else {},
            plain=None if is_artifact else plain_job(contender, self.settings, self._lengths),
            first_answer=first_answer,
        )
        runner = Runner(self.place.device, self.place.launcher, job, fresh=not self.running)
        first = self.view.placement(contender.label)
        if first and first.whole and not (runner.placement and runner.placement.whole):
            runner.close()
            raise RunnerRefused(
                f"the {first.requested.upper()} ran the whole model when it was first loaded, and "
                "does not any more; close other apps, and measure again"
            )
        return runner

    @property
    def _lengths(self) -> set[int]:
        return {*self.settings.sequence_lengths, self.settings.start_sequence_length}

    def _ids(self, contender: Contender) -> dict[str, list[list[int]]]:
        feeds = {
            length: make_feed(**feed_arguments(contender, self.settings, length))
            for length in self._lengths
        }
        return {
            str(length): feed["input_ids"].reshape(-1, length).tolist()
            for length, feed in feeds.items()
        }

    def _texts(self, contender: Contender) -> dict[str, dict[str, Any]]:
        """What the pipelines of this computer are asked too, in the words of the runner's job."""
        assert contender.task  # of every artifact
        folder = Path(contender.path)
        tokenizer = SqueezeBertTokenizer.from_artifact(folder, read_manifest(folder).files)
        found = {}
        for length in self._lengths:
            asked = text_arguments(tokenizer, contender.task, length)
            text = asked.pop("texts", None) or asked.pop("context")
            found[f"text {length}"] = {"text": text, **asked}
        return found

    def close(self, label: str) -> None:
        """End the runner of a model, if there is one."""
        if runner := self.running.pop(label, None):
            runner.close()

    def close_all(self) -> None:
        """End all runners."""
        for label in list(self.running):
            self.close(label)

    # Asking

    def ask(self, label: str, cell: Cell, do: str, **fields: Any) -> dict[str, Any]:
        """Send a command to a model's runner; a runner that Android killed is started again."""
        for tries_left in reversed(range(MAX_TRIES)):
            try:
                return self.get(label, cell).ask(do, **fields)
            except RunnerDied:
                self.close(label)
                if not tries_left:
                    raise
        raise AssertionError("unreachable")

    def warm_up(self, contender: Contender, cell: Cell) -> None:
        """Warm up a model, whose runner is started if there is none."""
        threads, length = cell
        if contender.label not in self.running:
            self.running[contender.label] = self.open(contender, threads)
        answer = self.running[contender.label].ask(
            "warm_up",
            input=self.input_name(length),
            most_runs=WARM_UP_RUNS,
            most_seconds=WARM_UP_SECONDS,
        )
        self.log.add(
            WarmedUp(
                contender=contender.label,
                threads=threads,
                sequence_length=length,
                runs=len(answer["samples_ns"]),
                stable=answer["stable"],
                typical_ms=typical(answer["samples_ns"]) / 1e6,
                source=self.source,
            )
        )

    def attempt(
        self, contender: Contender, stage: Stage, action: Callable[[Contender], None]
    ) -> None:
        """Leave out a model that the runner refuses; retry one whose runner was killed.

        Raises:
            BenchmarkError: no model is left that could be measured on ids.
        """
        for tries_left in reversed(range(MAX_TRIES)):
            try:
                action(contender)
                return
            except RunnerRefused as error:
                stage = "text" if self.source == "text" else stage
                failure = Failure(contender=contender.label, stage=stage, error=str(error))
                self.log.add(Failed(failure=failure))
                self.contenders.remove(contender)
                self.close(contender.label)
                if not self.contenders and self.source == "ids":
                    raise BenchmarkError(
                        f"nothing can be measured: {contender.label!r}: {error}"
                    ) from error
                return
            except RunnerDied:
                self.close(contender.label)
                if not tries_left:
                    raise
