"""The interface of a session, and the check of its inputs.

Inputs are checked here against the spec, so that every format reports the same error.
"""

import math
from collections.abc import Callable, Mapping
from typing import Protocol

import numpy as np
from numpy.typing import ArrayLike, NDArray

from squeezebert_mobile.artifact import ModelSpec
from squeezebert_mobile.errors import InputError, choose

__all__ = ["CLOSED", "FloatArray", "IntArray", "Session", "checked_feed", "last_line", "run_rows"]

#: The error of a session after `close`.
CLOSED = "this session is closed; load the artifact again"

IntArray = NDArray[np.int64]
FloatArray = NDArray[np.float32]


class Session(Protocol):
    """A loaded model. `run` is thread-safe."""

    def run(self, feed: Mapping[str, ArrayLike]) -> dict[str, FloatArray]:
        """Run the model; token_type_ids and attention_mask are optional."""
        ...

    def close(self) -> None:
        """Free the model; a later `run` raises InputError."""
        ...


def checked_feed(
    spec: ModelSpec, feed: Mapping[str, ArrayLike], *, rows_apart: bool = False
) -> dict[str, IntArray]:
    """All inputs of the model as int64 arrays; missing optional ones get their default.

    Args:
        spec: The model's inputs.
        feed: The inputs to check.
        rows_apart: Whether the session runs each row separately, so that only the sequence length
            has to match.

    Raises:
        InputError: an input is unknown, missing or invalid.
    """
    names = [tensor.name for tensor in spec.inputs]
    for name in feed:
        if name not in names:
            raise InputError(choose("input", str(name), names))
    if "input_ids" not in feed:
        raise InputError("the feed has no 'input_ids'")
    ids = _as_int64("input_ids", feed["input_ids"])
    _check_shape(spec, ids, rows_apart=rows_apart)
    _check_range("input_ids", ids, spec.vocab_size)
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


def _check_shape(spec: ModelSpec, ids: IntArray, *, rows_apart: bool) -> None:
    axes = spec.inputs[0].axes
    if rows_apart:
        axes = ("any",) * (len(axes) - 1) + axes[-1:]
    shape = ", ".join(str(axis) for axis in axes)
    if ids.ndim != len(axes):
        raise InputError(f"'input_ids' has shape {ids.shape}, but this model takes [{shape}]")
    for axis, length in zip(axes, ids.shape, strict=True):
        if length == 0 or (isinstance(axis, int) and axis != length):
            raise InputError(f"'input_ids' has shape {ids.shape}, but this model takes [{shape}]")
    if ids.shape[-1] > spec.max_sequence_length:
        raise InputError(
            f"'input_ids' has {ids.shape[-1]} tokens per row, but this model takes at most "
            f"{spec.max_sequence_length}; use truncation=True with that max_length"
        )


def _check_range(name: str, array: IntArray, end: int) -> None:
    low, high = int(array.min()), int(array.max())
    if low < 0 or high >= end:
        wrong = low if low < 0 else high
        raise InputError(f"{name!r} holds {wrong}, but this model takes 0 to {end - 1}")


def run_rows(
    arrays: Mapping[str, IntArray],
    run_row: Callable[[dict[str, IntArray]], Mapping[str, FloatArray]],
) -> dict[str, FloatArray]:
    """Run the rows of a batch (and the choices) one by one.

    Args:
        arrays: The inputs: (B, S) or (B, N, S).
        run_row: Runs one row: inputs (1, S) or (1, 1, S) to outputs that begin with the same 1s.

    Returns:
        The outputs: (B, ...) or (B, N, ...).
    """
    batch = arrays["input_ids"].shape[:-1]
    rows = {name: array.reshape(-1, array.shape[-1]) for name, array in arrays.items()}
    ones = (1,) * len(batch)
    results = [
        run_row({name: array[place].reshape(*ones, -1) for name, array in rows.items()})
        for place in range(math.prod(batch))
    ]
    return {
        name: np.stack([result[name] for result in results]).reshape(
            batch + output.shape[len(batch) :]
        )
        for name, output in results[0].items()
    }


def last_line(error: Exception) -> str:
    """The last line of an error message, which names the error.

    The lines before it are a traceback of torch's interpreter.
    """
    lines = [line for line in str(error).splitlines() if line.strip()]
    return lines[-1] if lines else type(error).__name__
