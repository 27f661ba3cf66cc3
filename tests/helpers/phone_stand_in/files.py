"""The sync service: files to and from the device."""

import errno
import os
import posixpath
import stat
import struct
import tempfile
from pathlib import Path
from typing import IO

from phone_stand_in.faults import Faults
from phone_stand_in.transport import Stream

_MAX = 64 * 1024  # bytes in one message with data
_OLD = struct.Struct("<3I")  # mode, size, time
_NEW = struct.Struct("<I2Q4IQ3q")  # error, device, inode, mode, links, user, group, size, times
_NO_SPACE = OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
_DENIED = OSError(errno.EACCES, os.strerror(errno.EACCES))


class Refused(Exception):
    """The host gets the reason, and the service ends."""


class Files:
    """The files below a folder, under the paths of the device."""

    def __init__(self, root: Path, faults: Faults) -> None:
        self._root, self._faults = root, faults

    def real(self, path: str) -> Path:
        """The real path of a path on the device; never outside of the folder."""
        return self._root / posixpath.normpath(f"/{path}").lstrip("/")

    async def serve(self, stream: Stream) -> None:
        try:
            while True:
                request, size = struct.unpack("<4sI", await stream.read(8))
                if request == b"QUIT":
                    return
                if size > 4096:
                    raise Refused("the path is too long")
                path = (await stream.read(size)).decode("utf-8", "surrogateescape")
                await self._answer(stream, request, path)
        except Refused as refusal:
            reason = str(refusal).encode("utf-8", "surrogateescape")
            await stream.write(b"FAIL" + struct.pack("<I", len(reason)) + reason)
            await _drain(stream)

    async def _answer(self, stream: Stream, request: bytes, path: str) -> None:
        if request == b"STAT":
            await stream.write(request + self._old(path))
        elif request in (b"LST2", b"STA2"):
            await stream.write(request + self._new(path, follow=request == b"STA2"))
        elif request == b"LIST":
            await self._list(stream, path)
        elif request == b"SEND":
            path, _, mode = path.rpartition(",")
            await self._take(stream, path, int(mode))
        elif request == b"SND2":
            _, mode, flags = struct.unpack("<4sII", await stream.read(12))
            if flags:
                raise Refused("compression was not offered")
            await self._take(stream, path, mode)
        elif request == b"RECV":
            await self._give(stream, path)
        elif request == b"RCV2":
            await stream.read(8)  # the flags
            await self._give(stream, path)
        else:
            raise Refused(f"unknown command {request!r}")

    # Facts ------------------------------------------------------------------------------------

    def _old(self, path: str) -> bytes:
        try:
            found = self.real(path).lstat()
        except OSError:
            return bytes(_OLD.size)
        return _OLD.pack(found.st_mode, found.st_size & 0xFFFFFFFF, int(found.st_mtime))

    def _new(self, path: str, *, follow: bool) -> bytes:
        try:
            found = self.real(path).stat(follow_symlinks=follow)
        except OSError as error:
            return struct.pack("<I", error.errno or 0) + bytes(_NEW.size - 4)
        times = (int(found.st_atime), int(found.st_mtime), int(found.st_ctime))
        owner = (found.st_uid, found.st_gid)
        where = (found.st_dev, found.st_ino, found.st_mode, found.st_nlink)
        return _NEW.pack(0, *where, *owner, found.st_size, *times)

    async def _list(self, stream: Stream, path: str) -> None:
        folder = self.real(path)
        for name in sorted(os.listdir(folder)) if folder.is_dir() else []:
            told = os.fsencode(name)
            facts = self._old(f"{path}/{name}")
            await stream.write(b"DENT" + facts + struct.pack("<I", len(told)) + told)
        await stream.write(b"DONE" + bytes(16))

    # To the device ----------------------------------------------------------------------------

    async def _take(self, stream: Stream, path: str, mode: int) -> None:
        if not stat.S_ISREG(mode) and stat.S_IFMT(mode):
            raise Refused("only files can be pushed to a stand-in")
        target = self.real(path)
        # Written beside the target: as on a phone, a read-only file is replaced.
        with self._create(path, target) as file:
            partial = Path(file.name)
            try:
                changed = await self._receive(stream, file)
                file.flush()
                partial.chmod(stat.S_IMODE(mode))
                os.utime(partial, (changed, changed))
                os.replace(partial, target)
            except OSError:
                partial.unlink(missing_ok=True)
                raise
            except Refused:
                partial.unlink(missing_ok=True)
                raise
        await stream.write(b"OKAY" + bytes(4))

    def _create(self, path: str, target: Path) -> IO[bytes]:
        try:
            if self._faults.denies(path):
                raise _DENIED
            if self._faults.no_space_after == 0:
                raise _NO_SPACE
            target.parent.mkdir(parents=True, exist_ok=True)
            if target.is_dir():
                raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR))
            # It is renamed or removed by name.
            return tempfile.NamedTemporaryFile(dir=target.parent, prefix=".push-", delete=False)
        except OSError as error:
            raise Refused(f"couldn't create file: {error.strerror}") from None

    async def _receive(self, stream: Stream, file: IO[bytes]) -> int:
        while True:
            kind, size = struct.unpack("<4sI", await stream.read(8))
            if kind == b"DONE":
                return size  # the modification time is in the place of the length
            if kind != b"DATA" or size > _MAX:
                raise Refused("invalid data message")
            data = await stream.read(size)
            if not self._faults.room(size):
                raise Refused(f"write failed: {_NO_SPACE.strerror}")
            file.write(data)

    # From the device --------------------------------------------------------------------------

    async def _give(self, stream: Stream, path: str) -> None:
        try:
            with self.real(path).open("rb") as file:
                while data := file.read(_MAX):
                    await stream.write(b"DATA" + struct.pack("<I", len(data)) + data)
        except ConnectionError:
            raise
        except OSError as error:
            raise Refused(f"open failed: {error.strerror}") from None
        await stream.write(b"DONE" + bytes(4))


async def _drain(stream: Stream) -> None:
    """Read what the host still sends before it sees the refusal, or it might never see it."""
    while True:
        kind, size = struct.unpack("<4sI", await stream.read(8))
        if kind != b"DATA":
            return
        await stream.read(size)
