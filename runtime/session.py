"""Sessions: one class for each format, all called in the same way.

    session = open_session(folder, manifest, threads=1)
    session.run({"input_ids": ids})["logits"]

What goes in is checked here against the manifest, so that every format answers a wrong input with
the same message.
"""

import importlib
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import ArrayLike, NDArray

from squeezebert_mobile.artifact import Manifest, TensorSpec
from squeezebert_mobile.errors import ArtifactError, InputError, choose
from squeezebert_mobile.runtime.closing import Closing

__all__ = [
    "SESSIONS",
    "FloatArray",
    "IntArray",
    "OnnxSession",
    "Session",
    "checked_feed",
    "open_session",
]

IntArray = NDArray[np.int64]
FloatArray = NDArray[np.float32]

#: onnxruntime: 0 verbose, 1 info, 2 warning, 3 error, 4 fatal. An error is raised as well.
_SEVERITY_FATAL = 4


class Session(Protocol):
    """A loaded model. Several threads may call `run` at once."""

    def run(self, feed: Mapping[str, ArrayLike]) -> dict[str, FloatArray]:
        """The model's outputs for a feed; token_type_ids and attention_mask may be left out."""
        ...

    def close(self) -> None:
        """Free the model; a later `run` is an error."""
        ...


class OnnxSession(Closing):
    """An ONNX model in onnxruntime, with its default session options but for the threads."""

    def __init__(self, folder: Path, manifest: Manifest, *, threads: int | None) -> None:
        """Load the model file of a checked artifact; None leaves the threads to onnxruntime."""
        ort: Any = importlib.import_module("onnxruntime")  # not at import: it takes its time
        options = ort.SessionOptions()
        options.log_severity_level = _SEVERITY_FATAL
        options.intra_op_num_threads = threads or 0
        path = str(folder / manifest.model_file)
        try:
            self._session: Any = ort.InferenceSession(
                path, options, providers=["CPUExecutionProvider"]
            )
        except Exception as error:  # onnxruntime's own errors have no public base
            raise ArtifactError(
                f"onnxruntime {ort.__version__} cannot load {path!r}: {_first_line(error)}; "
                "upgrade onnxruntime, or export the checkpoint again"
            ) from None
        _check_names(path, "input", self._session.get_inputs(), manifest.inputs)
        _check_names(path, "output", self._session.get_outputs(), manifest.outputs)
        self.manifest = manifest
        self._outputs = [output.name for output in manifest.outputs]

    def run(self, feed: Mapping[str, ArrayLike]) -> dict[str, FloatArray]:
        """The model's outputs for a feed; token_type_ids and attention_mask may be left out.

        Raises:
            InputError: the feed is not what the manifest says, or the session is closed.
        """
        session = self._session
        if session is None:
            raise InputError("this session is closed; load the artifact again")
        arrays = checked_feed(self.manifest, feed)
        try:
            return dict(zip(self._outputs, session.run(self._outputs, arrays), strict=True))
        except Exception as error:
            raise InputError(f"the model cannot run this input: {_first_line(error)}") from None

    def close(self) -> None:
        """Free the model; a later `run` is an error."""
        self._session = None


def _check_names(path: str, kind: str, found: Sequence[Any], specs: Sequence[TensorSpec]) -> None:
    ours, theirs = {spec.name for spec in specs}, {node.name for node in found}
    if ours != theirs:
        raise ArtifactError(
            f"{path!r} has the {kind}s {sorted(theirs)}, but its manifest says {sorted(ours)}; "
            "export the checkpoint again"
        )


def _torchscript(folder: Path, manifest: Manifest, *, threads: int | None) -> Session:
    from squeezebert_mobile.runtime.torch_sessions import TorchScriptSession

    return TorchScriptSession(folder, manifest, threads=threads)


def _executorch(folder: Path, manifest: Manifest, *, threads: int | None) -> Session:
    from squeezebert_mobile.runtime.torch_sessions import ExecuTorchSession

    return ExecuTorchSession(folder, manifest, threads=threads)


#: How each format is opened.
SESSIONS: dict[str, Callable[..., Session]] = {
    "onnx": OnnxSession,
    "torchscript": _torchscript,
    "executorch": _executorch,
}


def open_session(folder: str | Path, manifest: Manifest, *, threads: int | None = None) -> Session:
    """Load the model of an artifact that `read_artifact` has checked.

    Args:
        folder: the artifact.
        manifest: its manifest.
        threads: how many threads one call may use; None leaves it to the format's runtime.

    Raises:
        ArtifactError: the model cannot be loaded.
        InputError: the number of threads is none.
    """
    if threads is not None and (isinstance(threads, bool) or threads < 1):
        raise InputError(f"threads={threads!r} must be at least 1, or None for all cores")
    return SESSIONS[manifest.format](Path(folder), manifest, threads=threads)


# Checks of what goes in ---------------------------------------------------------------------


def checked_feed(
    manifest: Manifest, feed: Mapping[str, ArrayLike], *, rows_apart: bool = False
) -> dict[str, IntArray]:
    """Every input of the manifest as an int64 array, the optional ones filled in.

    Args:
        manifest: What the model takes.
        feed: The inputs.
        rows_apart: Whether the session runs each row by itself, so that only lengths must fit.

    Raises:
        InputError: what is wrong with which input.
    """
    names = [spec.name for spec in manifest.inputs]
    for name in feed:
        if name not in names:
            raise InputError(choose("input", str(name), names))
    if "input_ids" not in feed:
        raise InputError("the feed has no 'input_ids'")
    ids = _as_int64("input_ids", feed["input_ids"])
    _check_shape(manifest, ids, rows_apart=rows_apart)
    _check_range("input_ids", ids, manifest.model.vocab_size)
    arrays = {"input_ids": ids, "attention_mask": np.ones_like(ids)}
    for name in names:
        array = _as_int64(name, feed[name]) if name in feed else arrays.get(name, ids * 0)
        if array.shape != ids.shape:
            raise InputError(f"{name!r} has shape {array.shape}, but 'input_ids' has {ids.shape}")
        if name == "attention_mask":
            _check_range(name, array, 2)
        arrays[name] = array
    return {name: arrays[name] for name in names}


def _as_int64(name: str, value: ArrayLike) -> IntArray:
    try:
        array = np.asarray(value)
    except ValueError:
        raise InputError(f"{name!r} has rows of different lengths; pad them to one") from None
    if array.dtype.kind not in "iu":
        raise InputError(f"{name!r} must hold integers (int64), not {array.dtype}")
    return array.astype(np.int64, copy=False)


def _check_shape(manifest: Manifest, ids: IntArray, *, rows_apart: bool) -> None:
    axes = manifest.inputs[0].axes
    if rows_apart:
        axes = ("any",) * (len(axes) - 1) + axes[-1:]
    shape = ", ".join(str(axis) for axis in axes)
    if ids.ndim != len(axes):
        raise InputError(f"'input_ids' has shape {ids.shape}, but this model takes [{shape}]")
    for axis, length in zip(axes, ids.shape, strict=True):
        if length == 0 or (isinstance(axis, int) and axis != length):
            raise InputError(f"'input_ids' has shape {ids.shape}, but this model takes [{shape}]")
    if ids.shape[-1] > manifest.max_sequence_length:
        raise InputError(
            f"'input_ids' has {ids.shape[-1]} tokens a row, but this model takes at most "
            f"{manifest.max_sequence_length}; use truncation=True with that max_length"
        )


def _check_range(name: str, array: IntArray, end: int) -> None:
    low, high = int(array.min()), int(array.max())
    if low < 0 or high >= end:
        wrong = low if low < 0 else high
        raise InputError(f"{name!r} holds {wrong}, but this model takes 0 to {end - 1}")


def _first_line(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0]
