"""Locks of open files, which end with the process, however it ends."""

import os
import sys

__all__ = ["lock"]

_FAR_BYTE = 1 << 40  # Windows locks bytes, and a locked one cannot be read by others


def lock(descriptor: int, *, wait: bool = False) -> None:
    """Lock an open file (on POSIX also a folder) until it is closed.

    Args:
        descriptor: Of the open file.
        wait: Wait until no other process has it locked; on Windows for ten seconds.

    Raises:
        BlockingIOError: another process has locked it.
    """
    if sys.platform == "win32":
        import msvcrt

        place = os.lseek(descriptor, 0, os.SEEK_CUR)
        try:
            os.lseek(descriptor, _FAR_BYTE, os.SEEK_SET)
            msvcrt.locking(descriptor, msvcrt.LK_LOCK if wait else msvcrt.LK_NBLCK, 1)
        except OSError as error:
            raise BlockingIOError(error.errno, error.strerror) from None
        finally:
            os.lseek(descriptor, place, os.SEEK_SET)
    else:
        import fcntl

        fcntl.flock(descriptor, fcntl.LOCK_EX if wait else fcntl.LOCK_EX | fcntl.LOCK_NB)
