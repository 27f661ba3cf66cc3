"""Many short programs, as forks of one process that has imported what all of them import.

A fork has its own modules, working directory and standard streams, as a new process has; only the
time to start Python and to import is saved.
"""

import json
import os
import select
import subprocess
import sys
import tempfile
import traceback
from collections.abc import Sequence
from pathlib import Path
from typing import IO, Any, Self

from squeezebert_mobile.closeable import Closeable

#: The command line as a program.
COMMAND = "from squeezebert_mobile.cli import main; main()"
#: Imports what its commands import, also parts of typer, which a command imports when it runs.
#: `bench --preset rapid` measures no longer than its runs take, and exports need fewer texts.
COMMANDS = """
import contextlib, io, sys
from dataclasses import replace
import onnxruntime, sklearn.metrics, squeezebert_mobile.artifact, squeezebert_mobile.cli as cli
import squeezebert_mobile.benchmarks.report, squeezebert_mobile.cli.printing.artifact
import squeezebert_mobile.cli.printing.checkpoint, squeezebert_mobile.evaluation.scoring
import squeezebert_mobile.export, squeezebert_mobile.models.checkpoint, squeezebert_mobile.runtime
from squeezebert_mobile.benchmarks.measure.schedule import PRESETS
from squeezebert_mobile.export import convert
PRESETS["rapid"] = replace(PRESETS["rapid"], seconds=0, starts=1)
texts = convert.shipped_texts()[::8]
convert.shipped_texts = lambda: texts
sys.argv[1:] = ["inspect", "--help"]
with contextlib.redirect_stdout(io.StringIO()), contextlib.suppress(SystemExit):
    cli.main()
"""


class Fork:
    """A program that runs.

    Args:
        answers: Where the process that it was forked from reports how it ends.
        pid: The number of its process.
    """

    def __init__(self, answers: IO[bytes], pid: int) -> None:
        self._answers, self._pid = answers, pid

    def ended(self, seconds: float = 0) -> bool:
        """Whether it has ended, or does so within the time."""
        return bool(select.select([self._answers], [], [], seconds)[0])

    def send_signal(self, number: int) -> None:
        """Send it a signal, unless it has ended."""
        if not self.ended():
            os.kill(self._pid, number)

    def wait(self) -> int:
        """Its exit code; a negative one is that of the signal that ended it."""
        return int(self._answers.readline())


class Forks(Closeable):
    """Runs a program with different arguments, one after the other.

    Args:
        shared: The source of what is done once, before the forks: imports.
    """

    def __init__(self, shared: str) -> None:
        self._shared = shared

    def __enter__(self) -> Self:
        theirs_in, ours_out = os.pipe()
        ours_in, theirs_out = os.pipe()
        fds = theirs_in, theirs_out
        self._process = subprocess.Popen(
            [sys.executable, __file__, *map(str, fds), self._shared],
            stdin=subprocess.DEVNULL,
            pass_fds=fds,
        )
        for fd in fds:
            os.close(fd)
        self._requests, self._answers = os.fdopen(ours_out, "w"), os.fdopen(ours_in, "rb", 0)
        return self

    def close(self) -> None:
        """End the process."""
        self._requests.close()
        self._answers.close()
        self._process.wait()

    def run(
        self,
        folder: Path,
        *words: str,
        stdin: bytes = b"",
        stdout: str = "",
        encoding: str = "utf-8",
        program: str = COMMAND,
    ) -> subprocess.CompletedProcess[bytes]:
        """Run the program in a folder with these arguments.

        Args:
            folder: The working directory.
            words: The arguments.
            stdin: What it reads from standard input.
            stdout: A file for standard output, such as /dev/full; the result has none of it then.
            encoding: That of the standard streams, as PYTHONIOENCODING sets it.
            program: The source of the program; `sys.argv` has the arguments.
        """
        with tempfile.TemporaryDirectory() as place:
            files = [os.path.join(place, name) for name in ("in", "out", "err")]
            os.mkfifo(files[0])
            files[1] = stdout or files[1]
            options = {"files": files, "encoding": encoding, "program": program}
            fork = self.start(folder, *words, **options)
            with open(files[0], "wb") as pipe:  # as soon as the program has opened it
                pipe.write(stdin)
            code = fork.wait()
            out, err = (b"" if file == stdout else Path(file).read_bytes() for file in files[1:])
        return subprocess.CompletedProcess(words, code, out, err)

    def start(
        self,
        folder: Path,
        *words: str,
        files: Sequence[str] = (os.devnull, os.devnull, os.devnull),
        encoding: str = "utf-8",
        program: str = COMMAND,
    ) -> Fork:
        """Start the program; `files` are its standard streams, and the rest is as for `run`."""
        request = {"folder": str(folder), "words": words, "files": files}
        request |= {"encoding": encoding, "program": program}
        print(json.dumps(request), file=self._requests, flush=True)
        return Fork(self._answers, int(self._answers.readline()))


def _serve(requests: int, answers: int, shared: str) -> None:
    exec(shared, {})  # noqa: S102 -- a test's own source
    with os.fdopen(requests) as lines:
        for line in lines:
            if not (child := os.fork()):
                _run(json.loads(line))
            os.write(answers, f"{child}\n".encode())
            _, status = os.waitpid(child, 0)
            os.write(answers, f"{os.waitstatus_to_exitcode(status)}\n".encode())


def _run(request: dict[str, Any]) -> None:
    code = 1
    try:
        for number, file in enumerate(request["files"]):
            flags = os.O_WRONLY | os.O_CREAT if number else os.O_RDONLY
            os.dup2(os.open(file, flags), number)
        os.environ["PYTHONIOENCODING"] = request["encoding"]  # of processes that it starts
        for stream in (sys.stdin, sys.stdout, sys.stderr):
            stream.reconfigure(encoding=request["encoding"])
        os.chdir(request["folder"])
        sys.argv = ["squeezebert-mobile", *request["words"]]
        try:
            exec(request["program"], {"__name__": "__main__"})  # noqa: S102
            code = 0
        except SystemExit as stop:
            code = int(stop.code or 0)
        except BaseException:
            traceback.print_exc()
        try:
            sys.stdout.flush()
            sys.stderr.flush()
        except OSError:
            code = 120  # as Python exits then
    finally:
        os._exit(code)


if __name__ == "__main__":
    _serve(*map(int, sys.argv[1:3]), sys.argv[3])
