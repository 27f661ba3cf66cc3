"""Sessions of the formats whose Python runtimes need torch: TorchScript and ExecuTorch.

Their threads belong to the process, not to a session, so all sessions of a format that are open at
once have the same number of them.
"""

import importlib.metadata
import math
import os
import sys
import threading
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from squeezebert_mobile.artifact import Manifest
from squeezebert_mobile.errors import (
    ArtifactError,
    InputError,
    MissingExtraError,
    require,
    require_extra,
)
from squeezebert_mobile.runtime.closing import Closing
from squeezebert_mobile.runtime.session import FloatArray, checked_feed

__all__ = ["ExecuTorchSession", "Program", "TorchScriptSession"]


class _ProcessThreads:
    """The threads of a runtime that has one pool for the process."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._lock = threading.Lock()
        self._count: int | None = None
        self._sessions = 0

    def claim(self, count: int | None, set_threads: Callable[[int], object]) -> None:
        """Take part with `count` threads; None takes what there is.

        Raises:
            InputError: another session is open with another number.
        """
        with self._lock:
            if count is not None and self._sessions and count != self._count:
                raise InputError(
                    f"threads={count} cannot be had: {self._name} has one pool of threads for the "
                    f"process, and a session with {self._count or 'the usual number'} is open; "
                    "close it first, or give the same number"
                )
            if count is not None and count != self._count:
                set_threads(count)
                self._count = count
            self._sessions += 1

    def release(self) -> None:
        """Take part no more."""
        with self._lock:
            self._sessions -= 1


_TORCH_THREADS = _ProcessThreads("torch")


class TorchScriptSession(Closing):
    """A TorchScript archive in torch."""

    def __init__(self, folder: Path, manifest: Manifest, *, threads: int | None) -> None:
        """Load the model file of a checked artifact; None leaves the threads to torch."""
        self._model: Any = None
        self._torch = torch = require("torch", "export")
        path = str(folder / manifest.model_file)
        engine = manifest.quantization.engine if manifest.quantization else None
        try:
            with _engine(torch, engine), warnings.catch_warnings():
                warnings.simplefilter("ignore")  # torch advises torch.export
                if engine:
                    # torch warns of this type once a process; said here, it is not said by its
                    # C++ reader, which writes to stderr.
                    torch.quantize_per_tensor(torch.zeros(1), 1.0, 0, torch.qint8)
                # int8 weights are packed again, for the engine, while they are read
                model = torch.jit.load(path, map_location="cpu")
        except (RuntimeError, ValueError, OSError) as error:
            raise ArtifactError(
                f"torch {torch.__version__} cannot load {path!r}: {_last_line(error)}; "
                "upgrade torch, or export the checkpoint again"
            ) from None
        _TORCH_THREADS.claim(threads, torch.set_num_threads)
        self._model = model
        self.manifest = manifest
        self._outputs = [output.name for output in manifest.outputs]

    def run(self, feed: Mapping[str, ArrayLike]) -> dict[str, FloatArray]:
        """The model's outputs for a feed; token_type_ids and attention_mask may be left out.

        Raises:
            InputError: the feed is not what the manifest says, or the session is closed.
        """
        if self._model is None:
            raise InputError("this session is closed; load the artifact again")
        torch = self._torch
        arrays = checked_feed(self.manifest, feed)
        inputs = [torch.from_numpy(np.ascontiguousarray(array)) for array in arrays.values()]
        try:
            with torch.inference_mode():
                outputs = self._model(*inputs)
        except Exception as error:  # torch's interpreter has errors of its own
            raise InputError(f"the model cannot run this input: {_last_line(error)}") from None
        return {name: out.numpy() for name, out in zip(self._outputs, outputs, strict=True)}

    def close(self) -> None:
        """Free the model; a later `run` is an error."""
        if self._model is not None:
            self._model = None
            _TORCH_THREADS.release()

    def __del__(self) -> None:
        """Free the threads' number as well."""
        self.close()


@contextmanager
def _engine(torch: Any, name: str | None) -> Iterator[None]:
    """Torch's engine for int8, for a while.

    Raises:
        ArtifactError: this torch has not got it.
    """
    engines = torch.backends.quantized
    if name is not None and name not in engines.supported_engines:
        raise ArtifactError(
            f"the model is packed for torch's engine {name!r}, and this torch has: "
            f"{', '.join(engines.supported_engines)}; export it again with --engine"
        )
    before = engines.engine
    engines.engine = name or before
    try:
        yield
    finally:
        engines.engine = before


def _last_line(error: Exception) -> str:
    """What went wrong; before it stands where, in the interpreter's source."""
    lines = [line for line in str(error).splitlines() if line.strip()]
    return lines[-1] if lines else type(error).__name__


# ExecuTorch ---------------------------------------------------------------------------------

_EXECUTORCH_THREADS = _ProcessThreads("executorch")


class Program(Closing):
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
                f"executorch {version} cannot load {path!r}: {_last_line(error)}; "
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
            raise InputError(f"the model cannot run this input: {_last_line(error)}") from None

    def close(self) -> None:
        """Free the program."""
        self._method = None
        if self._claimed:
            self._claimed = False
            _EXECUTORCH_THREADS.release()

    def __del__(self) -> None:
        """Free the threads' number as well."""
        self.close()


class ExecuTorchSession(Closing):
    """An artifact's ExecuTorch program.

    The program takes a batch of 1, so the rows of a batch (and choices) run one by one.
    """

    def __init__(self, folder: Path, manifest: Manifest, *, threads: int | None) -> None:
        """Load the model file of a checked artifact; None leaves the threads to executorch."""
        self._program = Program(str(folder / manifest.model_file), threads=threads)
        self._torch = require("torch", "export")
        self.manifest = manifest
        self._outputs = [output.name for output in manifest.outputs]

    def run(self, feed: Mapping[str, ArrayLike]) -> dict[str, FloatArray]:
        """The model's outputs for a feed of any batch.

        Raises:
            InputError: the feed is not what the manifest says, or the session is closed.
        """
        if self._program.closed:
            raise InputError("this session is closed; load the artifact again")
        arrays = checked_feed(self.manifest, feed, rows_apart=True)
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
        f"({_last_line(error)}); run: pip install --upgrade 'squeezebert-mobile[executorch]'"
    )
