"""The values that a product's weights may have once they are rounded, and the nearest of them.

`gptq.py` chooses among the same values, channel by channel. Training with rounded weights needs
all of them at once, at every step, so here each weight takes the nearest value that it may have.
"""

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from squeezebert_mobile.export.quantize.gptq import pinned_pairs, weight_steps, whole_steps
from squeezebert_mobile.export.quantize.recipe import Recipe
from squeezebert_mobile.export.quantize.saturation import largest_pairs

__all__ = ["Grid", "make_grid"]


@dataclass(frozen=True)
class Grid:
    """The steps of weights (out, C), and what their pairs may sum to."""

    steps: Tensor  # (out, C)
    pinned: Tensor  # (out, C): the largest pair of each output channel, NaN elsewhere
    room: Tensor  # (out, 1): the sum of that pair
    levels: int
    lowest: int

    def to(self, device: torch.device) -> "Grid":
        """The same grid, for weights on this device."""
        if self.steps.device == device:
            return self
        steps, pinned, room = (x.to(device) for x in (self.steps, self.pinned, self.room))
        return Grid(steps, pinned, room, self.levels, self.lowest)

    def nearest(self, weight: Tensor) -> Tensor:
        """The weights (out, C), rounded. Of a pair that sums to too much, the second gives way."""
        odd = weight.shape[1] % 2  # the last is alone
        steps = functional.pad(self.steps, (0, odd), value=1.0)
        whole = (functional.pad(weight, (0, odd)) / steps).round()
        first_steps, second_steps = steps[:, ::2], steps[:, 1::2]
        first = self._within(whole[:, ::2], first_steps, torch.zeros_like(self.room))
        second = self._within(whole[:, 1::2], second_steps, first)
        pairs = torch.stack([first, second], dim=2).flatten(1)
        rounded = pairs[:, : weight.shape[1]]
        return torch.where(self.pinned.isnan(), rounded, self.pinned)

    def _within(self, whole: Tensor, steps: Tensor, beside: Tensor) -> Tensor:
        """Whole steps, with what is beside them, within the room; multiplied by the step."""
        up = whole_steps(self.room - beside.clamp(min=0), steps, self.levels)
        down = whole_steps(self.room + beside.clamp(max=0), steps, -self.lowest)
        return whole.minimum(up).maximum(-down) * steps


@torch.no_grad()
def make_grid(weight: Tensor, recipe: Recipe) -> Grid:
    """The grid of weights (out, C). That of weights which are on it is the same one."""
    columns = weight.double().T.contiguous()
    steps = weight_steps(columns, recipe)
    pinned = pinned_pairs(columns, steps, recipe.levels)
    room = largest_pairs(columns).amax(dim=0)
    rows = [x.to(weight.dtype).T.contiguous() for x in (steps, pinned, room[None])]
    return Grid(rows[0], rows[1], rows[2], recipe.levels, recipe.lowest)
