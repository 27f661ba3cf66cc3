"""LiteRT models in LiteRT's runtime, with XNNPACK."""

import ctypes
import functools
import importlib.metadata
import math
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from squeezebert_mobile.artifact import ModelSpec
from squeezebert_mobile.closeable import Closeable
from squeezebert_mobile.errors import ArtifactError, InputError, require
from squeezebert_mobile.formats import signature
from squeezebert_mobile.runtime.sessions.base import (
    CLOSED,
    FloatArray,
    IntArray,
    checked_feed,
    last_line,
    run_rows,
)
from squeezebert_mobile.runtime.sessions.native_logs import (
    close_stderr_at_exit,
    without_native_logs,
)
from squeezebert_mobile.runtime.sessions.padding import run_padded
from squeezebert_mobile.runtime.sessions.page_cache import kept_in_cache
from squeezebert_mobile.runtime.sessions.tflite_check import check_model

__all__ = ["LiteRtSession", "check_file"]

#: XNNPACK packs weights for its kernels. In this cache, in memory, the signatures share them.
_SHARED_WEIGHTS = ":memory"


@functools.cache
def _environment() -> Any:
    """LiteRT's accelerators. They are never freed, which LiteRT would log to stderr."""
    environment = require("ai_edge_litert.environment", "litert")
    options = environment.EnvironmentOptions(str(Path(str(environment.__file__)).parent))
    created = environment.Environment.create(options=options)
    ctypes.pythonapi.Py_IncRef(ctypes.py_object(created))
    return created


def check_file(path: Path) -> None:
    """Check the tables of a file before a session loads it; LiteRT crashes on damaged ones.

    Raises:
        ArtifactError: it is no LiteRT model, or is damaged.
    """
    require("ai_edge_litert", "litert")
    try:
        check_model(np.memmap(path, mode="r"))
    except (OSError, ValueError) as error:
        raise _cannot_load(path, error) from None


def _cannot_load(path: Path, error: Exception) -> ArtifactError:
    version = importlib.metadata.version("ai-edge-litert")
    return ArtifactError(
        f"ai-edge-litert {version} cannot load {str(path)!r}: {last_line(error)}; upgrade "
        "ai-edge-litert, or export the checkpoint again"
    )


class LiteRtSession(Closeable):
    """A LiteRT model with the interface of a session.

    A signature has the fixed shape (1, length). A row runs in the shortest that it fits in, padded
    on the right; the rows of a batch (and the choices) run one by one.
    """

    def __init__(self, path: Path, spec: ModelSpec, *, threads: int | None) -> None:
        """Load a file that `check_file` has checked; with `threads` None, LiteRT chooses."""
        self._model: Any = None
        compiled_model = require("ai_edge_litert.compiled_model", "litert")
        options = require("ai_edge_litert.options", "litert")
        cpu = options.CpuOptions(threads or 0, xnnpack_weight_cache_path=_SHARED_WEIGHTS)
        load = compiled_model.CompiledModel.from_file
        try:
            with kept_in_cache(path), without_native_logs():
                self._model = load(
                    str(path), environment=_environment(), options=options.Options(cpu_options=cpu)
                )
                signatures = self._model.get_signature_list()
        except Exception as error:  # LiteRT's native errors have no public base
            raise _cannot_load(path, error) from None
        self.spec = spec
        self._lengths = spec.sequence_lengths or (spec.max_sequence_length,)
        self._check(str(path), signatures)
        self._buffers: dict[int, _Buffers] = {}  # length -> buffers, made when first used
        self._lock = threading.Lock()  # a signature has a single set of buffers

    def run(self, feed: Mapping[str, ArrayLike]) -> dict[str, FloatArray]:
        """Run the model on a batch of any size.

        Raises:
            InputError: the feed does not match the spec, or the session is closed.
        """
        if self._model is None:
            raise InputError(CLOSED)
        arrays = checked_feed(self.spec, feed, rows_apart=True)
        return run_rows(arrays, lambda row: run_padded(self.spec, row, self._run_padded))

    def close(self) -> None:
        """Free the model, when its run has ended; a later `run` raises InputError."""
        with self._lock:
            self._buffers = {}
            self._model = None

    def _run_padded(self, row: Mapping[str, IntArray]) -> dict[str, FloatArray]:
        length = row["input_ids"].shape[-1]
        with self._lock:
            if self._model is None:  # closed by another thread, between two rows of a batch
                raise InputError(CLOSED)
            try:
                if length not in self._buffers:
                    buffers = _Buffers(self._model, self.spec, length)
                    with without_native_logs():  # the first write of a process makes an environment
                        buffers.write(row)
                    close_stderr_at_exit()
                    self._buffers[length] = buffers
                return self._buffers[length].run(row)
            except Exception as error:  # LiteRT's native errors have no public base
                raise InputError(f"the model cannot run this input: {last_line(error)}") from None

    def _check(self, path: str, signatures: Mapping[str, Mapping[str, list[str]]]) -> None:
        expected = {
            "inputs": sorted(each.name for each in self.spec.inputs),
            "outputs": sorted(each.name for each in self.spec.outputs),
        }
        for length in self._lengths:
            found = signatures.get(signature(length), {})
            for kind, names in expected.items():
                if sorted(found.get(kind, ())) != names:
                    raise ArtifactError(
                        f"{path!r} has the signatures {sorted(signatures)}, but its manifest says "
                        f"{signature(length)!r} with the {kind} {names}; export the checkpoint "
                        "again"
                    )


class _Buffers:
    """The inputs and outputs of a signature."""

    def __init__(self, model: Any, spec: ModelSpec, length: int) -> None:
        self._model, self._signature = model, signature(length)
        self._inputs = {
            each.name: model.create_input_buffer_by_name(self._signature, each.name)
            for each in spec.inputs
        }
        self._outputs = {
            each.name: model.create_output_buffer_by_name(self._signature, each.name)
            for each in spec.outputs
        }
        details = model.get_output_tensor_details(self._signature)
        self._shapes = {name: tuple(details[name]["shape"]) for name in self._outputs}

    def write(self, row: Mapping[str, IntArray]) -> None:
        """Set the inputs to a row of the signature's length."""
        for name, buffer in self._inputs.items():
            buffer.write(row[name].astype(np.int32))

    def run(self, row: Mapping[str, IntArray]) -> dict[str, FloatArray]:
        """The outputs for a row of the signature's length."""
        self.write(row)
        self._model.run_by_name(self._signature, self._inputs, self._outputs)
        return {
            name: buffer.read(math.prod(self._shapes[name]), np.float32).reshape(self._shapes[name])
            for name, buffer in self._outputs.items()
        }
