"""What an app waits for: from a text to its answer, and from a new process to its first answer.

The time from text to answer includes tokenizing, the run of the model, and what is computed from
its outputs. It is measured after all runs of the model alone, in blocks of its own.
"""

import json
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from squeezebert_mobile.benchmarks.inputs.texts import Arguments, text_arguments
from squeezebert_mobile.benchmarks.measure.contenders import Contender
from squeezebert_mobile.benchmarks.measure.recording import Recorder
from squeezebert_mobile.benchmarks.measure.timing import Run, warm_up
from squeezebert_mobile.benchmarks.records.events import Failed, FirstAnswered
from squeezebert_mobile.benchmarks.records.results import Failure, Settings
from squeezebert_mobile.errors import BenchmarkError, first_line
from squeezebert_mobile.runtime import load_artifact

__all__ = ["TextRun", "check_takes_text", "first_answer_ms", "open_pipeline"]

Asking = Callable[[int], Run]  # a length in tokens -> a call that answers a text of it

_TIMEOUT_SECONDS = 600
#: What an app does: it imports the library, loads the artifact with all checks, and asks.
_FIRST_ANSWER = """
import json, sys
from squeezebert_mobile.runtime import load_artifact
request = json.loads(sys.argv[1])
load_artifact(request["folder"], threads=request["threads"])(**request["arguments"])
print("answered", flush=True)
"""


def check_takes_text(contenders: Sequence[Contender]) -> None:
    """Check that at least one contender is an artifact, which has a tokenizer.

    Raises:
        BenchmarkError: none is.
    """
    if not any(contender.origin == "artifact" for contender in contenders):
        raise BenchmarkError(
            "--from-text needs an artifact, which has a tokenizer; a model file has none"
        )


@dataclass
class TextRun:
    """Measures artifacts from text to answer; one that fails keeps the figures of its model."""

    contenders: list[Contender]
    settings: Settings
    recorder: Recorder
    check_unchanged: Callable[[], None]

    def measure_first_answers(self) -> None:
        """Start fresh processes that answer a text, in turn."""
        settings = self.settings
        for _ in range(settings.starts):
            for contender in list(self.contenders):
                self.recorder.report(f"first answer of {contender.label}", 0)
                try:
                    ms = first_answer_ms(
                        contender,
                        threads=settings.start_threads,
                        length=settings.start_sequence_length,
                    )
                except Exception as error:  # each runtime raises its own; it is recorded
                    self._drop(contender, error)
                else:
                    self.recorder.log.add(FirstAnswered(contender=contender.label, ms=ms))

    def measure_threads(self, threads: int) -> None:
        """Load every artifact with `threads` threads, and answer texts of all lengths."""
        asking: dict[str, Asking] = {}
        for contender in list(self.contenders):
            self.recorder.report(f"load {contender.label}", 0)
            try:
                asking[contender.label] = open_pipeline(contender, threads=threads)
            except Exception as error:  # as in measure_first_answers
                self._drop(contender, error)
        self.check_unchanged()
        for length in self.settings.sequence_lengths:
            self._measure_cell(threads, length, asking)

    def _measure_cell(self, threads: int, length: int, asking: Mapping[str, Asking]) -> None:
        runs: dict[str, Run] = {}
        typical_s: dict[str, float] = {}
        for contender in list(self.contenders):
            label = contender.label
            try:
                run = asking[label](length)
                done = warm_up(run, self.recorder.clock)
            except Exception as error:  # as in measure_first_answers
                self._drop(contender, error)
                continue
            self.recorder.warmed_up(label, threads, length, done, "text")
            runs[label], typical_s[label] = run, done.typical_s
        if runs:
            self.recorder.measure(threads, length, runs, typical_s, "text")

    def _drop(self, contender: Contender, error: Exception) -> None:
        self.contenders.remove(contender)
        failure = Failure(contender=contender.label, stage="text", error=first_line(error))
        self.recorder.log.add(Failed(failure=failure))


def open_pipeline(contender: Contender, *, threads: int) -> Asking:
    """Load an artifact as an app does; returns its calls by the length of the text."""
    model = load_artifact(Path(contender.path), threads=threads)
    return lambda length: partial(model, **_arguments(model, contender, length))


def first_answer_ms(contender: Contender, *, threads: int, length: int) -> float:
    """Milliseconds from the start of a fresh process until it has answered a text.

    Raises:
        BenchmarkError: the process failed; the message has the last line of its stderr.
    """
    model = load_artifact(Path(contender.path), threads=threads)
    arguments = _arguments(model, contender, length)
    model.close()
    request = {"folder": contender.path, "threads": threads, "arguments": arguments}
    command = [sys.executable, "-P", "-c", _FIRST_ANSWER, json.dumps(request)]
    begin = time.perf_counter()
    with subprocess.Popen(
        command,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        encoding="utf-8",
        errors="replace",
    ) as process:
        assert process.stdout
        answered = process.stdout.readline()
        milliseconds = 1000 * (time.perf_counter() - begin)
        try:
            _, stderr = process.communicate(timeout=_TIMEOUT_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            raise BenchmarkError(
                f"{contender.label!r} answered, but its process did not end"
            ) from None
    if not answered or process.returncode:
        lines = [line for line in stderr.splitlines() if line.strip()]
        reason = lines[-1].strip() if lines else f"exit status {process.returncode}"
        raise BenchmarkError(f"{contender.label!r} failed in a fresh process: {reason}")
    return milliseconds


def _arguments(model: Any, contender: Contender, length: int) -> Arguments:
    assert contender.task  # of every artifact
    return text_arguments(model.tokenizer, contender.task, length)
