"""Rounding of weights and activations."""

import numpy as np
import pytest
import torch

from squeezebert_mobile.export.quantize.recipe import PER_TENSOR, PER_TOKEN
from squeezebert_mobile.export.quantize.rounding import quantize_symmetric, round_activations


@pytest.mark.parametrize("axis", [0, 1])
def test_a_number_is_off_by_half_a_step_at_most(axis: int) -> None:
    array = np.random.default_rng(0).normal(size=(40, 30)).astype(np.float32)
    values, scales = quantize_symmetric(array, axis=axis)
    steps = np.expand_dims(scales, axis)
    assert values.dtype == np.int8
    assert scales.shape == (array.shape[1 - axis],)
    assert (np.abs(values * steps - array) <= steps / 2 + 1e-7).all()
    assert np.abs(values).max(axis=axis).min() == 127  # every channel uses its whole range


def test_zeros_stay_zeros() -> None:
    values, scales = quantize_symmetric(np.zeros((4, 3), np.float32), axis=0)
    assert not values.any()
    assert (scales == 1).all()


def test_activations_are_rounded_as_onnx_does_it() -> None:
    x = torch.randn(3, 5, 8, generator=torch.Generator().manual_seed(0)) + 0.5
    found = round_activations(x, PER_TENSOR)
    step = (x.max() - x.min()) / 255
    assert found.unique().numel() <= 256
    assert (found - x).abs().max() <= 0.51 * step
    assert round_activations(torch.zeros(2, 3), PER_TENSOR).equal(torch.zeros(2, 3))


def test_a_scale_per_token_depends_on_that_token_only() -> None:
    x = torch.tensor([[1.0, -0.5, 0.25], [1000.0, -500.0, 250.0]])
    together = torch.cat([round_activations(row[None], PER_TOKEN) for row in x])
    assert round_activations(x, PER_TOKEN).equal(together)
    assert not round_activations(x, PER_TENSOR)[0].equal(together[0])
