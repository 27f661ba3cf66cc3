"""The stand-in itself: a folder, a port, and a thread that serves it."""

import asyncio
import contextlib
import json
import os
import random
import re
import socket
import sys
import threading
import time
from collections.abc import Coroutine, Sequence
from pathlib import Path
from typing import Any, Self

from phone_stand_in import phones, programs
from phone_stand_in.app import PACKAGE, App, runner_in_app
from phone_stand_in.faults import Faults
from phone_stand_in.files import Files
from phone_stand_in.shell import Shell
from phone_stand_in.transport import Connection, Service
from squeezebert_mobile.closeable import Closeable

#: Features offered to the host; no compression.
_FEATURES = "shell_v2,cmd,stat_v2,fixed_push_mkdir,sendrecv_v2"
#: Above adb's own ports, below those of outgoing connections: stays free during a restart.
_PORTS = (20_000, 32_000)
_SECONDS = 10.0  # for the thread to handle a call

#: A runner that measures nothing and needs no Java.
PRETEND_RUNNER = (sys.executable, "-IS", str(Path(__file__).with_name("pretend_runner.py")))


class StandIn(Closeable):
    """A program that an adb server sees as a phone.

    Args:
        root: Folder of its file system: `root/data/local/tmp`, and the output of commands.
        phone: One of `phones.PHONES`.
        serialno: The phone's own serial number (`ro.serialno`); adb identifies it by its address.
        runner_classpath: Class path of the runner for the desktop, which `app_process` starts;
            by default the environment variable STAND_IN_RUNNER_CLASSPATH.
        runner_command: Command that `app_process` starts instead of Java; the job's path is
            appended.
        port: Its port; 0 for any.
    """

    def __init__(
        self,
        root: Path,
        phone: str = "pixel 8",
        *,
        serialno: str | None = None,
        runner_classpath: str | None = None,
        runner_command: Sequence[str] | None = None,
        port: int = 0,
    ) -> None:
        self.root = root.resolve()
        if not re.fullmatch(r"[\w./+-]+", str(self.root)):
            raise ValueError(f"a command of the shell cannot hold {str(self.root)!r} as it is")
        self.data = phones.PHONES[phone]
        self.faults = Faults()
        self.home = self.root / "data/local/tmp"
        self._port = port
        class_path = runner_classpath or os.environ.get("STAND_IN_RUNNER_CLASSPATH")
        self._environment = {
            "STAND_IN_ROOT": str(self.root),
            "STAND_IN_SDK": str(self.data.sdk),
            "STAND_IN_RUNNER_COMMAND": json.dumps(runner_command and list(runner_command)),
            **({"STAND_IN_RUNNER_CLASSPATH": class_path} if class_path else {}),
        }
        in_app = runner_in_app(runner_command, class_path)
        self.app = App(self.root, in_app, {**os.environ, **self._environment})
        self._files = Files(self.root, self.faults)
        self._shell = Shell(self.root, self._environment, self.faults)
        self.home.mkdir(parents=True, exist_ok=True)
        phones.write(self.root, self.data)
        programs.write(self.root)
        self._properties = {**self.data.properties, phones.STAND_IN: "1"}
        self.set_properties(**({"ro.serialno": serialno} if serialno else {}))

    # The port ---------------------------------------------------------------------------------

    @property
    def serial(self) -> str:
        """Its serial in adb."""
        return f"127.0.0.1:{self._port}"

    def __enter__(self) -> Self:
        self._listener = _listen(self._port)
        self._port = self._listener.getsockname()[1]
        self._server: asyncio.Server | None = None
        self._connections: dict[Connection, asyncio.Task[None]] = {}
        self._started = threading.Event()
        self._thread = threading.Thread(target=self._work, name=f"stand-in {self.serial}")
        self._thread.start()
        self._started.wait(_SECONDS)
        return self

    def close(self) -> None:
        """End it, and its programs."""
        self._loop.call_soon_threadsafe(self._stopped.set)
        self._thread.join()

    def _work(self) -> None:
        asyncio.run(self._serve())

    async def _serve(self) -> None:
        self._loop, self._stopped = asyncio.get_running_loop(), asyncio.Event()
        await self._open(self._listener)
        app = asyncio.create_task(self.app.work())
        self._started.set()
        await self._stopped.wait()
        app.cancel()
        self._close()
        await self._hang_up()
        await asyncio.wait([app])

    async def _open(self, listener: socket.socket) -> None:
        self._server = await asyncio.start_server(self._accept, sock=listener)

    def _close(self) -> None:
        if self._server:
            self._server.close()
        self._server = None

    async def _hang_up(self) -> None:
        self._shell.kill()
        tasks = list(self._connections.values())
        for connection in list(self._connections):
            connection.drop()
        if tasks:
            await asyncio.wait(tasks)

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        names = ("ro.product.name", "ro.product.model", "ro.product.device")
        told = "".join(f"{name}={self._properties[name]};" for name in names)
        banner = f"device::{told}features={_FEATURES}".encode()
        connection = Connection(reader, writer, banner, self._service, self.faults)
        task = asyncio.current_task()
        assert task
        self._connections[connection] = task
        try:
            await connection.run()
        finally:
            del self._connections[connection]

    def _service(self, name: str) -> Service | None:
        kind, _, rest = name.partition(":")
        kind, *options = kind.split(",")
        if kind == "sync" and not rest:
            return self._files.serve
        if kind == "shell" and rest:  # no terminal to type into
            return lambda stream: self._shell.serve(stream, rest, split="v2" in options)
        return None

    def _call(self, work: Coroutine[Any, Any, None]) -> None:
        asyncio.run_coroutine_threadsafe(work, self._loop).result(_SECONDS)

    # What happens to a phone ------------------------------------------------------------------

    def drop(self) -> None:
        """Drop every connection, as when the cable is unplugged; programs end with it."""

        async def work() -> None:
            for connection in list(self._connections):
                connection.drop()

        self._call(work())

    def refuse(self) -> None:
        """Drop every connection, and refuse new ones until `accept`."""

        async def work() -> None:
            self._close()
            await self._hang_up()

        self._call(work())

    def accept(self) -> None:
        """Accept connections again."""

        async def work() -> None:
            if self._server is None:
                await self._open(_listen(self._port))

        self._call(work())

    def reboot(self, away_s: float) -> None:
        """End all programs, drop every connection, and return after `away_s`; files stay."""
        self.refuse()
        self.kill_app()

        def back() -> None:
            if not self._stopped.is_set():
                self._coming_back = self._loop.create_task(self._open(_listen(self._port)))

        self._loop.call_soon_threadsafe(self._loop.call_later, away_s, back)

    # The sample app ---------------------------------------------------------------------------

    def install(self, kind: str = "debug") -> None:
        """Install the sample app: "debug", or "release", which run-as refuses."""
        for path, text in (
            (self.root / "stand_in/packages" / PACKAGE, f"{kind}\n"),
            (self.root / f"data/app/{PACKAGE}-1/base.apk", f"an APK, {kind}"),
        ):
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
        self.app.folder.mkdir(parents=True, exist_ok=True)

    def kill_app(self) -> None:
        """End the app's process, as a crash or Android does."""
        self._call(self.app.kill())

    @property
    def commands(self) -> list[str]:
        """The commands that the shell was given so far."""
        return self._shell.commands

    # The output of commands -------------------------------------------------------------------

    def set_properties(self, **properties: str) -> None:
        """Change the output of getprop (names with dots: `**{"ro.serialno": "1 2"}`)."""
        self._properties.update(properties)
        path, text = self.root / "stand_in/getprop", phones.properties_text(self._properties)
        path.write_text(text, encoding="utf-8", newline=self.data.line_end)

    def set_thermal(self, status: int, *, warmer: float = 0.0) -> None:
        """Change the thermal status, and how many degrees every sensor is above its usual."""
        path = self.root / "stand_in/thermalservice"
        text = phones.thermal_text(self.data, status, warmer=warmer)
        path.write_text(text, encoding="utf-8", newline=self.data.line_end)

    def set_throttling(self, after: int, looks: int) -> None:
        """Report thermal status 3 in `looks` calls of the thermal service, after `after` calls."""
        told = self.root / "stand_in"
        hot = phones.thermal_text(self.data, 3, warmer=14.5)
        (told / "thermalservice.hot").write_text(hot, encoding="utf-8", newline=self.data.line_end)
        (told / "looks").unlink(missing_ok=True)
        (told / "throttle").write_text(f"{after} {looks}\n", encoding="utf-8")

    def set_battery(self, **fields: object) -> None:
        """Change lines of dumpsys battery: `level=40`, `temperature=391`, `USB_powered="false"`."""
        path = self.root / "stand_in/battery"
        text = path.read_bytes().decode("utf-8")
        for name, value in fields.items():
            line = rf"(?m)^(  {re.escape(name.replace('_', ' '))}: )[^\r\n]*"
            text = re.sub(line, rf"\g<1>{value}", text)
        path.write_bytes(text.encode("utf-8"))

    def set_meter(self, *, idle_mw: float, begin_mj: float = 1000.0) -> None:
        """Unplug it, and give it power rails; see `answer_mj` of the pretended runner."""
        self.set_battery(USB_powered="false", status=3)
        told = {"idle_mw": idle_mw, "begin_mj": begin_mj, "since": time.time()}
        path = self.root / "stand_in/meter.json"
        path.write_text(json.dumps(told), encoding="utf-8")

    def set_screen(self, wakefulness: str) -> None:
        """Change what the power manager tells: Awake, Dozing or Asleep."""
        path = self.root / "stand_in/power"
        text = path.read_text(encoding="utf-8")
        path.write_text(re.sub("ulness=.*", f"ulness={wakefulness}", text), encoding="utf-8")

    def pretend(self, **changes: Any) -> None:
        """Change the pretended runner; its docstring has the names. None restores the default."""
        path = self.root / "stand_in/pretend.json"
        told = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
        told = {name: value for name, value in {**told, **changes}.items() if value is not None}
        partial = path.with_suffix(".new")
        partial.write_text(json.dumps(told), encoding="utf-8")
        partial.replace(path)  # a runner may be reading it

    @property
    def masks(self) -> list[str]:
        """The masks that taskset was called with."""
        path = self.root / "stand_in/taskset"
        return path.read_text(encoding="utf-8").split() if path.exists() else []


def _listen(port: int) -> socket.socket:
    choices = [port] if port else random.sample(range(*_PORTS), 50)
    for choice in choices:
        # asyncio only sends small packets at once where the protocol is stated.
        listener = socket.socket(proto=socket.IPPROTO_TCP)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        with contextlib.suppress(OSError):
            listener.bind(("127.0.0.1", choice))
            listener.listen()
            return listener
        listener.close()
    raise OSError(f"no free port among {choices}")
