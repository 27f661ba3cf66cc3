"""The other side of docs/runner.md: a job goes to the phone, commands follow, events come back."""

import json
import tempfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from squeezebert_mobile.benchmarks.phone.adb import Device
from squeezebert_mobile.benchmarks.phone.errors import PhoneError, RunnerDied, RunnerRefused
from squeezebert_mobile.benchmarks.phone.pushing import HOME
from squeezebert_mobile.benchmarks.phone.starting import Way
from squeezebert_mobile.benchmarks.records.phone import Answers
from squeezebert_mobile.closeable import Closeable

__all__ = ["PROTOCOL", "Job", "Runner"]

PROTOCOL = 1
_SECONDS = 90.0  # of silence: loading says nothing for as long as the model needs
_PATIENCE = 4  # times what is likely: a phone that throttles is slower than it was
_SHOWN = 80  # characters of a line that is none of ours

#: What to do about a runner's error, by its kind; the rest is the way's.
_REMEDIES = {
    "artifact": "run squeezebert-mobile clean, then measure again",
    "golden": "export the artifact again, or report it with the phone's name",
    "memory": "close other apps, or measure fewer artifacts at a time",
}


@dataclass(frozen=True)
class Job:
    """What a process is started for."""

    artifact: str  # its folder on the phone
    format: str
    threads: int
    inputs: Mapping[str, list[list[int]]]
    check: bool  # the files' SHA-256 and the golden texts
    name: str = "job"

    def text(self, libraries: str | None) -> str:
        """The job as the runner reads it; `libraries` is their folder, if it has none itself."""
        return json.dumps(
            {
                "protocol": PROTOCOL,
                "artifact": self.artifact,
                "format": self.format,
                "threads": self.threads,
                "libraries": libraries,
                "checksums": self.check,
                "golden": self.check,
                "inputs": self.inputs,
                "commands": [],
            }
        )


class Runner(Closeable):
    """A runner on the phone with one artifact loaded, waiting for commands.

    Args:
        device: The phone.
        way: How it is started.
        job: What it is started for.
        fresh: No other runner of this run is there, and none may be.
        progress: Called with a stage, how much of it is done, and of how much.

    Raises:
        RunnerRefused: it cannot load the artifact, or the phone answers the golden texts wrongly.
        PhoneError: it is of another version, or says what no runner says.
        RunnerDied: it ended without a word.
        PhoneGone: the phone does not answer.
    """

    def __init__(  # noqa: D107
        self,
        device: Device,
        way: Way,
        job: Job,
        *,
        fresh: bool = True,
        progress: Callable[[str, int, int], None] = lambda stage, done, of: None,
    ) -> None:
        self._asked = 0
        self._way = way
        remote = f"{HOME}/{job.name}.json"
        with tempfile.TemporaryDirectory() as folder:
            file = Path(folder) / "job.json"
            file.write_text(job.text(way.libraries), encoding="utf-8")
            device.push(file, remote, mode=0o644)
        self._program = way.start(device, remote, job.name, fresh=fresh, timeout=_SECONDS)
        try:
            self._events = self._read(self._program.lines())
            self._begin(progress)
        except BaseException:
            self._program.close()
            raise

    def _begin(self, progress: Callable[[str, int, int], None]) -> None:
        hello = self._next("hello")
        if hello.get("protocol") != PROTOCOL:
            raise PhoneError(
                f"the runner on the phone speaks protocol {hello.get('protocol')!r}, this version "
                f"of squeezebert-mobile {PROTOCOL}; {self._way.remedies['protocol']}"
            )
        self.load_ns = 0
        self.answers: Answers | None = None
        for event in self._events:
            if event["event"] == "progress":
                progress(event["stage"], event["done"], event["of"])
            elif event["event"] == "load":
                self.load_ns = int(event["load_ns"])
            elif event["event"] == "golden":
                self.answers = _answers(event)
            elif event["event"] == "ready":
                return

    def ask(self, do: str, *, likely_s: float = 0.0, **fields: Any) -> dict[str, Any]:
        """Give a command, and wait for its answer.

        Args:
            do: The command's name.
            likely_s: How long it is likely to take, where that may be long; nothing is said while
                something is timed.
            **fields: The command's fields.

        Raises:
            PhoneError: the runner reports an error.
            RunnerDied: it ended without a word.
            PhoneGone: the phone does not answer.
        """
        self._asked += 1
        command = {"do": do, "id": str(self._asked), **fields}
        self._program.wait_at_most(_SECONDS + _PATIENCE * likely_s)
        self._program.write(json.dumps(command).encode() + b"\n")
        answer = self._next(do)
        if answer.get("id") != str(self._asked):
            raise PhoneError(
                f"the runner answered command {answer.get('id')!r} in place of "
                f"{str(self._asked)!r}; report it"
            )
        return answer

    def end(self) -> None:
        """Let it end by itself."""
        with self:
            self.ask("end")

    def close(self) -> None:
        """End it at once."""
        self._program.close()

    def _next(self, name: str) -> dict[str, Any]:
        event = next(self._events)
        if event["event"] != name:
            raise PhoneError(f"the runner says {event['event']!r} in place of {name!r}; report it")
        return event

    def _read(self, lines: Iterator[bytes]) -> Iterator[dict[str, Any]]:
        """Its events; an error, or the end of them, is raised."""
        for line in lines:
            event = _event(line)
            if event["event"] == "error":
                kind, message = str(event.get("kind")), str(event.get("message"))
                known = {**_REMEDIES, **self._way.remedies}
                remedy = known.get(kind, "run again with --debug, and report it")
                raise RunnerRefused(f"the runner on the phone: {message.rstrip('.')}; {remedy}")
            yield event
        said = self._program.errors.strip().splitlines()
        raise RunnerDied(self._way.why_it_ended(self._program.code, said[-1] if said else ""))


def _event(line: bytes) -> dict[str, Any]:
    try:
        event = json.loads(line)
    except ValueError:
        event = None
    if not isinstance(event, dict) or not isinstance(event.get("event"), str):
        shown = line.decode("utf-8", "replace")[:_SHOWN]
        raise PhoneError(
            f"the runner wrote a line that is none of its events: {shown!r}; restart the phone, "
            "and report it if that does not help"
        )
    return event


def _answers(event: Mapping[str, Any]) -> Answers:
    outputs = event["outputs"]
    same = [  # of so many texts
        each["same_answers"] == each["texts"]
        for each in outputs.values()
        if each["same_answers"] is not None
    ]
    return Answers(
        texts=max(each["texts"] for each in outputs.values()),
        max_abs_diff={name: each["max_abs_diff"] for name, each in outputs.items()},
        tolerance={name: each["tolerance"] for name, each in outputs.items()},
        same_answers=all(same) if same else None,
    )
