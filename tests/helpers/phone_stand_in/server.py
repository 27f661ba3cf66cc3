"""The tests' own adb server, with its own port, keys and devices."""

import contextlib
import os
import socket
import subprocess
import time
from pathlib import Path
from typing import Any, Self

import adbutils

from phone_stand_in.device import StandIn
from squeezebert_mobile.closeable import Closeable

_SECONDS = 20.0  # for the server to start, or a device to appear


class AdbServer(Closeable):
    """A real adb server that sees stand-ins only.

    Args:
        folder: Where its home is made: the user's keys are not touched.
    """

    def __init__(self, folder: Path) -> None:
        self._home = folder / "adb-home"
        self._adb = adbutils.adb_path()

    def __enter__(self) -> Self:
        self._home.mkdir(parents=True, exist_ok=True)
        self.port = _free_port()
        self._log = (self._home / "server.log").open("wb")
        self._process = subprocess.Popen(
            [self._adb, "-P", str(self.port), "server", "nodaemon"],
            env={**os.environ, **self.environment},
            stdin=subprocess.DEVNULL,
            stdout=self._log,
            stderr=self._log,
        )
        try:
            self._wait_until_it_answers()
        except BaseException:
            self.close()
            raise
        return self

    def close(self) -> None:
        """Kill this server; another `with` starts one again."""
        self._process.kill()
        self._process.wait()
        self._log.close()

    def _wait_until_it_answers(self) -> None:
        limit = time.monotonic() + _SECONDS
        while True:
            with contextlib.suppress(OSError):
                socket.create_connection(("127.0.0.1", self.port), timeout=1).close()
                return
            if time.monotonic() > limit or self._process.poll() is not None:
                log = Path(self._log.name).read_text(encoding="utf-8", errors="replace")
                raise RuntimeError(f"adb does not start: {log}")
            time.sleep(0.01)

    @property
    def address(self) -> str:
        """HOST:PORT."""
        return f"127.0.0.1:{self.port}"

    @property
    def environment(self) -> dict[str, str]:
        """Environment of programs that use this server, such as adb."""
        return {
            "HOME": str(self._home),
            "ANDROID_USER_HOME": str(self._home / ".android"),
            "ANDROID_ADB_SERVER_PORT": str(self.port),
            "ADB_MDNS_AUTO_CONNECT": "0",
            "ADB_LIBUSB": "0",  # its search for devices takes three seconds
            "ADB_LOCAL_TRANSPORT_MAX_PORT": "0",  # does not search for emulators
        }

    @property
    def client(self) -> adbutils.AdbClient:
        """A client of this server."""
        return adbutils.AdbClient(host="127.0.0.1", port=self.port)

    def run(self, *arguments: str, **options: Any) -> subprocess.CompletedProcess[str]:
        """Run the adb binary with this server."""
        return subprocess.run(
            [self._adb, "-P", str(self.port), *arguments],
            env={**os.environ, **self.environment},
            capture_output=True,
            text=True,
            timeout=_SECONDS,
            **options,
        )

    def states(self) -> dict[str, str]:
        """Serial -> state, of every device that the server knows."""
        return {each.serial: each.state for each in self.client.list()}

    def connect(self, phone: StandIn, *, state: str | None = "device") -> str:
        """Connect a stand-in, wait until it is in that state, and return the output of adb."""
        said = str(self.client.connect(phone.serial, timeout=_SECONDS))
        if state:
            self.wait_for(phone, state)
        return said

    def disconnect(self, phone: StandIn) -> None:
        """Disconnect a stand-in, and wait until it is gone: it could not be connected before."""
        self.client.disconnect(phone.serial)
        self.wait_for(phone, None)

    def wait_for(self, phone: StandIn, state: str | None, seconds: float = _SECONDS) -> None:
        """Wait until a device is in a state; None: until it is gone."""
        limit = time.monotonic() + seconds
        while (now := self.states().get(phone.serial)) != state:
            if time.monotonic() > limit:
                raise TimeoutError(f"{phone.serial} is {now}, not {state}")
            time.sleep(0.02)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
