"""Rounding to integers: the steps of weights, the nearest integers, and run-time activations."""

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from squeezebert_mobile.export.quantize.recipe import ACTIVATION_STEPS, INT8_MAX, Activations
from squeezebert_mobile.export.quantize.saturation import largest_pairs

__all__ = ["channel_steps", "quantize_symmetric", "round_activations", "to_integers"]


def channel_steps(weight: Tensor, max_value: int, *, pairs: bool) -> Tensor:
    """The step (1, ...) of each channel of weights (C, ...): 1 where all weights are zero.

    Args:
        weight: Weights that share a step along the first axis.
        max_value: The largest integer.
        pairs: Whether the largest pair of neighbours becomes `max_value` (`saturation.py`), not the
            largest weight.
    """
    sizes = largest_pairs(weight) if pairs else weight.abs()
    largest = sizes.amax(dim=0, keepdim=True)
    return torch.where(largest > 0, largest / max_value, 1)


def to_integers(weight: Tensor, steps: Tensor, max_value: int) -> Tensor:
    """The nearest integers, from `-max_value` to `max_value`, as floats."""
    return (weight / steps).round().clamp(-max_value, max_value)


def quantize_symmetric(
    array: NDArray[np.float32], *, axis: int, max_value: int = INT8_MAX, pairs: bool = False
) -> tuple[NDArray[np.int8], NDArray[np.float32]]:
    """int8 values and float32 scales such that array is about values * scales.

    Args:
        array: Weights (in, out), or table rows.
        axis: The axis along which numbers share a scale; the scales do not have it.
        max_value: The largest integer.
        pairs: Whether a product multiplies by these weights: then no pair of neighbours sums to
            more than `max_value` (`saturation.py`).
    """
    weight = torch.tensor(np.moveaxis(array, axis, 0))
    steps = channel_steps(weight, max_value, pairs=pairs)
    values = to_integers(weight, steps, max_value).to(torch.int8)
    return np.ascontiguousarray(np.moveaxis(values.numpy(), 0, axis)), steps.squeeze(0).numpy()


def round_activations(x: Tensor, activations: Activations) -> Tensor:
    """Activations (..., C) as a product reads them after it quantized them: (..., C)."""
    axes = (-1,) if activations.per_token else tuple(range(x.dim()))
    low, high = x.amin(axes, keepdim=True).clamp(max=0), x.amax(axes, keepdim=True).clamp(min=0)
    step = (high - low) / ACTIVATION_STEPS
    step = torch.where(step > 0, step, 1)
    zero = (-low / step).round()
    return ((x / step).round() + zero).clamp(0, ACTIVATION_STEPS).sub(zero) * step
