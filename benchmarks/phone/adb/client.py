"""An adb server and its devices: run commands, push files, and talk to running programs.

adbutils talks to the server. This module adds what adbutils lacks: streaming
a program's stdin and stdout, and the reason why a file was rejected. The output of commands is
parsed in `parsing`.
"""

import contextlib
import math
import shlex
import socket
import struct
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from squeezebert_mobile.benchmarks.phone.adb import parsing
from squeezebert_mobile.benchmarks.phone.adb.errors import (
    PhoneError,
    PhoneSilent,
    PhoneUnreachable,
)
from squeezebert_mobile.benchmarks.phone.adb.server import (
    local_server,
    start_server,
    valid_host,
    valid_port,
)
from squeezebert_mobile.closeable import Closeable
from squeezebert_mobile.errors import require

__all__ = ["REMEDIES", "Adb", "CommandResult", "Device", "Program"]

_SECONDS = 30.0  # until an answer; a busy phone takes a second or two
_CHUNK = 64 * 1024  # bytes, the maximum of one message of a push
_STDIN, _STDOUT, _STDERR, _EXIT, _CLOSE_STDIN = range(5)  # of the shell v2 protocol
_STDERR_KEPT = 4000  # bytes
_LONGEST_LINE = 4 << 20  # bytes; 100,000 samples, the most that a runner sends, take 1 MB
_MOST_OUTPUT = 16 << 20  # bytes of a command
_LATEST = 2**32 - 1  # the last time of a file that a push can state: in 2106

#: What to do about a device, by its state in `adb devices`.
REMEDIES = {
    "unauthorized": "unlock the phone and allow USB debugging in the dialog that it shows",
    "authorizing": "unlock the phone and allow USB debugging in the dialog that it shows",
    "offline": "unplug the cable and plug it in again, or run: adb reconnect offline",
    "connecting": "wait a moment, then run again",
    # Only Linux has it; the package is that of Debian and Ubuntu.
    "no permissions": "run: apt-get install android-sdk-platform-tools-common, then unplug the "
    "cable and plug it in again",
    "recovery": "the phone is in recovery mode: restart it",
    "sideload": "the phone is in recovery mode: restart it",
    "bootloader": "the phone is in its bootloader: restart it",
}


class Adb:
    """An adb server.

    Args:
        address: "HOST:PORT" of a remote server; None for the server of this computer, which is
            started if necessary.

    Raises:
        PhoneError: the address is not valid.
        PhoneUnreachable: no server answers there, or none can be started.
        MissingExtraError: adbutils is not installed.
    """

    def __init__(self, address: str | None = None) -> None:  # noqa: D107
        adbutils = require("adbutils", "bench")
        self._remote = None if address is None else _host_and_port(address)
        host, port = self._remote or local_server()
        self._client = adbutils.AdbClient(host=host, port=port)

    @property
    def version(self) -> int:
        """The server's version, such as 41."""
        return int(self._query("host:version"), 16)

    def listed(self) -> list[parsing.ListedDevice]:
        """All devices that the server knows, in any state."""
        return parsing.devices(self._query("host:devices-l"))

    def _query(self, service: str) -> str:
        with _translated(self, None), contextlib.closing(self._connect(_SECONDS)) as connection:
            connection.send_command(service)
            connection.check_okay()
            return str(connection.read_string_block())

    def _connect(self, timeout: float) -> Any:
        if self._remote:
            _check_server(*self._remote)  # adbutils would start a local one instead
        else:
            start_server(*local_server())
        return self._client.make_connection(timeout=timeout)

    def transport(self, serial: str, service: str, *, timeout: float) -> Any:
        """A connection to a service of a device."""
        connection = self._connect(timeout)
        try:
            # Without it the end of a push waits for 40 ms, as its parts are small packets.
            connection.conn.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            for request in (f"host:transport:{serial}", service):
                connection.send_command(request)
                connection.check_okay()
        except BaseException:
            connection.close()
            raise
        return connection


def _host_and_port(address: str) -> tuple[str, int]:
    host, _, port = address.rpartition(":")
    if host.startswith("[") and host.endswith("]"):  # an address of IPv6
        host = host[1:-1]
    if not valid_host(host) or not valid_port(port):
        raise PhoneError(
            f"--adb-server {address!r} is not a valid address; use HOST:PORT, e.g. farm:5037"
        )
    return host, int(port)


def _check_server(host: str, port: int) -> None:
    try:
        socket.create_connection((host, port), timeout=_SECONDS).close()
    except OSError as error:
        raise PhoneUnreachable(
            f"no adb server answers at {host}:{port} ({error.strerror or error}); start one there "
            "with: adb -a nodaemon server start, or remove --adb-server"
        ) from None


# A device -----------------------------------------------------------------------------------


@dataclass(frozen=True)
class CommandResult:
    """Exit status and output of a command."""

    code: int
    out: str
    err: str


@dataclass(frozen=True)
class Device:
    """A device of a server."""

    adb: Adb
    serial: str

    def run(self, *arguments: str, timeout: float = _SECONDS) -> CommandResult:
        """Run a program; every argument is quoted for the phone's shell.

        Raises:
            PhoneUnreachable: the phone does not answer within `timeout` seconds.
        """
        return self.script(shlex.join(arguments), timeout=timeout)

    def script(self, text: str, *, timeout: float = _SECONDS) -> CommandResult:
        """Run a shell script on the phone; it must not contain text from outside this package."""
        out = bytearray()
        with self._open(text, timeout) as program:
            program.set_timeout(timeout, timeout)
            for data in program.output():
                out += data
                if len(out) > _MOST_OUTPUT:
                    raise PhoneError(
                        f"the phone {self.serial!r} printed more than {_MOST_OUTPUT >> 20} MB for "
                        f"{text[:80]!r}; restart it, then run again"
                    )
        return CommandResult(program.code, out.decode("utf-8", "replace"), program.errors)

    def start(
        self, arguments: Sequence[str], environment: Mapping[str, str], *, timeout: float
    ) -> "Program":
        """Start a program to talk to; `timeout` is the seconds of silence until it is given up."""
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
            file: The local file.
            remote: Its path on the phone; parent folders are created.
            mode: Its permissions on the phone.
            progress: Called with the bytes sent so far.

        Raises:
            PhoneError: the phone rejects the file; the message has its reason.
            PhoneUnreachable: the phone does not answer.
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
            changed = min(max(0, int(file.stat().st_mtime)), _LATEST)
            connection.conn.sendall(b"DONE" + struct.pack("<I", changed))
            _check_accepted(connection, remote)
            connection.conn.close()  # adbutils would wait

    def _open(self, text: str, timeout: float) -> "Program":
        with _translated(self.adb, self.serial):
            connection = self.adb.transport(self.serial, f"shell,v2,raw:{text}", timeout=timeout)
        return Program(self, connection)


def _send(connection: Any, remote: str, kind: bytes, data: bytes) -> None:
    try:
        connection.conn.sendall(kind + struct.pack("<I", len(data)) + data)
    except OSError:
        # A phone that rejects a file says so and closes the connection while we are still sending.
        _check_accepted(connection, remote)
        raise


def _check_accepted(connection: Any, remote: str) -> None:
    answer, size = struct.unpack("<4sI", connection.read_exact(8))
    if answer != b"OKAY":
        reason = connection.read_exact(size).decode("utf-8", "replace")
        raise PhoneError(f"the phone rejected the file {remote!r}: {reason}; {_remedy(reason)}")


def _remedy(reason: str) -> str:
    if "no space" in reason.lower():
        return "free some space on it, or run: squeezebert-mobile clean"
    return "check that the shell may write to /data/local/tmp, or restart the phone"


class Program(Closeable):
    """A program running on the phone."""

    def __init__(self, device: Device, connection: Any) -> None:  # noqa: D107
        self._device, self._connection = device, connection
        self._errors = b""
        self._silence_s: float | None = None
        self._until = math.inf
        self.code = 255  # exit status; 255 until it has ended

    @property
    def errors(self) -> str:
        """The last part of its stderr."""
        return self._errors.decode("utf-8", "replace")

    def output(self) -> Iterator[bytes]:
        """Its stdout as it arrives, until it ends.

        Raises:
            PhoneUnreachable: the connection is lost, or nothing arrives before the timeout.
        """
        with _translated(self._device.adb, self._device.serial):
            while True:
                self._limit_next_read()
                kind, size = struct.unpack("<BI", self._connection.read_exact(5))
                data = self._connection.read_exact(size)
                if kind == _STDOUT:
                    yield data
                elif kind == _STDERR:
                    self._errors = (self._errors + data)[-_STDERR_KEPT:]
                elif kind == _EXIT:
                    self.code = data[0]
                    self._connection.conn.close()  # adbutils would wait; the program has ended
                    return

    def lines(self) -> Iterator[bytes]:
        """Its complete lines, without their line ends.

        Raises:
            PhoneError: a line is longer than any that is expected.
            PhoneUnreachable: as `output`.
        """
        rest = bytearray()
        for data in self.output():
            complete, end, tail = data.rpartition(b"\n")
            rest += complete if end else data
            if end:
                for line in bytes(rest).split(b"\n"):
                    yield line.removesuffix(b"\r")
                rest = bytearray(tail)
            if len(rest) > _LONGEST_LINE:
                raise PhoneError(
                    f"a program on the phone wrote more than {_LONGEST_LINE >> 20} MB without a "
                    f"line end, which begin with {bytes(rest[:40]).decode('utf-8', 'replace')!r}; "
                    "restart the phone, and report it if that does not help"
                )

    def write(self, data: bytes) -> None:
        """Write to its stdin; if that fails, the next read raises the reason."""
        with contextlib.suppress(OSError):
            self._connection.conn.sendall(struct.pack("<BI", _STDIN, len(data)) + data)

    def set_timeout(self, silence_s: float, most_s: float = math.inf) -> None:
        """Set how long it may be silent from now on, and how long `output` may go on in total."""
        self._silence_s, self._until = silence_s, time.monotonic() + most_s

    def _limit_next_read(self) -> None:
        if self._silence_s is None:
            return  # as it was opened
        left = self._until - time.monotonic()
        if left <= 0:
            raise TimeoutError("no end in time")
        self._connection.conn.settimeout(min(self._silence_s, left))

    def close(self) -> None:
        """End it: adbd ends the programs of a closed connection."""
        self._connection.close()


# Errors -------------------------------------------------------------------------------------


@contextlib.contextmanager
def _translated(adb: Adb, serial: str | None) -> Iterator[None]:
    """Translate socket and adb errors into what happened to the phone."""
    adbutils = require("adbutils", "bench")
    try:
        yield
    except (adbutils.AdbError, OSError, EOFError, ValueError) as error:
        if isinstance(error, FileNotFoundError | PermissionError):
            raise  # about a local file
        if serial is not None and isinstance(error, adbutils.AdbTimeout | TimeoutError):
            raise PhoneSilent(_explanation(adb, serial, error, silent=True)) from error
        raise PhoneUnreachable(_explanation(adb, serial, error)) from error


def _explanation(adb: Adb, serial: str | None, error: Exception, *, silent: bool = False) -> str:
    detail = str(error).strip().partition("\n")[0] or type(error).__name__
    if serial is None:
        return (
            f"the adb server does not answer ({detail}); run: adb kill-server, then adb "
            "start-server, and use the same version of adb in all programs on this computer"
        )
    try:
        states = {device.serial: device.state for device in adb.listed()}
    except PhoneUnreachable:
        return (
            f"the adb server stopped answering ({detail}): it was killed, or replaced by another "
            "version of adb; run: adb start-server"
        )
    state = states.get(serial)
    if state is None:
        return (
            f"the phone {serial!r} is disconnected ({detail}): the cable is unplugged, or the "
            "phone is off or restarting; connect it, and wait until it has started"
        )
    if state != "device":
        remedy = REMEDIES.get(state, "restart the phone")
        return f"the phone {serial!r} is {state} ({detail}); {remedy}"
    if silent:
        return (
            f"the phone {serial!r} is connected, but does not answer in time ({detail}); unlock "
            "it, or restart it; over Wi-Fi, check the network"
        )
    return f"the connection to the phone {serial!r} was lost ({detail}); check the cable and adb"
