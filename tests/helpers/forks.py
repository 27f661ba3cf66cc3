"""Many short programs, as forks of one process that has imported what all of them import.

A fork has its own modules, working directory and standard streams, as a new process has; only the
time to start Python and to import is saved.
"""

import json
import os
import subprocess
import sys
import tempfile
import traceback
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Self

from squeezebert_mobile.closeable import Closeable

#: The command line as a program.
COMMAND = "from squeezebert_mobile.cli import main; main()"
#: What commands on an artifact import.
RUNTIME = "import onnxruntime, squeezebert_mobile.runtime, squeezebert_mobile.cli"


#: `bench --preset rapid` measures no longer than its runs take.
RAPID = """
from dataclasses import replace
from squeezebert_mobile.benchmarks.measure.schedule import PRESETS
PRESETS["rapid"] = replace(PRESETS["rapid"], seconds=0, starts=1)
"""


class Forks(Closeable):
    """Runs a program with different arguments.

    Args:
        shared: The source of what is done once, before the forks: imports.
        program: The source of the program; `sys.argv` has the arguments.
        environment: Changes to the environment of all.
    """

    def __init__(
        self, shared: str, program: str = COMMAND, environment: Mapping[str, str] | None = None
    ) -> None:
        self._sources = shared, program
        self._environment = {**os.environ, **(environment or {})}

    def __enter__(self) -> Self:
        theirs_in, ours_out = os.pipe()
        ours_in, theirs_out = os.pipe()
        fds = theirs_in, theirs_out
        self._process = subprocess.Popen(
            [sys.executable, __file__, *map(str, fds), *self._sources],
            stdin=subprocess.DEVNULL,
            env=self._environment,
            pass_fds=fds,
        )
        for fd in fds:
            os.close(fd)
        self._requests, self._codes = os.fdopen(ours_out, "w"), os.fdopen(ours_in)
        return self

    def close(self) -> None:
        """End the process."""
        self._requests.close()
        self._codes.close()
        self._process.wait()

    def run(
        self, folder: Path, *words: str, stdin: bytes = b""
    ) -> subprocess.CompletedProcess[bytes]:
        """Run the program in a folder with these arguments."""
        with tempfile.TemporaryDirectory() as place:
            files = [os.path.join(place, name) for name in ("in", "out", "err")]
            os.mkfifo(files[0])
            request = {"folder": str(folder), "words": words, "files": files}
            print(json.dumps(request), file=self._requests, flush=True)
            with open(files[0], "wb") as pipe:  # as soon as the program has opened it
                pipe.write(stdin)
            code = int(self._codes.readline())
            out, err = (Path(file).read_bytes() for file in files[1:])
        return subprocess.CompletedProcess(words, code, out, err)


def _serve(requests: int, codes: int, shared: str, program: str) -> None:
    space: dict[str, Any] = {"__name__": "__main__"}
    exec(shared, space)  # noqa: S102 -- a test's own source
    with os.fdopen(requests) as lines:
        for line in lines:
            if not (child := os.fork()):
                _run(json.loads(line), program, space)
            _, status = os.waitpid(child, 0)
            os.write(codes, f"{os.waitstatus_to_exitcode(status)}\n".encode())


def _run(request: dict[str, Any], program: str, space: dict[str, Any]) -> None:
    code = 1
    try:
        for number, file in enumerate(request["files"]):
            flags = os.O_WRONLY | os.O_CREAT if number else os.O_RDONLY
            os.dup2(os.open(file, flags), number)
        os.chdir(request["folder"])
        sys.argv = ["squeezebert-mobile", *request["words"]]
        try:
            exec(program, space)  # noqa: S102
            code = 0
        except SystemExit as stop:
            code = int(stop.code or 0)
        except BaseException:
            traceback.print_exc()
        sys.stdout.flush()
        sys.stderr.flush()
    finally:
        os._exit(code)


if __name__ == "__main__":
    _serve(*map(int, sys.argv[1:3]), *sys.argv[3:5])
