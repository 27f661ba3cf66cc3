"""Commands of the device, run by this machine's shell."""

import asyncio
import contextlib
import os
import re
import signal
import struct
from collections.abc import AsyncIterator, Callable
from pathlib import Path

from phone_stand_in.faults import Faults
from phone_stand_in.transport import HostClosed, Stream

_STDIN, _STDOUT, _STDERR, _EXIT, _CLOSE_STDIN = range(5)
_LONGEST = 64 * 1024  # bytes of a line before it is passed on without its end
_GRACE = 4  # seconds between SIGHUP and SIGKILL; a trap needs its time on a busy machine

#: Paths of the device that commands may use; they are in the folder.
_PATHS = re.compile(
    rb"(?<![\w.])/(?=(?:data/local/tmp|data/app|sys/devices/system/cpu|sys/class/thermal"
    rb"|sys/class/power_supply|sys/bus/iio/devices|stand_in/jobs"
    rb"|proc/meminfo|proc/loadavg|proc/cpuinfo)(?![\w.-]))"
)


class Shell:
    """Runs commands.

    Args:
        root: The folder that stands for the device's file system.
        environment: What the commands in ROOT/system/bin need besides.
        faults: What goes wrong.
    """

    def __init__(self, root: Path, environment: dict[str, str], faults: Faults) -> None:
        self._root, self._environment, self._faults = root, environment, faults
        self._running: set[int] = set()  # process groups
        self.commands: list[str] = []  # all that were run

    def kill(self) -> None:
        """End every command immediately, as a restart does."""
        for group in list(self._running):
            _signal(group, signal.SIGKILL)

    async def serve(self, stream: Stream, command: str, *, split: bool) -> None:
        """Run a command.

        Args:
            stream: Where the host listens.
            command: A text of the shell.
            split: Whether stdin, stdout, stderr and the exit status are told apart (shell v2).
        """
        self.commands.append(command)
        told = os.fsencode(command)
        real = _PATHS.sub(os.fsencode(self._root) + b"/", told)
        process = await asyncio.create_subprocess_exec(
            "/bin/sh",
            "-c",
            real,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE if split else asyncio.subprocess.STDOUT,
            cwd=self._root,
            env=self._variables(),
            start_new_session=True,
        )
        self._running.add(process.pid)
        hangup = asyncio.create_task(_hang_up(stream, process.pid))
        feeding = asyncio.create_task(_feed(stream, process, split))
        try:
            watch = self._faults.watch(command) if "app_process" in command else None
            async with asyncio.TaskGroup() as pumps:
                change = watch.line if watch else None
                pumps.create_task(self._pump(stream, process, _STDOUT, split, change))
                if split:
                    pumps.create_task(self._pump(stream, process, _STDERR, split, None))
            code = await process.wait()
            if split:
                # As waitpid reports a killed process, with the highest bit.
                status = bytes([code & 255 if code >= 0 else 128 - code])
                await stream.write(_frame(_EXIT, status))
        finally:
            if process.returncode is None:
                await hangup  # the host has closed the stream
                await process.wait()
            hangup.cancel()
            feeding.cancel()
            await asyncio.wait([hangup, feeding])
            _signal(process.pid, signal.SIGKILL)  # processes that it left running
            self._running.discard(process.pid)
            process.stdin.close()

    def _variables(self) -> dict[str, str]:
        path = f"{self._root}/system/bin:{os.environ.get('PATH', os.defpath)}"
        home = f"{self._root}/data/local/tmp"
        fixed = {"PATH": path, "HOME": home, "TMPDIR": home, "LC_ALL": "C.UTF-8"}
        return {**fixed, **self._environment, **self._faults.environment()}

    async def _pump(
        self,
        stream: Stream,
        process: asyncio.subprocess.Process,
        kind: int,
        split: bool,
        change: Callable[[bytes], tuple[bytes, bool]] | None,
    ) -> None:
        source = process.stdout if kind == _STDOUT else process.stderr
        root = os.fsencode(self._root)
        async for line in _lines(source, single=change is not None):
            told, killed = line.replace(root + b"/", b"/"), False
            if change:
                told, killed = change(told)
            if killed:
                _signal(process.pid, signal.SIGKILL)
            if told:
                with contextlib.suppress(HostClosed):  # keep reading, or the process would block
                    await stream.write(_frame(kind, told) if split else told)
            if killed:
                return


async def _lines(source: asyncio.StreamReader, *, single: bool) -> AsyncIterator[bytes]:
    """Complete lines, one or many at a time; a very long line comes in parts."""
    rest = b""
    while data := await source.read(_LONGEST):
        lines, end, rest = (rest + data).rpartition(b"\n")
        for part in (lines + end).splitlines(keepends=True) if single else [lines + end]:
            yield part
        if len(rest) > _LONGEST:
            yield rest
            rest = b""
    if rest:
        yield rest


async def _feed(stream: Stream, process: asyncio.subprocess.Process, split: bool) -> None:
    """Pass on the host's input, until it or the process ends."""
    with contextlib.suppress(OSError):
        while split:
            kind, size = struct.unpack("<BI", await stream.read(5))
            data = await stream.read(size)
            if kind == _STDIN:
                # The process has ended; its exit status still follows.
                with contextlib.suppress(OSError):
                    process.stdin.write(data)
                    await process.stdin.drain()
            elif kind == _CLOSE_STDIN:
                process.stdin.close()
        while True:
            process.stdin.write(await stream.read(1))


async def _hang_up(stream: Stream, group: int) -> None:
    """End the processes when the host closes the stream."""
    await stream.closed.wait()
    _signal(group, signal.SIGHUP)
    await asyncio.sleep(_GRACE)
    _signal(group, signal.SIGKILL)


def _signal(group: int, number: int) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.killpg(group, number)


def _frame(kind: int, data: bytes) -> bytes:
    return struct.pack("<BI", kind, len(data)) + data
