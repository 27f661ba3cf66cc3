"""A model that runs under emulation, as a session like any other.

The guest program reads requests from its standard input, and answers each:

    run NAME,NAME,... SIZE SIZE...   followed by an int64 array of that shape for each name
        outputs N                    and N times "NAME SIZE SIZE...", followed by a float32 array
    count                            runs the last inputs again, between two marks
        counted
    profile                          the same with the runtime's profiler
        events BYTES                 followed by the events that reading.py reads

A name is "-" if the runtime does not tell it: outputs are then in the order of the manifest.
"""

import os
import subprocess
import tempfile
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from numpy.typing import ArrayLike

from squeezebert_mobile.artifact import ModelSpec
from squeezebert_mobile.benchmarks.arm64.runtimes import Runtime
from squeezebert_mobile.benchmarks.arm64.userland import Userland
from squeezebert_mobile.closeable import Closeable
from squeezebert_mobile.errors import BenchmarkError
from squeezebert_mobile.runtime.sessions.base import FloatArray, IntArray, run_rows
from squeezebert_mobile.runtime.sessions.padding import run_padded
from squeezebert_mobile.tasks import INPUT_NAMES

__all__ = ["Guest", "GuestSession"]


class Guest(Closeable):
    """A guest program with a loaded model. Used as a context manager, it ends with the block."""

    def __init__(self, userland: Userland, model: Path, *, cpu: str, runtime: Runtime) -> None:
        """Start the program; a model that cannot be loaded fails at the first request."""
        self._what = f"{str(model)!r} does not run on {cpu} with {runtime.label}"
        self._stderr = tempfile.TemporaryFile()
        self._process = subprocess.Popen(
            userland.command(cpu, runtime, model),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._stderr,
            env={**os.environ, "OMP_NUM_THREADS": "1"},
        )

    def close(self) -> None:
        """End the program."""
        self._process.kill()
        self._process.communicate()
        self._stderr.close()

    def run(self, arrays: Mapping[str, IntArray]) -> list[tuple[str, FloatArray]]:
        """Run the model, and return its outputs with their names.

        Raises:
            BenchmarkError: the program has ended.
        """
        shape = next(iter(arrays.values())).shape
        head = " ".join(["run", ",".join(arrays), *map(str, shape)])
        data = b"".join(
            np.ascontiguousarray(array, np.int64).tobytes() for array in arrays.values()
        )
        (count,) = self._request(head, data)
        outputs = []
        for _ in range(int(count)):
            name, *sizes = self._read_line()
            sizes_read = [int(size) for size in sizes]
            values = np.frombuffer(self._read(4 * int(np.prod(sizes_read))), np.float32)
            outputs.append((name, values.reshape(sizes_read)))
        return outputs

    def count(self) -> None:
        """Run the last inputs again, between two marks."""
        self._request("count")

    def profile(self) -> list[str]:
        """Run the last inputs again with the profiler, and return the events; [] if it has none."""
        (size,) = self._request("profile")
        return self._read(int(size)).decode().splitlines()

    def readings(self) -> list[str]:
        """The lines of the plugin so far."""
        return [line for line in self._lines() if line.startswith(("clock ", "mark "))]

    def _lines(self) -> list[str]:
        self._stderr.seek(0)
        return self._stderr.read().decode(errors="replace").splitlines()

    def _request(self, line: str, data: bytes = b"") -> list[str]:
        """Send a request, and return the words of the answer's first line, without the first."""
        assert self._process.stdin
        try:
            self._process.stdin.write(f"{line}\n".encode() + data)
            self._process.stdin.flush()
        except BrokenPipeError:
            raise self._ended() from None
        return self._read_line()[1:]

    def _read_line(self) -> list[str]:
        assert self._process.stdout
        line = self._process.stdout.readline()
        if not line.endswith(b"\n"):
            raise self._ended()
        return line.decode().split()

    def _read(self, size: int) -> bytes:
        assert self._process.stdout
        data = self._process.stdout.read(size)
        if len(data) < size:
            raise self._ended()
        return data

    def _ended(self) -> BenchmarkError:
        self._process.wait()
        lines = [line for line in self._lines() if not line.startswith(("clock ", "mark "))]
        return BenchmarkError(f"{self._what}: {lines[-1] if lines else 'no output'}")


class GuestSession:
    """A guest with the interface of a session."""

    def __init__(self, guest: Guest, spec: ModelSpec, *, rows_apart: bool) -> None:
        """Wrap a guest that runs an artifact's model; `rows_apart` if it takes one row only."""
        self._guest, self._spec, self._rows_apart = guest, spec, rows_apart
        self._names = [output.name for output in spec.outputs]

    def run(self, feed: Mapping[str, ArrayLike]) -> dict[str, FloatArray]:
        """Run the model on inputs of shape (batch, sequence), or (batch, choices, sequence)."""
        arrays = {name: np.asarray(feed[name], np.int64) for name in INPUT_NAMES}
        if not self._rows_apart:
            return self._named(self._guest.run(arrays))
        return run_rows(arrays, lambda row: run_padded(self._spec, row, self._run_padded))

    def _run_padded(self, row: dict[str, IntArray]) -> dict[str, FloatArray]:
        return self._named(self._guest.run(row))

    def close(self) -> None:
        """Nothing to do: the guest ends with its block."""

    def _named(self, outputs: list[tuple[str, FloatArray]]) -> dict[str, FloatArray]:
        named = {
            name if told == "-" else told: array
            for name, (told, array) in zip(self._names, outputs, strict=True)
        }
        return {name: named[name] for name in self._names}
