"""An adb server and its devices: commands, files, and programs that keep talking.

adbutils finds or starts the server and speaks to it; what stands here is what it lacks: a program's
stdin and stdout as they come, and the reason why a file was refused. Nothing here reads what a
command says; that is `parsing.py`.
"""

import contextlib
import shlex
import socket
import struct
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from squeezebert_mobile.benchmarks.phone import parsing
from squeezebert_mobile.benchmarks.phone.errors import PhoneError, PhoneGone
from squeezebert_mobile.closeable import Closeable
from squeezebert_mobile.errors import require

__all__ = ["Adb", "Answer", "Device", "Program"]

_SECONDS = 30.0  # for an answer; a phone that is busy takes a second or two
_CHUNK = 64 * 1024  # bytes, the most that one message of a push may hold
_STDIN, _STDOUT, _STDERR, _EXIT, _CLOSE_STDIN = range(5)  # of the shell v2 protocol
_STDERR_KEPT = 4000  # bytes

REMEDIES = {
    "unauthorized": "unlock the phone and allow USB debugging in the dialog that it shows",
    "authorizing": "unlock the phone and allow USB debugging in the dialog that it shows",
    "offline": "take the cable out and in again, or run: adb reconnect offline",
    "connecting": "wait a moment, then ask again",
    "no permissions": "run: apt-get install android-sdk-platform-tools-common, then take the cable "
    "out and in again",
    "recovery": "the phone is in recovery mode: restart it",
    "sideload": "the phone is in recovery mode: restart it",
    "bootloader": "the phone is in its bootloader: restart it",
}


class Adb:
    """An adb server.

    Args:
        address: "HOST:PORT" of a server elsewhere; None for the one of this computer, which is
            started where there is none.

    Raises:
        PhoneError: the address is none.
        PhoneGone: no server answers there.
        MissingExtraError: adbutils is not installed.
    """

    def __init__(self, address: str | None = None) -> None:  # noqa: D107
        adbutils = require("adbutils", "bench")
        self._elsewhere = _host_and_port(address) if address else None
        host, port = self._elsewhere or (None, None)
        self._client = adbutils.AdbClient(host=host, port=port)

    @property
    def version(self) -> int:
        """The server's version, such as 41."""
        return int(self._asked("host:version"), 16)

    def listed(self) -> list[parsing.Listed]:
        """Every device that the server knows, in any state."""
        return parsing.devices(self._asked("host:devices-l"))

    def _asked(self, question: str) -> str:
        with _translated(self, None), contextlib.closing(self._connected(_SECONDS)) as connection:
            connection.send_command(question)
            connection.check_okay()
            return str(connection.read_string_block())

    def _connected(self, timeout: float) -> Any:
        if self._elsewhere:
            _see_that_it_answers(*self._elsewhere)  # adbutils would start one here instead
        return self._client.make_connection(timeout=timeout)

    def transport(self, serial: str, service: str, *, timeout: float) -> Any:
        """A connection to a service of a device."""
        connection = self._connected(timeout)
        try:
            for request in (f"host:transport:{serial}", service):
                connection.send_command(request)
                connection.check_okay()
        except BaseException:
            connection.close()
            raise
        return connection


def _host_and_port(address: str) -> tuple[str, int]:
    host, _, port = address.rpartition(":")
    if not host or not port.isdigit() or not 0 < int(port) < 65536:
        raise PhoneError(f"--adb-server {address!r} is no address; give HOST:PORT, as farm:5037")
    return host, int(port)


def _see_that_it_answers(host: str, port: int) -> None:
    try:
        socket.create_connection((host, port), timeout=_SECONDS).close()
    except OSError as error:
        raise PhoneGone(
            f"no adb server answers at {host}:{port} ({error.strerror or error}); start one there "
            "with: adb -a nodaemon server start, or leave --adb-server out"
        ) from None


# A device -----------------------------------------------------------------------------------


@dataclass(frozen=True)
class Answer:
    """What a command did."""

    code: int
    out: str
    err: str


@dataclass(frozen=True)
class Device:
    """A device of a server."""

    adb: Adb
    serial: str

    def run(self, *arguments: str, timeout: float = _SECONDS) -> Answer:
        """Run a program; every argument reaches it as it stands here.

        Raises:
            PhoneGone: the phone does not answer within `timeout` seconds.
        """
        return self.script(shlex.join(arguments), timeout=timeout)

    def script(self, text: str, *, timeout: float = _SECONDS) -> Answer:
        """Run a text of the phone's shell, which must hold nothing that came from elsewhere."""
        with self._open(text, timeout) as program:
            out = b"".join(program.output())
        return Answer(program.code, out.decode("utf-8", "replace"), program.errors)

    def start(
        self, arguments: Sequence[str], environment: Mapping[str, str], *, timeout: float
    ) -> "Program":
        """Start a program that keeps talking; `timeout` seconds of silence end it."""
        settings = [f"{name}={shlex.quote(value)}" for name, value in environment.items()]
        return self._open(" ".join([*settings, shlex.join(arguments)]), timeout)

    def push(
        self,
        file: Path,
        remote: str,
        *,
        mode: int,
        progress: Callable[[int], None] = lambda done: None,
    ) -> None:
        """Copy a file to the phone.

        Args:
            file: The file here.
            remote: Its path there; the folders above it are made.
            mode: Its permissions there.
            progress: Called with the bytes sent so far.

        Raises:
            PhoneError: the phone refuses it, with its reason.
            PhoneGone: the phone does not answer.
        """
        with (
            _translated(self.adb, self.serial),
            contextlib.closing(
                self.adb.transport(self.serial, "sync:", timeout=_SECONDS)
            ) as connection,
            file.open("rb") as source,
        ):
            target = f"{remote},{0o100000 | mode}".encode()
            _send(connection, remote, b"SEND", target)
            done = 0
            while chunk := source.read(_CHUNK):
                _send(connection, remote, b"DATA", chunk)
                done += len(chunk)
                progress(done)
            connection.conn.sendall(b"DONE" + struct.pack("<I", int(file.stat().st_mtime)))
            _check_accepted(connection, remote)

    def _open(self, text: str, timeout: float) -> "Program":
        with _translated(self.adb, self.serial):
            connection = self.adb.transport(self.serial, f"shell,v2,raw:{text}", timeout=timeout)
        return Program(self, connection)


def _send(connection: Any, remote: str, kind: bytes, data: bytes) -> None:
    try:
        connection.conn.sendall(kind + struct.pack("<I", len(data)) + data)
    except OSError:
        # A phone that refuses a file says so and hangs up, while we are still sending.
        _check_accepted(connection, remote)
        raise


def _check_accepted(connection: Any, remote: str) -> None:
    answer, size = struct.unpack("<4sI", connection.read_exact(8))
    if answer != b"OKAY":
        reason = connection.read_exact(size).decode("utf-8", "replace")
        raise PhoneError(f"the phone refuses the file {remote!r}: {reason}; {_remedy(reason)}")


def _remedy(reason: str) -> str:
    if "no space" in reason.lower():
        return "make room on it, or run: squeezebert-mobile clean"
    return "see that the shell may write to /data/local/tmp, or restart the phone"


class Program(Closeable):
    """A program that runs on the phone."""

    def __init__(self, device: Device, connection: Any) -> None:  # noqa: D107
        self._device, self._connection = device, connection
        self._errors = b""
        self.code = 255  # until it has ended

    @property
    def errors(self) -> str:
        """The end of what it wrote to stderr."""
        return self._errors.decode("utf-8", "replace")

    def output(self) -> Iterator[bytes]:
        """What it writes to stdout, as it comes, until it ends.

        Raises:
            PhoneGone: the connection breaks off, or nothing comes for too long.
        """
        with _translated(self._device.adb, self._device.serial):
            while True:
                kind, size = struct.unpack("<BI", self._connection.read_exact(5))
                data = self._connection.read_exact(size)
                if kind == _STDOUT:
                    yield data
                elif kind == _STDERR:
                    self._errors = (self._errors + data)[-_STDERR_KEPT:]
                elif kind == _EXIT:
                    self.code = data[0]
                    return

    def lines(self) -> Iterator[bytes]:
        """Its lines, without their ends; a last one without an end is no line."""
        rest = b""
        for data in self.output():
            *lines, rest = (rest + data).split(b"\n")
            for line in lines:
                yield line.removesuffix(b"\r")

    def write(self, data: bytes) -> None:
        """Write to its stdin; where that fails, what is read next tells why."""
        with contextlib.suppress(OSError):
            self._connection.conn.sendall(struct.pack("<BI", _STDIN, len(data)) + data)

    def wait_at_most(self, seconds: float) -> None:
        """How long it may be silent from now on."""
        self._connection.conn.settimeout(seconds)

    def close(self) -> None:
        """End it, if it has not ended: adbd hangs up on the programs of a closed connection."""
        self._connection.close()


# Errors -------------------------------------------------------------------------------------


@contextlib.contextmanager
def _translated(adb: Adb, serial: str | None) -> Iterator[None]:
    """Say what has happened to the phone in place of what happened to a socket."""
    adbutils = require("adbutils", "bench")
    try:
        yield
    except (adbutils.AdbError, OSError, EOFError, ValueError) as error:
        if isinstance(error, FileNotFoundError | PermissionError):
            raise  # of a file here
        raise PhoneGone(_what_happened(adb, serial, error)) from error


def _what_happened(adb: Adb, serial: str | None, error: Exception) -> str:
    detail = str(error).strip().partition("\n")[0] or type(error).__name__
    if serial is None:
        return (
            f"the adb server does not answer ({detail}); run: adb kill-server, then adb "
            "start-server, and see that all programs on this computer use one version of adb"
        )
    try:
        states = {each.serial: each.state for each in adb.listed()}
    except PhoneGone:
        return (
            f"the adb server stopped answering ({detail}): it was killed, or an adb of another "
            "version took its place; run: adb start-server"
        )
    state = states.get(serial)
    if state is None:
        return (
            f"the phone {serial!r} is gone ({detail}): its cable is out, it is off, or it "
            "restarts; connect it, and wait until it has started"
        )
    if state != "device":
        remedy = REMEDIES.get(state, "restart the phone")
        return f"the phone {serial!r} is {state} ({detail}); {remedy}"
    return f"the phone {serial!r} broke off ({detail}); see that cable and adb are in order"
