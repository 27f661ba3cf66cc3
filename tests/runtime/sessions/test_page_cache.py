"""A file that is loaded stays in the page cache, and leaves the process."""

import ctypes
import mmap
import os
import sys
from pathlib import Path

import numpy as np
import pytest
from mappings import resident_kib

from squeezebert_mobile.runtime.sessions.page_cache import kept_in_cache

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="XNNPACK asks only Linux for it")

PAGES = 1000
MADV_PAGEOUT = 21


def share_in_cache(path: Path) -> float:
    """Of the pages of a file."""
    content = np.memmap(path, mode="c")
    pages = np.zeros(PAGES, np.uint8)
    start, nbytes, found = content.ctypes.data, content.nbytes, pages.ctypes.data
    mincore = ctypes.CDLL(None).mincore
    assert mincore(ctypes.c_void_p(start), ctypes.c_size_t(nbytes), ctypes.c_void_p(found)) == 0
    return float((pages & 1).mean())


@pytest.mark.parametrize("name", ["model.tflite", "a model.tflite"])
def test_pages_that_a_runtime_gives_up(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    path.write_bytes(np.random.RandomState(0).bytes(PAGES * mmap.PAGESIZE))
    with path.open("rb+") as file:  # read from the disk, as by another process
        os.fsync(file.fileno())
        os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
    with kept_in_cache(path):
        theirs = np.memmap(path, mode="r")
        total = int(theirs[:: mmap.PAGESIZE].sum())
        theirs._mmap.madvise(MADV_PAGEOUT)  # type: ignore[attr-defined]
    assert share_in_cache(path) == 1
    assert resident_kib(path) == [0]
    assert int(theirs[:: mmap.PAGESIZE].sum()) == total
