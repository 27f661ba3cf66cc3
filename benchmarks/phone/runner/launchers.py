"""Launchers of the runner: as a process of adb's shell, or inside the sample app.

Both give a program that reads commands from stdin and writes events to stdout. An activity has
neither, so in the app both are files, and a shell script on the phone forwards lines between these
files and adb: docs/runner.md, "Through files".
"""

import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar, Protocol

from squeezebert_mobile.benchmarks.phone.adb.client import Device, Program
from squeezebert_mobile.benchmarks.phone.adb.errors import PhoneError
from squeezebert_mobile.benchmarks.phone.adb.files import HOME
from squeezebert_mobile.benchmarks.phone.app.sample_app import (
    INSTALL,
    PACKAGE,
    in_app,
    run_as,
    start_activity,
    stop_app,
)
from squeezebert_mobile.benchmarks.records.targets import Accelerator, PhoneTarget

__all__ = [
    "AppLauncher",
    "Launcher",
    "PhoneTarget",
    "ShellLauncher",
    "check_accelerator",
    "check_cores",
    "check_energy",
    "check_profile",
]

_MAIN = "squeezebertmobile.runner.Main"
_ACTIVITY = "MeasureFromAdb"
_LINES = "files/measure"  # in the app's folder
_POLL_S = 5  # between two checks whether the app is alive; each check is a process on the phone
_MAX_TRIES = 100  # of a fifth of a second, until the app has started measuring
_SHOWN = 80  # characters of a program's output in a message

_NOT_STARTED, _APP_ENDED = 3, 4  # exit statuses of the script
_NOT_RUN = (1, 126, 127)  # of a program that is missing, or that refuses its arguments

#: Forwards the app's lines to stdout, and stdin to its commands, until one of the two ends. Its
#: arguments are $1 to $5, so that nothing is ever inserted into the script itself.
#: - `tail` runs as the app's user, and only that user may end it.
#: - `cat` ends when stdin does: the runner is then told to end, as after a hang-up.
#: - Nothing else may hold stdout open, or adb would wait for it: not even a shell's own copy.
#:   Android's shell keeps one of a redirected block, and delays SIGTERM until `cat` has ended.
_FORWARD = rf"""
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
  pidof -s "$app" >/dev/null || finish {_APP_ENDED}
  tries=$((tries + 1))
  [ "$tries" -lt "$most" ] || finish {_NOT_STARTED}
  sleep 0.2
done
pid=$(pidof -s "$app") || finish {_APP_ENDED}
exec 3<&0
run-as "$app" tail -c +1 -f "$lines" </dev/null 3<&- &
tail=$!
( exec <&3 >>"$commands" 2>/dev/null 3<&-; cat; kill -HUP $$ ) &
feed=$!
while [ -d "/proc/$pid" ]; do sleep "$look"; done
sleep 0.3
finish {_APP_ENDED}
"""


class Launcher(Protocol):
    """Starts a runner on the phone."""

    #: What to do about a runner's error, by its kind, where that depends on the launcher.
    remedies: ClassVar[Mapping[str, str]]

    @property
    def libraries(self) -> str | None:
        """The folder of the native libraries on the phone; None if the runner brings them."""

    def start(self, device: Device, job: str, name: str, *, fresh: bool, timeout: float) -> Program:
        """Start the runner.

        Args:
            device: The phone.
            job: Path of the job file on the phone.
            name: Name of the job.
            fresh: End all other runners first; this run has none.
            timeout: Seconds of silence until it is given up.
        """

    def explain_exit(self, code: int, last_line: str) -> str:
        """Explain why a runner ended without an error message.

        Args:
            code: Exit status of the program.
            last_line: The last line of its stderr.
        """


@dataclass(frozen=True)
class ShellLauncher:
    """Starts the runner as a process of adb's shell: nothing is installed."""

    class_path: tuple[str, ...]
    libraries: str | None
    mask: str | None = None  # the cores, for taskset
    remedies: ClassVar[Mapping[str, str]] = {
        "protocol": "run squeezebert-mobile clean, then measure again",
        "library": "pass the library of that version with --android-runtime FILE.aar",
    }

    def start(self, device: Device, job: str, name: str, *, fresh: bool, timeout: float) -> Program:
        """Start the runner."""
        command = ["app_process", f"-Djava.library.path={self.libraries}", "/", _MAIN, job]
        if self.mask:
            command = ["taskset", self.mask, *command]
        environment = {"CLASSPATH": ":".join(self.class_path), "ORT_DISABLE_TELEMETRY": "1"}
        return device.start(command, environment, timeout=timeout)

    def explain_exit(self, code: int, last_line: str) -> str:
        """Explain why a runner ended without an error message."""
        if self.mask and code in _NOT_RUN and "taskset" in last_line:
            return f"the phone cannot choose cores ({last_line[:_SHOWN]}); remove --cores"
        if code == 137 or (code == 255 and not last_line):
            return (
                "the runner was killed, as Android does when memory is low; close other apps, or "
                "measure fewer artifacts at a time"
            )
        return _unexpected_exit("the runner", code, last_line)


@dataclass(frozen=True)
class AppLauncher:
    """Starts the runner as a thread of the sample app, in the foreground, scheduled as apps are."""

    libraries: str | None = None  # the app brings them
    remedies: ClassVar[Mapping[str, str]] = dict.fromkeys(
        ("protocol", "library"), f"the app has another version; {INSTALL}"
    )

    def start(self, device: Device, job: str, name: str, *, fresh: bool, timeout: float) -> Program:
        """Start the runner.

        Raises:
            PhoneError: the app is not installed, or its activity does not start.
            PhoneUnreachable: the phone does not answer.
        """
        if fresh:
            _remove_earlier_runners(device)
        # A unique name: the `tail` of an earlier runner may not have ended yet.
        name = f"{name}-{secrets.token_hex(4)}"
        commands = f"{HOME}/{name}.commands.jsonl"
        _make_commands(device, commands)
        extras = {"job": job, "commands": commands, "lines": name}
        start_activity(device, _ACTIVITY, extras)
        words = [PACKAGE, f"{_LINES}/{name}.jsonl", commands, str(_POLL_S), str(_MAX_TRIES)]
        return device.start(["sh", "-c", _FORWARD, "sh", *words], {}, timeout=timeout)

    def explain_exit(self, code: int, last_line: str) -> str:
        """Explain why a runner ended without an error message."""
        if code == _NOT_STARTED:
            return (
                "the app did not start to measure; unlock the phone, keep its screen on and the "
                "app in the foreground, and run again"
            )
        if code in {_APP_ENDED, 137}:
            return (
                "the app ended: it crashed, was closed, or was killed because memory was low; keep "
                "it in the foreground, close other apps, and see: adb logcat -d -b crash"
            )
        return _unexpected_exit("the script that forwards the app's output", code, last_line)


def check_cores(target: PhoneTarget, cores: str) -> None:
    """Check that the target lets us choose cores.

    Raises:
        PhoneError: it does not: in an app Android chooses them.
    """
    if target == "app" and cores != "all":
        raise PhoneError(
            f"--cores {cores} only applies to --target adb: in an app Android chooses the cores; "
            "remove --cores"
        )


def check_accelerator(
    target: PhoneTarget, accelerator: Accelerator, formats: Mapping[str, str]
) -> None:
    """Check that the target and the artifacts have accelerators.

    Args:
        target: Where to measure.
        accelerator: What was asked for.
        formats: Artifact -> format.

    Raises:
        PhoneError: they have none: only LiteRT does, and the app runs it on the CPU.
    """
    if accelerator == "cpu":
        return
    option = f"--accelerator {accelerator}"
    if target == "app":
        raise PhoneError(
            f"{option} only applies to --target adb: the app runs models on the CPU; remove "
            f"{option}"
        )
    for label, format in formats.items():
        if format != "litert":
            raise PhoneError(
                f"{option} is for LiteRT artifacts, and {label!r} is in the format {format}, which "
                f"runs on the CPU; export it with --format litert, or remove {option}"
            )


def check_energy(target: PhoneTarget, *, energy: bool) -> None:
    """Check that energy can be measured with the target.

    Raises:
        PhoneError: it cannot: in the app the screen's power would be a part of it.
    """
    if target == "app" and energy:
        raise PhoneError(
            "--energy only applies to --target adb; remove --energy, or measure with --target adb"
        )


def check_profile(target: PhoneTarget, *, profile: bool) -> None:
    """Check that models can be profiled with the target.

    Raises:
        PhoneError: they cannot: an app may not write where the computer reads.
    """
    if target == "app" and profile:
        raise PhoneError(
            "--profile only applies to this computer and --target adb; remove --profile, or "
            "measure with --target adb"
        )


def _unexpected_exit(what: str, code: int, last_line: str) -> str:
    last = f": {last_line[:_SHOWN]}" if last_line else ""
    return (
        f"{what} ended with exit status {code}{last}; see the phone's log with: adb logcat "
        "-d, and report it"
    )


def _remove_earlier_runners(device: Device) -> None:
    """End the app's process, and remove the files of earlier runners."""
    stop_app(device)
    device.script(f"rm -f {HOME}/*.commands.jsonl")
    run_as(device, "rm", "-rf", _LINES)
    in_app(device, "mkdir", "-p", _LINES)


def _make_commands(device: Device, path: str) -> None:
    """Create an empty file that the shell may write and the app may read."""
    result = device.run("touch", path)
    if result.code == 0:
        result = device.run("chmod", "644", path)
    if result.code:
        raise PhoneError(
            f"adb cannot write {path!r} on the phone: {result.err.strip() or result.code}; free "
            "some space on it, or run: squeezebert-mobile clean"
        )
