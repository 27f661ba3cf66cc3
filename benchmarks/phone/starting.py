"""Two ways to start the runner: as a process of adb's shell, and inside the sample app.

Either gives one program that takes commands and tells events. An activity has neither stdin nor
stdout, so in the app both are files, and the program is a script of the phone's shell that carries
lines between them and adb: docs/runner.md, "Through files".
"""

import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar, Protocol

from squeezebert_mobile.benchmarks.phone.adb import Device, Program
from squeezebert_mobile.benchmarks.phone.app import (
    INSTALL,
    PACKAGE,
    in_app,
    run_as,
    start_activity,
    stop_app,
)
from squeezebert_mobile.benchmarks.phone.errors import PhoneError
from squeezebert_mobile.benchmarks.phone.pushing import HOME
from squeezebert_mobile.benchmarks.records.targets import PhoneTarget

__all__ = ["InApp", "InShell", "PhoneTarget", "Way", "check_cores"]

_MAIN = "squeezebertmobile.runner.Main"
_ACTIVITY = "MeasureFromAdb"
_LINES = "files/measure"  # in the app's folder
_LOOK_S = 5  # between two looks whether the app still lives; each is a process on the phone
_TRIES = 100  # a fifth of a second each, until the app has begun
_SHOWN = 80  # characters of what a program said

_NO_BEGIN, _APP_GONE = 3, 4

#: Carries an app's lines to stdout and stdin to its commands, until one of the two is gone. What it
#: needs is in $1 to $5, so that nothing is ever put into this text.
#: - `tail` runs as the app, and only the app's user may end it.
#: - `cat` ends with stdin: then, as after a hang-up, the runner is told to end.
#: - Nothing else may hold stdout, or adb would wait for it: not even a shell's own copy, which
#:   Android's keeps of a redirected block; and it puts off SIGTERM until `cat` has ended.
_CARRY = rf"""
app=$1 lines=$2 commands=$3 look=$4 most=$5
tail= feed=
finish() {{
  trap '' HUP
  echo '{{"do": "end", "id": "hung up"}}' >>"$commands"
  run-as "$app" sh -c 'kill "$1"; rm -f "$2"' sh "$tail" "$lines" </dev/null 2>/dev/null
  kill -KILL "$feed" 2>/dev/null
  exit "$1"
}}
trap 'finish 0' HUP
tries=0
until run-as "$app" ls "$lines" </dev/null >/dev/null 2>&1; do
  pidof -s "$app" >/dev/null || finish {_APP_GONE}
  tries=$((tries + 1))
  [ "$tries" -lt "$most" ] || finish {_NO_BEGIN}
  sleep 0.2
done
pid=$(pidof -s "$app") || finish {_APP_GONE}
exec 3<&0
run-as "$app" tail -c +1 -f "$lines" </dev/null 3<&- &
tail=$!
( exec <&3 >>"$commands" 2>/dev/null 3<&-; cat; kill -HUP $$ ) &
feed=$!
while [ -d "/proc/$pid" ]; do sleep "$look"; done
sleep 0.3
finish {_APP_GONE}
"""


class Way(Protocol):
    """How a runner is started."""

    #: What to do about a runner's error of a kind, where that is not the same for both ways.
    remedies: ClassVar[Mapping[str, str]]

    @property
    def libraries(self) -> str | None:
        """The folder of the native libraries on the phone; None where the runner has its own."""

    def start(self, device: Device, job: str, name: str, *, fresh: bool, timeout: float) -> Program:
        """Start it.

        Args:
            device: The phone.
            job: The path of the job there.
            name: The job's.
            fresh: No other runner of this run is there, and none may be.
            timeout: The seconds of silence that end it.
        """

    def why_it_ended(self, code: int, said: str) -> str:
        """What an end without a word means.

        Args:
            code: The program's exit status.
            said: The last line of its stderr.
        """


@dataclass(frozen=True)
class InShell:
    """A process of its own that adb's shell starts: nothing is installed."""

    class_path: tuple[str, ...]
    libraries: str | None
    mask: str | None = None  # of cores, for taskset
    remedies: ClassVar[Mapping[str, str]] = {
        "protocol": "run squeezebert-mobile clean, then measure again",
        "library": "give the library of that version with --android-runtime FILE.aar",
    }

    def start(self, device: Device, job: str, name: str, *, fresh: bool, timeout: float) -> Program:
        """Start it."""
        command = ["app_process", f"-Djava.library.path={self.libraries}", "/", _MAIN, job]
        if self.mask:
            command = ["taskset", self.mask, *command]
        return device.start(command, {"CLASSPATH": ":".join(self.class_path)}, timeout=timeout)

    def why_it_ended(self, code: int, said: str) -> str:
        """What an end without a word means."""
        if code == 137 or (code == 255 and not said):
            return (
                "the runner was killed: Android does that where memory is short; close other "
                "apps, or measure fewer artifacts at a time"
            )
        return _odd_end("the runner", code, said)


@dataclass(frozen=True)
class InApp:
    """A thread of the sample app, which is in front and scheduled as apps are."""

    libraries: str | None = None  # they are in the app
    remedies: ClassVar[Mapping[str, str]] = dict.fromkeys(
        ("protocol", "library"), f"the app is of another version; {INSTALL}"
    )

    def start(self, device: Device, job: str, name: str, *, fresh: bool, timeout: float) -> Program:
        """Start it.

        Raises:
            PhoneError: the app is not there, or its activity does not start.
            PhoneGone: the phone does not answer.
        """
        if fresh:
            _make_fresh(device)
        # A name of its own: what follows an earlier one may not have ended yet.
        name = f"{name}-{secrets.token_hex(4)}"
        commands = f"{HOME}/{name}.commands.jsonl"
        _make_commands(device, commands)
        extras = {"job": job, "commands": commands, "lines": name}
        start_activity(device, _ACTIVITY, extras)
        words = [PACKAGE, f"{_LINES}/{name}.jsonl", commands, str(_LOOK_S), str(_TRIES)]
        return device.start(["sh", "-c", _CARRY, "sh", *words], {}, timeout=timeout)

    def why_it_ended(self, code: int, said: str) -> str:
        """What an end without a word means."""
        if code == _NO_BEGIN:
            return (
                "the app did not begin to measure; unlock the phone, leave its screen on and the "
                "app in front, and run it again"
            )
        if code in {_APP_GONE, 137}:
            return (
                "the app ended: it crashed, was closed, or was killed where memory is short; "
                "leave it in front, close other apps, and see: adb logcat -d -b crash"
            )
        return _odd_end("what carries the app's lines", code, said)


def check_cores(target: PhoneTarget, cores: str) -> None:
    """See that the cores can be chosen.

    Raises:
        PhoneError: an app's are Android's choice.
    """
    if target == "app" and cores != "all":
        raise PhoneError(
            f"--cores {cores} is for --target adb: in an app Android chooses the cores; leave "
            "--cores out"
        )


def _odd_end(what: str, code: int, said: str) -> str:
    last = f": {said[:_SHOWN]}" if said else ""
    return (
        f"{what} ended with exit status {code}{last}; see the phone's log with: adb logcat "
        "-d, and report it"
    )


def _make_fresh(device: Device) -> None:
    """No process of the app, and nothing that an earlier one has told or was told."""
    stop_app(device)
    device.script(f"rm -f {HOME}/*.commands.jsonl")
    run_as(device, "rm", "-rf", _LINES)
    in_app(device, "mkdir", "-p", _LINES)


def _make_commands(device: Device, path: str) -> None:
    """An empty file that the shell may write and the app may read."""
    made = device.run("touch", path)
    if made.code == 0:
        made = device.run("chmod", "644", path)
    if made.code:
        raise PhoneError(
            f"the phone does not let adb write {path!r}: {made.err.strip() or made.code}; make "
            "room on it, or run: squeezebert-mobile clean"
        )
