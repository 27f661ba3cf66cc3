"""The batches of an epoch: random order, examples of similar length together."""

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

__all__ = ["draw_batches"]

_POOL_BATCHES = 50  # number of batches whose examples are sorted by length together


def draw_batches(
    sizes: Sequence[int], batch_size: int, share: Callable[[Tensor], Tensor]
) -> list[list[int]]:
    """The batches of an epoch in random order, each a list of indices into `sizes`.

    Batches of similar lengths save half of the padding and of the time.

    Args:
        sizes: The length of each example.
        batch_size: Largest number of examples per batch.
        share: Replaces a random tensor by the main process's, so that all processes agree.
    """
    pool = batch_size * _POOL_BATCHES
    order = share(torch.randperm(len(sizes))).tolist()
    batches = []
    for start in range(0, len(order), pool):
        by_size = sorted(order[start : start + pool], key=sizes.__getitem__)
        batches += [by_size[i : i + batch_size] for i in range(0, len(by_size), batch_size)]
    return [batches[index] for index in share(torch.randperm(len(batches))).tolist()]
