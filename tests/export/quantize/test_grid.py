"""The nearest weights of a grid: what training and the export round to."""

import pytest
import torch

from squeezebert_mobile.export.quantize.grid import make_grid
from squeezebert_mobile.export.quantize.recipe import RECIPES
from squeezebert_mobile.export.quantize.rounding import quantize_symmetric
from squeezebert_mobile.export.quantize.saturation import largest_pairs


@pytest.mark.parametrize("precision", RECIPES)
@pytest.mark.parametrize("channels", [64, 33, 24])
def test_rounding_again_changes_nothing(precision: str, channels: int) -> None:
    generator = torch.Generator().manual_seed(0)
    weight = torch.randn(20, channels, generator=generator)
    recipe = RECIPES[precision]
    rounded = make_grid(weight, recipe).nearest(weight)
    noise = 1 + 1e-7 * torch.randn(20, channels, generator=generator)
    again = make_grid(rounded * noise, recipe).nearest(rounded * noise)
    torch.testing.assert_close(again, rounded, rtol=1e-6, atol=0)
    # The backend finds the same integers.
    values, scales = quantize_symmetric(
        rounded.numpy(), axis=1, max_value=recipe.max_value, pairs=True
    )
    torch.testing.assert_close(torch.from_numpy(values * scales[:, None]), rounded)


@pytest.mark.parametrize("precision", RECIPES)
def test_no_pair_sums_to_more_than_the_largest(precision: str) -> None:
    """Wherever training moves the weights to."""
    generator = torch.Generator().manual_seed(1)
    weight = torch.randn(200, 24, generator=generator)
    grid = make_grid(weight, RECIPES[precision])
    moved = grid.nearest(weight + 2 * torch.randn(200, 24, generator=generator))
    before, after = (largest_pairs(x.T).amax(dim=0) for x in (grid.nearest(weight), moved))
    torch.testing.assert_close(after, before)
    again = make_grid(moved, RECIPES[precision]).nearest(moved)
    torch.testing.assert_close(again, moved, rtol=1e-6, atol=0)
