"""The sample app on a stand-in: a process that `pidof` finds, and runners that end with it.

The phone's `am` leaves a request in a folder, and waits until it is gone. Each runner is a process
here, while on a phone runners are threads of one process: one that crashes ends all others.
"""

import asyncio
import contextlib
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from phone_stand_in.app_process import SHORT, rewritten

PACKAGE = "squeezebertmobile.app"

_EVERY = 0.01  # seconds between two checks for requests
_ENDS = (0, 1)  # exit status of a runner that ended normally: after `end`, and after an error
_MAIN = "squeezebertmobile.runner.ThroughFiles"


class App:
    """The app's processes.

    Args:
        root: The stand-in's folder.
        runner: Command that runs a job through files; its three paths are appended. None: no
            runner ever starts.
        environment: Environment of the runners.
    """

    def __init__(
        self, root: Path, runner: Sequence[str] | None, environment: dict[str, str]
    ) -> None:
        self._root, self._runner, self._environment = root, runner, environment
        self._processes: list[asyncio.subprocess.Process] = []
        self._watches: set[asyncio.Task[None]] = set()
        self._jobs = 0
        self._pid = root / "stand_in/app.pid"  # for pidof
        self.folder = root / "data/data" / PACKAGE
        self.started: list[str] = []  # the activities
        self.requests = root / "stand_in/requests"
        self.requests.mkdir(parents=True, exist_ok=True)

    async def work(self) -> None:
        """Handle the requests of `am`, until it is cancelled."""
        try:
            while True:
                for path in sorted(self.requests.glob("*.json")):
                    await self._obey(json.loads(path.read_text(encoding="utf-8")))
                    path.unlink()
                await asyncio.sleep(_EVERY)
        finally:
            await self.kill()

    async def kill(self) -> None:
        """End the app's process, as `am force-stop` and Android do."""
        processes, self._processes = self._processes, []
        self._pid.unlink(missing_ok=True)
        for each in processes:
            with contextlib.suppress(ProcessLookupError):
                each.kill()
        for each in processes:
            await each.wait()

    async def _obey(self, request: dict[str, Any]) -> None:
        if request["do"] == "stop":
            await self.kill()
            return
        if not self._processes:
            main = await self._start(("sleep", "86400"), ends=())
            self._pid.write_text(f"{main.pid}\n", encoding="utf-8")
        self.started.append(request["activity"])
        if request["activity"] == "MeasureFromAdb":
            await self._measure(request["extras"])

    async def _measure(self, extras: dict[str, str]) -> None:
        if self._runner is None:
            return  # the runner never starts
        self._jobs += 1
        job = rewritten(str(self._root), extras["job"], f"app-{self._jobs}")
        lines = self.folder / "files/measure" / f"{extras['lines']}.jsonl"
        lines.parent.mkdir(parents=True, exist_ok=True)
        await self._start((*self._runner, job, extras["commands"], str(lines)), ends=_ENDS)

    async def _start(
        self, command: Sequence[str], *, ends: Sequence[int]
    ) -> asyncio.subprocess.Process:
        process = await asyncio.create_subprocess_exec(
            *command,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.DEVNULL,
            cwd=self.folder,
            env=self._environment,
            start_new_session=True,
        )
        self._processes.append(process)
        watch = asyncio.ensure_future(self._watch(process, ends))
        self._watches.add(watch)
        watch.add_done_callback(self._watches.discard)
        return process

    async def _watch(self, process: asyncio.subprocess.Process, ends: Sequence[int]) -> None:
        if await process.wait() not in ends and process in self._processes:
            await self.kill()


def runner_in_app(command: Sequence[str] | None, class_path: str | None) -> list[str] | None:
    """The command that runs a job through files: the pretended runner, or the desktop's Java."""
    if command:
        return list(command)
    return ["java", *SHORT, "-cp", class_path, _MAIN] if class_path else None
