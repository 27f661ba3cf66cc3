"""Keeping a model file in Linux's page cache while a runtime loads it."""

import ctypes
import mmap
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np

__all__ = ["kept_in_cache"]

_MADV_DONTNEED = 4


@contextmanager
def kept_in_cache(path: Path) -> Iterator[None]:
    """Keep a file in the page cache while a runtime loads it within the block.

    XNNPACK asks Linux to reclaim the pages of each weight that it has packed. Linux drops them from
    its cache too, so that the next load reads them from the disk. Those in another mapping stay
    (except huge pages): this one has them all. At the end they are taken out of this process alone.
    """
    if sys.platform != "linux":
        yield
        return
    content = np.memmap(path, mode="r")
    content[:: mmap.PAGESIZE].max(initial=0)  # reads every page, so that the mapping has it
    try:
        yield
    finally:
        del content
        _release(path)


def _release(path: Path) -> None:
    """Take the pages of a file out of this process; they come back when they are read."""
    name = os.fsencode(os.path.realpath(path))
    madvise = ctypes.CDLL(None).madvise
    with open("/proc/self/maps", "rb") as maps:
        for line in maps:
            # 7f0c8a000000-7f0c8d1e3000 r--s 00000000 08:01 1048602      /folder/model.tflite
            fields = line.rstrip(b"\n").split(maxsplit=5)
            if fields[5:] == [name] and b"w" not in fields[1]:
                start, end = (int(each, 16) for each in fields[0].split(b"-"))
                madvise(ctypes.c_void_p(start), ctypes.c_size_t(end - start), _MADV_DONTNEED)
