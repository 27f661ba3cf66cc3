"""The runner's client: sends a job and commands to the phone, and reads events (docs/runner.md)."""

import json
import tempfile
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from squeezebert_mobile.benchmarks.phone.adb.client import Device
from squeezebert_mobile.benchmarks.phone.adb.errors import (
    PhoneError,
    PhoneSilent,
    RunnerDied,
    RunnerRefused,
)
from squeezebert_mobile.benchmarks.phone.adb.files import HOME
from squeezebert_mobile.benchmarks.phone.runner.events import parse_event
from squeezebert_mobile.benchmarks.phone.runner.job import FIRST, PROTOCOL, Job
from squeezebert_mobile.benchmarks.phone.runner.launchers import Launcher
from squeezebert_mobile.benchmarks.records.phone import Answers, Placement
from squeezebert_mobile.benchmarks.records.targets import Accelerator
from squeezebert_mobile.closeable import Closeable

__all__ = ["Runner"]

_SECONDS = 90.0  # of silence; a runner sends nothing while it loads the model
_READY_SECONDS = 900.0  # until a runner is ready, with whatever progress it reports
_PATIENCE = 4  # times the expected duration: a phone that throttles gets slower
_MOST_SECONDS = 3600.0  # for the answer to a command, with whatever duration is expected
_ANSWER_SECONDS = 10.0  # for a phone whose runner is silent to show that it still answers
_SHOWN = 500  # characters of a runner's message

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
        self._device = device
        self._launcher = launcher
        remote = f"{HOME}/{job.name}.json"
        with tempfile.TemporaryDirectory() as folder:
            file = Path(folder) / "job.json"
            file.write_text(job.to_json(launcher.libraries), encoding="utf-8")
            device.push(file, remote, mode=0o644)
        self._program = launcher.start(device, remote, job.name, fresh=fresh, timeout=_SECONDS)
        try:
            self._expect("ready", _SECONDS, _READY_SECONDS)
            self._events = self._read(self._program.lines())
            self._begin(job)
            device.run("rm", "-f", remote)  # every job has another name
        except BaseException:
            self._program.close()
            raise

    def _begin(self, job: Job) -> None:
        hello = self._next("hello")
        if hello.get("protocol") not in range(job.protocol, PROTOCOL + 1):
            remedy = self._launcher.remedies["protocol"]
            raise PhoneError(
                f"the runner on the phone uses protocol {_shown(hello.get('protocol'))}, but this "
                f"version of squeezebert-mobile uses {PROTOCOL}; {remedy}"
            )
        required = ["artifact", "load", *(["golden"] if job.has_golden else [])]
        seen: dict[str, dict[str, Any]] = {}
        for event in self._events:
            seen[event["event"]] = event
            if event["event"] == "artifact":
                _check_model(event.get("model_sha256"), job.model_sha256)
            elif event["event"] == "ready":
                break
        for name in required:
            if name not in seen:
                raise PhoneError(f"the runner was ready without a {name!r} event; please report it")
        self.load_ns: int = seen["load"]["load_ns"]
        self.placement = _placement(seen["load"], job.accelerator)
        self.answers = _answers(seen["golden"], self.placement) if job.has_golden else None

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
        limit = min(_SECONDS + _PATIENCE * likely_s, _MOST_SECONDS)
        self._expect(do, limit, limit)
        self._program.write(json.dumps(command).encode() + b"\n")
        return self._answer(do, str(self._commands))

    def first_answer_ns(self) -> int | None:
        """The time from the start of the process to the answer that the job asked for.

        None: the phone does not tell when a process was started.

        Raises:
            PhoneError, RunnerDied, PhoneUnreachable: as `ask`.
        """
        self._expect("first_answer", _SECONDS, _SECONDS)
        since_ns: int | None = self._answer("first_answer", FIRST)["since_start_ns"]
        return since_ns

    def _answer(self, do: str, id: str) -> dict[str, Any]:
        answer = self._next(do)
        if answer.get("id") != id:
            raise PhoneError(
                f"the runner answered command {_shown(answer.get('id'))} instead of "
                f"{id!r}; please report it"
            )
        return answer

    def close(self) -> None:
        """End it immediately."""
        self._program.close()

    def _expect(self, event: str, silence_s: float, most_s: float) -> None:
        """Wait for an event until nothing arrives for `silence_s`, or for `most_s` in total."""
        self._expected, self._since = event, time.monotonic()
        self._program.set_timeout(silence_s, most_s)

    def _next(self, name: str) -> dict[str, Any]:
        event = next(self._events)
        if event["event"] != name:
            raise PhoneError(
                f"the runner sent {_shown(event['event'])} instead of {name!r}; please report it"
            )
        return event

    def _read(self, lines: Iterator[bytes]) -> Iterator[dict[str, Any]]:
        """Its events; raises on an error event, and when the events end."""
        for line in self._until_silent(lines):
            event = parse_event(line)
            if event["event"] == "error":
                kind, message = event["kind"], event["message"][:_SHOWN]
                remedies = {**_REMEDIES, **self._launcher.remedies}
                remedy = remedies.get(kind, "run again with --debug, and report it")
                raise RunnerRefused(f"the runner on the phone: {message.rstrip('.')}; {remedy}")
            yield event
        stderr = self._program.errors.strip().splitlines()
        last_line = stderr[-1] if stderr else ""
        raise RunnerDied(self._launcher.explain_exit(self._program.code, last_line))

    def _until_silent(self, lines: Iterator[bytes]) -> Iterator[bytes]:
        """The lines; a runner that hangs on a phone that answers is not a lost connection."""
        try:
            yield from lines
        except PhoneSilent as error:
            waited = time.monotonic() - self._since
            self._device.run("true", timeout=_ANSWER_SECONDS)
            raise PhoneError(
                f"the runner on the phone sent no {self._expected!r} event within {waited:.0f} s, "
                "although the phone answers: it hangs, or the phone is too slow; close other apps, "
                "or restart the phone"
            ) from error


def _check_model(found: object, expected: str) -> None:
    if found != expected:
        raise PhoneError(
            f"the runner loaded a model with the SHA-256 {_shown(found)} instead of {expected!r}; "
            "end other programs that use the phone, run squeezebert-mobile clean, then measure "
            "again"
        )


def _shown(value: object) -> str:
    return f"{value!r:.{_SHOWN}}"


def _placement(event: Mapping[str, Any], requested: Accelerator) -> Placement | None:
    """Where the model runs, as the load event tells; None if no accelerator was asked for."""
    if requested == "cpu":
        return None
    told = event.get("accelerator")
    if told is None or told["requested"] != requested:
        raise PhoneError(
            f"the runner does not say whether the {requested.upper()} runs the model; please "
            "report it"
        )
    operators = told["operators"] or {"accelerator": None, "cpu": None}
    reason = told["reason"] and told["reason"][:_SHOWN]
    return Placement(
        requested=requested,
        # The number in LiteRT's log is exact; its interface also calls a model whole of which the
        # CPU runs an operator that the accelerator refused late.
        whole=reason is None and not operators["cpu"],
        available=tuple(told["available"]),
        operators=operators["accelerator"],
        cpu_operators=operators["cpu"],
        reason=reason,
    )


def _answers(event: Mapping[str, Any], placement: Placement | None) -> Answers:
    outputs = event["outputs"]
    for name, output in outputs.items():
        difference = output["max_abs_diff"]
        if difference is None or difference > output["tolerance"]:
            raise PhoneError(
                f"the runner was ready although {name!r} differs from the golden outputs by "
                f"{difference}, more than {output['tolerance']}; please report it"
            )
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
        placement=placement,
    )
