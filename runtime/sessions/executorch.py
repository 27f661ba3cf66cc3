"""ExecuTorch programs in executorch's Python runtime, with XNNPACK."""

import importlib.metadata
import math
import os
import sys
import threading
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from squeezebert_mobile.artifact import ModelSpec
from squeezebert_mobile.closeable import Closeable
from squeezebert_mobile.errors import (
    ArtifactError,
    InputError,
    MissingExtraError,
    require,
    require_extra,
)
from squeezebert_mobile.runtime.sessions.base import FloatArray, checked_feed, last_line
from squeezebert_mobile.runtime.sessions.shared_threads import SharedThreads

__all__ = ["ExecuTorchSession", "Program"]

_EXECUTORCH_THREADS = SharedThreads("executorch")


class Program(Closeable):
    """An ExecuTorch program in executorch's Python runtime, with XNNPACK."""

    def __init__(self, path: str, *, threads: int | None) -> None:
        """Load a program; None leaves the threads to executorch.

        Raises:
            ArtifactError: executorch cannot load it.
            InputError: another one is open with another number of threads.
            MissingExtraError: executorch is not installed, or was built for another torch.
        """
        self._method: Any = None
        self._claimed = False
        torch = require("torch", "export")
        require_extra("executorch")
        try:
            with _without_native_logs(), warnings.catch_warnings():
                warnings.simplefilter("ignore")  # executorch calls its Python runtime experimental
                from executorch.extension.pybindings import portable_lib
                from executorch.runtime import Runtime, Verification

                # Before the program is loaded: its operators keep the pool that they find.
                _EXECUTORCH_THREADS.claim(threads, portable_lib._unsafe_reset_threadpool)
                self._claimed = True
                program = Runtime.get().load_program(path, verification=Verification.Minimal)
                self._method = program.load_method("forward")
        except ImportError as error:
            raise _other_torch(torch, error) from None
        except RuntimeError as error:
            version = importlib.metadata.version("executorch")
            raise ArtifactError(
                f"executorch {version} cannot load {path!r}: {last_line(error)}; "
                "upgrade executorch, or export the checkpoint again"
            ) from None
        self._lock = threading.Lock()  # a method has one set of buffers

    @property
    def closed(self) -> bool:
        """Whether `close` was called."""
        return self._method is None

    def execute(self, inputs: list[Any]) -> list[FloatArray]:
        """The outputs for these tensors.

        Raises:
            InputError: the program cannot run them.
        """
        try:
            with self._lock:
                return [output.numpy().copy() for output in self._method.execute(inputs)]
        except RuntimeError as error:
            raise InputError(f"the model cannot run this input: {last_line(error)}") from None

    def close(self) -> None:
        """Free the program."""
        self._method = None
        if self._claimed:
            self._claimed = False
            _EXECUTORCH_THREADS.release()

    def __del__(self) -> None:
        """Free the threads' number as well."""
        self.close()


class ExecuTorchSession(Closeable):
    """An ExecuTorch program, called like the sessions of the other formats.

    The program takes a batch of 1, so the rows of a batch (and choices) run one by one.
    """

    def __init__(self, path: Path, spec: ModelSpec, *, threads: int | None) -> None:
        """Load a model file; None leaves the threads to executorch."""
        self._program = Program(str(path), threads=threads)
        self._torch = require("torch", "export")
        self.spec = spec
        self._outputs = [output.name for output in spec.outputs]

    def run(self, feed: Mapping[str, ArrayLike]) -> dict[str, FloatArray]:
        """The model's outputs for a feed of any batch.

        Raises:
            InputError: the feed is not what the manifest says, or the session is closed.
        """
        if self._program.closed:
            raise InputError("this session is closed; load the artifact again")
        arrays = checked_feed(self.spec, feed, rows_apart=True)
        batch = arrays["input_ids"].shape[:-1]  # (B), or (B, N)
        rows = {name: array.reshape(-1, array.shape[-1]) for name, array in arrays.items()}
        found: dict[str, list[FloatArray]] = {name: [] for name in self._outputs}
        for place in range(math.prod(batch)):
            inputs = [
                self._torch.from_numpy(array[place].reshape((1,) * len(batch) + (-1,)))
                for array in rows.values()
            ]
            outputs = self._program.execute(inputs)
            for name, output in zip(self._outputs, outputs, strict=True):
                found[name].append(output)
        return {
            name: np.stack(outputs).reshape(batch + outputs[0].shape[len(batch) :])
            for name, outputs in found.items()
        }

    def close(self) -> None:
        """Free the model; a later `run` is an error."""
        self._program.close()


@contextmanager
def _without_native_logs() -> Iterator[None]:
    """Nothing on stderr for a while: executorch's native code tells of its way of counting CPUs."""
    sys.stderr.flush()
    kept, nowhere = os.dup(2), os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 2)
    try:
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)
        os.close(nowhere)


def _other_torch(torch: Any, error: ImportError) -> MissingExtraError:
    """executorch's native library is built for one minor version of torch."""
    version = importlib.metadata.version("executorch")
    return MissingExtraError(
        f"executorch {version} was built for another torch than {torch.__version__} "
        f"({last_line(error)}); run: pip install --upgrade 'squeezebert-mobile[executorch]'"
    )
