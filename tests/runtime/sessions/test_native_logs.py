"""stderr is silent within a block, and only there."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from squeezebert_mobile.runtime.sessions.native_logs import without_native_logs


def _stderr() -> tuple[int, int]:
    status = os.fstat(2)
    return status.st_dev, status.st_ino


def test_blocks_of_two_threads_that_overlap() -> None:
    null = (os.stat(os.devnull).st_dev, os.stat(os.devnull).st_ino)
    before = _stderr()
    first, second = without_native_logs(), without_native_logs()
    first.__enter__()
    second.__enter__()
    first.__exit__(None, None, None)
    assert _stderr() == null
    second.__exit__(None, None, None)
    assert _stderr() == before


def test_a_process_without_stderr(tmp_path: Path) -> None:
    code = (
        "import sys\n"
        "from squeezebert_mobile.runtime.sessions.native_logs import without_native_logs\n"
        "assert sys.stderr is None\n"
        "with without_native_logs():\n"
        "    print('in the block')\n"
        "open(sys.argv[1], 'w').write('a file of the program')\n"
    )
    command = [sys.executable, "-c", code, str(tmp_path / "file")]
    done = subprocess.run(["sh", "-c", 'exec "$@" 2>&-', "sh", *command], capture_output=True)
    assert (done.returncode, done.stdout) == (0, b"in the block\n")
    assert (tmp_path / "file").read_text() == "a file of the program"


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt])
def test_stderr_is_back_after_an_error(error: type[BaseException]) -> None:
    before = _stderr()
    with pytest.raises(error), without_native_logs():
        raise error
    assert _stderr() == before
