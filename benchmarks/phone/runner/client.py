"""The runner's client: sends a job and commands to the phone, and reads events (docs/runner.md)."""

import json
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from squeezebert_mobile.benchmarks.phone.adb.client import Device
from squeezebert_mobile.benchmarks.phone.adb.errors import PhoneError, RunnerDied, RunnerRefused
from squeezebert_mobile.benchmarks.phone.adb.files import HOME
from squeezebert_mobile.benchmarks.phone.runner.job import PROTOCOL, Job
from squeezebert_mobile.benchmarks.phone.runner.launchers import Launcher
from squeezebert_mobile.benchmarks.records.phone import Answers
from squeezebert_mobile.closeable import Closeable

__all__ = ["Runner"]

_SECONDS = 90.0  # of silence; a runner sends nothing while it loads the model
_PATIENCE = 4  # times the expected duration: a phone that throttles gets slower
_SHOWN = 80  # characters of an unexpected line in a message

#: What to do about a runner's error, by its kind; launchers add theirs.
_REMEDIES = {
    "artifact": "run squeezebert-mobile clean, then measure again",
    "golden": "export the artifact again, or report it with the phone's name",
    "memory": "close other apps, or measure fewer artifacts at a time",
}


class Runner(Closeable):
    """A runner on the phone with one artifact loaded, waiting for commands.

    Args:
        device: The phone.
        launcher: Starts it.
        job: What to load.
        fresh: End all other runners first; this run has none.

    Raises:
        RunnerRefused: it cannot load the artifact, or the phone's golden outputs are wrong.
        PhoneError: the runner has another version, or sends something unexpected.
        RunnerDied: it ended without an error message.
        PhoneUnreachable: the phone does not answer.
    """

    def __init__(  # noqa: D107
        self,
        device: Device,
        launcher: Launcher,
        job: Job,
        *,
        fresh: bool = True,
    ) -> None:
        self._commands = 0
        self._launcher = launcher
        self._model_sha256 = job.model_sha256
        remote = f"{HOME}/{job.name}.json"
        with tempfile.TemporaryDirectory() as folder:
            file = Path(folder) / "job.json"
            file.write_text(job.to_json(launcher.libraries), encoding="utf-8")
            device.push(file, remote, mode=0o644)
        self._program = launcher.start(device, remote, job.name, fresh=fresh, timeout=_SECONDS)
        try:
            self._events = self._read(self._program.lines())
            self._begin()
            device.run("rm", "-f", remote)  # every job has another name
        except BaseException:
            self._program.close()
            raise

    def _begin(self) -> None:
        hello = self._next("hello")
        if hello.get("protocol") != PROTOCOL:
            remedy = self._launcher.remedies["protocol"]
            raise PhoneError(
                f"the runner on the phone uses protocol {hello.get('protocol')!r}, but this "
                f"version of squeezebert-mobile uses {PROTOCOL}; {remedy}"
            )
        self.load_ns = 0
        self.answers: Answers | None = None
        for event in self._events:
            if event["event"] == "artifact":
                self._check_model(event.get("model_sha256"))
            elif event["event"] == "load":
                self.load_ns = int(event["load_ns"])
            elif event["event"] == "golden":
                self.answers = _answers(event)
            elif event["event"] == "ready":
                return

    def _check_model(self, found: object) -> None:
        if found != self._model_sha256:
            raise PhoneError(
                f"the runner loaded a model with the SHA-256 {found!r} instead of "
                f"{self._model_sha256!r}; end other programs that use the phone, run "
                "squeezebert-mobile clean, then measure again"
            )

    def ask(self, do: str, *, likely_s: float = 0.0, **fields: Any) -> dict[str, Any]:
        """Send a command, and wait for its answer.

        Args:
            do: Name of the command.
            likely_s: Expected duration, if it may be long; the runner sends nothing while it times
                runs.
            **fields: Fields of the command.

        Raises:
            PhoneError: the runner reports an error.
            RunnerDied: it ended without an error message.
            PhoneUnreachable: the phone does not answer.
        """
        self._commands += 1
        command = {"do": do, "id": str(self._commands), **fields}
        self._program.set_timeout(_SECONDS + _PATIENCE * likely_s)
        self._program.write(json.dumps(command).encode() + b"\n")
        answer = self._next(do)
        if answer.get("id") != str(self._commands):
            raise PhoneError(
                f"the runner answered command {answer.get('id')!r} instead of "
                f"{str(self._commands)!r}; please report it"
            )
        return answer

    def close(self) -> None:
        """End it immediately."""
        self._program.close()

    def _next(self, name: str) -> dict[str, Any]:
        event = next(self._events)
        if event["event"] != name:
            raise PhoneError(
                f"the runner sent {event['event']!r} instead of {name!r}; please report it"
            )
        return event

    def _read(self, lines: Iterator[bytes]) -> Iterator[dict[str, Any]]:
        """Its events; raises on an error event, and when the events end."""
        for line in lines:
            event = _event(line)
            if event["event"] == "error":
                kind, message = str(event.get("kind")), str(event.get("message"))
                remedies = {**_REMEDIES, **self._launcher.remedies}
                remedy = remedies.get(kind, "run again with --debug, and report it")
                raise RunnerRefused(f"the runner on the phone: {message.rstrip('.')}; {remedy}")
            yield event
        stderr = self._program.errors.strip().splitlines()
        last_line = stderr[-1] if stderr else ""
        raise RunnerDied(self._launcher.explain_exit(self._program.code, last_line))


def _event(line: bytes) -> dict[str, Any]:
    try:
        event = json.loads(line)
    except ValueError:
        event = None
    if not isinstance(event, dict) or not isinstance(event.get("event"), str):
        shown = line.decode("utf-8", "replace")[:_SHOWN]
        raise PhoneError(
            f"the runner wrote a line that is not an event: {shown!r}; restart the phone, and "
            "report it if that does not help"
        )
    return event


def _answers(event: Mapping[str, Any]) -> Answers:
    outputs = event["outputs"]
    same = [
        output["same_answers"] == output["texts"]
        for output in outputs.values()
        if output["same_answers"] is not None
    ]
    return Answers(
        texts=max(output["texts"] for output in outputs.values()),
        max_abs_diff={name: output["max_abs_diff"] for name, output in outputs.items()},
        tolerance={name: output["tolerance"] for name, output in outputs.items()},
        same_answers=all(same) if same else None,
    )
