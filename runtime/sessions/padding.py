"""Inputs of any length for a model of fixed shapes: padded to a length that it takes."""

from collections.abc import Callable, Mapping

import numpy as np

from squeezebert_mobile.artifact import ModelSpec
from squeezebert_mobile.runtime.sessions.base import FloatArray, IntArray

__all__ = ["run_padded"]


def run_padded(
    spec: ModelSpec,
    row: Mapping[str, IntArray],
    run: Callable[[dict[str, IntArray]], Mapping[str, FloatArray]],
) -> dict[str, FloatArray]:
    """Run a row in the shortest of the model's lengths that it fits in.

    Args:
        spec: The model, which says the lengths that it takes.
        row: The inputs (1, S) or (1, 1, S), which are padded on the right; the mask is 0 there.
        run: Runs the padded inputs.

    Returns:
        The outputs, without those of the padding.
    """
    length = row["input_ids"].shape[-1]
    lengths = spec.sequence_lengths or (length,)
    padding = next(each for each in lengths if each >= length) - length
    axes = [(0, 0)] * (row["input_ids"].ndim - 1) + [(0, padding)]
    outputs = run({name: np.pad(array, axes) for name, array in row.items()})
    return {
        each.name: outputs[each.name][
            tuple(slice(length if axis == "sequence" else None) for axis in each.axes)
        ]
        for each in spec.outputs
    }
