"""Many short programs, as forks of one process that has imported what all of them import.

A fork has its own modules, working directory and output, as a new process has; only the time to
start Python and to import is saved.
"""

import json
import os
import subprocess
import sys
import tempfile
import traceback
from pathlib import Path
from typing import Any, Self

from squeezebert_mobile.closeable import Closeable


class Forks(Closeable):
    """Runs a program with different arguments.

    Args:
        shared: The source of what is done once, before the forks: imports.
        program: The source of the program; `sys.argv` has the arguments.
    """

    def __init__(self, shared: str, program: str) -> None:
        self._words = [sys.executable, __file__, shared, program]

    def __enter__(self) -> Self:
        self._process = subprocess.Popen(
            self._words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        return self

    def close(self) -> None:
        """End the process."""
        self._process.communicate()

    def run(self, folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
        """Run the program in a folder with these arguments."""
        assert self._process.stdin and self._process.stdout
        with tempfile.TemporaryDirectory() as place:
            files = {name: os.path.join(place, name) for name in ("out", "err")}
            request = {"folder": str(folder), "words": words, "in": os.devnull, **files}
            self._process.stdin.write(json.dumps(request) + "\n")
            self._process.stdin.flush()
            code = int(self._process.stdout.readline())
            out, err = (Path(file).read_text(encoding="utf-8") for file in files.values())
        return subprocess.CompletedProcess([*self._words[:1], *words], code, out, err)


def _serve(shared: str, program: str) -> None:
    space: dict[str, Any] = {"__name__": "__main__"}
    exec(shared, space)  # noqa: S102 -- the test's own source
    for line in sys.stdin:
        request = json.loads(line)
        if not (child := os.fork()):
            _run(request, program, space)
        _, status = os.waitpid(child, 0)
        print(os.waitstatus_to_exitcode(status), flush=True)


def _run(request: dict[str, Any], program: str, space: dict[str, Any]) -> None:
    code = 1
    try:
        for number, name in enumerate(("in", "out", "err")):
            flags = os.O_RDONLY if number == 0 else os.O_WRONLY | os.O_CREAT
            os.dup2(os.open(request[name], flags), number)
        os.chdir(request["folder"])
        sys.argv = ["-c", *request["words"]]
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
    _serve(*sys.argv[1:])
