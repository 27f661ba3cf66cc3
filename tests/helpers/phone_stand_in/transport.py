"""Packets and streams: the device's side of the adb protocol, over TCP.

A packet is six numbers (command, two arguments, length, sum, and the command inverted) and data. A
stream is one service that the host has opened; each side may have one packet under way in it.
"""

import asyncio
import contextlib
import struct
from collections.abc import Awaitable, Callable

from phone_stand_in.faults import Faults

_HEADER = struct.Struct("<6I")
_VERSION = 0x01000001  # from this version on checksums are not compared
_MAX = 256 * 1024  # bytes of data in a packet
_LARGEST = 1 << 20  # bytes that a host may send before it knows our limit
_TOKEN, _PUBLIC_KEY = 1, 3  # kinds of AUTH


def _command(name: bytes) -> int:
    return int.from_bytes(name, "little")


CNXN, AUTH, OPEN = _command(b"CNXN"), _command(b"AUTH"), _command(b"OPEN")
OKAY, CLSE, WRTE = _command(b"OKAY"), _command(b"CLSE"), _command(b"WRTE")

Service = Callable[["Stream"], Awaitable[None]]


class HostClosed(ConnectionError):
    """The host has closed this stream."""


class Stream:
    """The stream of a service that the host has opened."""

    def __init__(self, connection: "Connection", local: int, remote: int) -> None:
        self._connection, self._local, self._remote = connection, local, remote
        self._packets: asyncio.Queue[bytes] = asyncio.Queue()
        self._rest = b""
        self._turn = asyncio.Lock()
        self._acknowledged = asyncio.Event()
        self._acknowledged.set()
        self.closed = asyncio.Event()  # by the host, or with the connection

    # For the connection -----------------------------------------------------------------------

    def arrived(self, data: bytes) -> None:
        self._packets.put_nowait(data)

    def acknowledged(self) -> None:
        self._acknowledged.set()

    def end(self) -> None:
        self.closed.set()
        self._acknowledged.set()  # no more acknowledgements will come
        self._packets.put_nowait(b"")

    # For the service --------------------------------------------------------------------------

    async def write(self, data: bytes) -> None:
        async with self._turn:
            for start in range(0, len(data), self._connection.most):
                await self._acknowledged.wait()
                if self.closed.is_set():
                    raise HostClosed
                self._acknowledged.clear()
                part = data[start : start + self._connection.most]
                await self._connection.send(WRTE, self._local, self._remote, part)

    async def read(self, size: int) -> bytes:
        """Exactly `size` bytes."""
        while len(self._rest) < size:
            data = await self._packets.get()
            if not data:
                raise HostClosed
            self._rest += data
            await self._connection.send(OKAY, self._local, self._remote)
        found, self._rest = self._rest[:size], self._rest[size:]
        return found

    async def close(self) -> None:
        await self._acknowledged.wait()  # CLSE must not overtake the last packet
        if not self.closed.is_set():
            self.end()
            await self._connection.send(CLSE, self._local, self._remote)


class Connection:
    """The connection of one adb server.

    Args:
        reader: From it.
        writer: To it.
        banner: What the device says of itself.
        service: Name of a service -> what serves it; None refuses.
        faults: What goes wrong.
    """

    def __init__(
        self,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        banner: bytes,
        service: Callable[[str], Service | None],
        faults: Faults,
    ) -> None:
        self._reader, self._writer = reader, writer
        self._banner, self._service, self._faults = banner, service, faults
        self._streams: dict[int, Stream] = {}
        self._opened = 0
        self._sending = asyncio.Lock()
        self._tasks: set[asyncio.Task[None]] = set()
        self.most = 4096  # bytes in a packet, until the host reports its limit

    async def run(self) -> None:
        """Serve until the connection ends; services end with it."""
        try:
            while True:
                await self._obey(*await self._receive())
        except (OSError, EOFError, ValueError):
            pass  # gone, dropped on purpose, or no adb
        finally:
            self.drop()
            if self._tasks:
                await asyncio.wait(self._tasks)

    def drop(self) -> None:
        """Close the connection immediately."""
        for stream in self._streams.values():
            stream.end()
        self._writer.transport.abort()

    async def send(self, command: int, first: int, second: int, data: bytes = b"") -> None:
        header = (command, first, second, len(data), sum(data) & 0xFFFFFFFF)
        packet = _HEADER.pack(*header, command ^ 0xFFFFFFFF) + data
        async with self._sending:
            await self._delay()
            passing = self._faults.passing("to host", len(packet))
            self._writer.write(packet[:passing])
            await self._writer.drain()
            if passing < len(packet):
                self._writer.close()  # what was written still arrives
                raise ConnectionAbortedError

    async def _receive(self) -> tuple[int, int, int, bytes]:
        command, first, second, size, _, check = _HEADER.unpack(await self._read(_HEADER.size))
        if check != command ^ 0xFFFFFFFF or size > _LARGEST:
            raise ValueError("no packet of adb")
        data = await self._read(size)
        await self._delay()
        return command, first, second, data

    async def _read(self, size: int) -> bytes:
        data = await self._reader.readexactly(size)
        if self._faults.passing("from host", size) < size:
            raise ConnectionAbortedError
        return data

    async def _delay(self) -> None:
        if self._faults.delay_ms:
            await asyncio.sleep(self._faults.delay_ms / 1000)

    async def _obey(self, command: int, first: int, second: int, data: bytes) -> None:
        stream = self._streams.get(second)
        if command == CNXN:
            self.most = min(_MAX, second)
            await self._greet()
        elif command == AUTH:
            # A host offers its keys one by one, then requests the dialog on the phone's screen.
            if first == _PUBLIC_KEY:
                self._start(self._wait_for_the_user())
            else:
                await self._greet()
        elif command == OPEN:
            await self._open(first, data.rstrip(b"\0").decode("utf-8", "surrogateescape"))
        elif stream is None:
            if command == WRTE:
                await self.send(CLSE, 0, first)
        elif command == OKAY:
            stream.acknowledged()
        elif command == WRTE:
            stream.arrived(data)
        elif command == CLSE:
            stream.end()

    async def _greet(self) -> None:
        if self._faults.unauthorized:
            await self.send(AUTH, _TOKEN, 0, bytes(range(20)))
        else:
            await self.send(CNXN, _VERSION, _MAX, self._banner)

    async def _wait_for_the_user(self) -> None:
        while self._faults.unauthorized:
            await asyncio.sleep(0.02)
            if self._writer.is_closing():
                return
        await self._greet()

    async def _open(self, remote: int, name: str) -> None:
        service = self._service(name)
        if service is None:
            await self.send(CLSE, 0, remote)
            return
        self._opened += 1
        stream = Stream(self, self._opened, remote)
        self._streams[self._opened] = stream
        await self.send(OKAY, self._opened, remote)
        self._start(self._serve(service, stream, self._opened))

    async def _serve(self, service: Service, stream: Stream, local: int) -> None:
        try:
            await service(stream)
        finally:
            with contextlib.suppress(OSError):
                await stream.close()
            del self._streams[local]

    def _start(self, work: Awaitable[None]) -> None:
        task = asyncio.ensure_future(_quietly(work))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


async def _quietly(work: Awaitable[None]) -> None:
    with contextlib.suppress(OSError):  # the connection or the stream is closed
        await work
