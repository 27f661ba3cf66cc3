"""ONNX models in ONNX Runtime."""

import importlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from numpy.typing import ArrayLike

from squeezebert_mobile.artifact import ModelSpec, TensorSpec
from squeezebert_mobile.closeable import Closeable
from squeezebert_mobile.errors import ArtifactError, InputError, first_line
from squeezebert_mobile.runtime.sessions.base import CLOSED, FloatArray, checked_feed

__all__ = ["OnnxSession", "open_inference"]

#: onnxruntime: 0 verbose, 1 info, 2 warning, 3 error, 4 fatal. Errors are raised anyway.
_SEVERITY_FATAL = 4


class OnnxSession(Closeable):
    """An ONNX model in onnxruntime. All session options but the threads are defaults."""

    def __init__(self, path: Path, spec: ModelSpec, *, threads: int | None) -> None:
        """Load a model file; with `threads` None, onnxruntime chooses."""
        ort: Any = importlib.import_module("onnxruntime")
        options = ort.SessionOptions()
        options.intra_op_num_threads = threads or 0
        self._session: Any = open_inference(path, options)
        _check_names(str(path), "input", self._session.get_inputs(), spec.inputs)
        _check_names(str(path), "output", self._session.get_outputs(), spec.outputs)
        self.spec = spec
        self._outputs = [output.name for output in spec.outputs]

    def run(self, feed: Mapping[str, ArrayLike]) -> dict[str, FloatArray]:
        """Run the model; token_type_ids and attention_mask are optional.

        Raises:
            InputError: the feed does not match the spec, or the session is closed.
        """
        session = self._session
        if session is None:
            raise InputError(CLOSED)
        arrays = checked_feed(self.spec, feed)
        try:
            return dict(zip(self._outputs, session.run(self._outputs, arrays), strict=True))
        except Exception as error:
            raise InputError(f"the model cannot run this input: {first_line(error)}") from None

    def close(self) -> None:
        """Free the model; a later `run` raises InputError."""
        self._session = None


def open_inference(path: Path, options: Any, **more: Any) -> Any:
    """An InferenceSession on the CPU, silent.

    Args:
        path: The model file.
        options: The SessionOptions.
        more: Other arguments of InferenceSession.

    Raises:
        ArtifactError: onnxruntime cannot load it.
    """
    ort: Any = importlib.import_module("onnxruntime")  # imported late, as it is slow
    options.log_severity_level = _SEVERITY_FATAL
    try:
        return ort.InferenceSession(
            str(path), options, providers=["CPUExecutionProvider"], enable_fallback=0, **more
        )  # with the fallback it would print, and try the same again
    except Exception as error:  # onnxruntime's own errors have no public base
        raise ArtifactError(
            f"onnxruntime {ort.__version__} cannot load {str(path)!r}: {first_line(error)}; "
            "upgrade onnxruntime, or export the checkpoint again"
        ) from None


def _check_names(path: str, kind: str, nodes: Sequence[Any], specs: Sequence[TensorSpec]) -> None:
    ours, theirs = {spec.name for spec in specs}, {node.name for node in nodes}
    if ours != theirs:
        raise ArtifactError(
            f"{path!r} has the {kind}s {sorted(theirs)}, but its manifest says {sorted(ours)}; "
            "export the checkpoint again"
        )
