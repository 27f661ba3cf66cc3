"""Batching: rows of similar length share a model call; results keep the caller's order."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Protocol, TypeVar

import numpy as np

from squeezebert_mobile.artifact import ModelSpec
from squeezebert_mobile.runtime.sessions.base import FloatArray, IntArray, Session
from squeezebert_mobile.tasks import TASKS

__all__ = ["Tokens", "BatchItem", "run_batches"]

Decoded = TypeVar("Decoded")


class Tokens(Protocol):
    """The parts of a row that are model inputs."""

    @property
    def ids(self) -> list[int]:
        """The token ids."""
        ...

    @property
    def type_ids(self) -> list[int]:
        """0 for the first text, 1 for the second."""
        ...

    def __len__(self) -> int:
        """The number of tokens."""
        ...


#: One item of the batch axis: a row, or a row for each choice.
BatchItem = tuple[Tokens, ...]

# More tokens per call are not faster. Base size, int8, one x86-64 thread: 8 texts in one call take
# 0.45 of the time of 8 calls for texts of 12 tokens, 0.7 for 32 tokens, 1.1 for 128 tokens. They
# also need memory: the logits of fill-mask take 122 kB per token.
_MAX_TOKENS = 512


def run_batches(
    session: Session,
    spec: ModelSpec,
    items: Sequence[BatchItem],
    decode: Callable[[int, dict[str, FloatArray]], Decoded],
    *,
    batch_size: int,
    pad_id: int,
) -> list[Decoded]:
    """Run the model on all items and decode its outputs.

    Args:
        session: the model.
        spec: its inputs and outputs.
        items: the inputs.
        decode: called with the index of an item and its outputs, without batch axis and padding;
            returns the result. It is called after each batch, so that outputs are not kept.
        batch_size: the maximum number of items in one call.
        pad_id: the id of the padding token.

    Returns:
        The results, in the order of `items`.
    """
    results: dict[int, Decoded] = {}
    fixed = spec.inputs[0].axes[0]
    if isinstance(fixed, int):  # larger batches would run in parts, all padded to the longest
        batch_size = min(batch_size, fixed)
    for batch in _batches(spec, items, batch_size):
        outputs = session.run(_feed(spec, [items[number] for number in batch], pad_id))
        for place, number in enumerate(batch):
            results[number] = decode(number, _cut(spec, outputs, place, items[number]))
    return [results[number] for number in range(len(items))]


def _longest(item: BatchItem) -> int:
    return max(map(len, item))


def _batches(spec: ModelSpec, items: Sequence[BatchItem], size: int) -> Iterator[list[int]]:
    """Indices of items to run together: the same number of rows, and similar lengths."""
    fixed = spec.inputs[0].axes[0]
    size = fixed if isinstance(fixed, int) else size
    batch: list[int] = []
    for number in sorted(range(len(items)), key=lambda n: (len(items[n]), _longest(items[n]))):
        item = items[number]
        tokens = (len(batch) + 1) * len(item) * _longest(item)
        full = len(batch) == size or (tokens > _MAX_TOKENS and not isinstance(fixed, int))
        if batch and (full or len(item) != len(items[batch[0]])):
            yield batch
            batch = []
        batch.append(number)
    if batch:
        yield batch


def _feed(spec: ModelSpec, batch: list[BatchItem], pad_id: int) -> Mapping[str, IntArray]:
    axes = spec.inputs[0].axes
    size = axes[0] if isinstance(axes[0], int) else len(batch)
    length = spec.sequence_length or max(map(_longest, batch))
    batch = batch + [batch[-1]] * (size - len(batch))  # a fixed batch size is filled up
    rows = [row for item in batch for row in item]
    arrays = {
        name: np.full((len(rows), length), fill, np.int64)  # (B * C, S)
        for name, fill in (("input_ids", pad_id), ("attention_mask", 0), ("token_type_ids", 0))
    }
    for place, row in enumerate(rows):
        arrays["input_ids"][place, : len(row)] = row.ids
        arrays["attention_mask"][place, : len(row)] = 1
        arrays["token_type_ids"][place, : len(row)] = row.type_ids
    if len(axes) == 2:
        return arrays
    return {  # (B, C, S)
        name: array.reshape(len(batch), -1, length) for name, array in arrays.items()
    }


def _cut(
    spec: ModelSpec, outputs: Mapping[str, FloatArray], place: int, item: BatchItem
) -> dict[str, FloatArray]:
    """The outputs of one item, without padding."""
    axes = TASKS[spec.task].outputs
    return {
        name: array[place, : _longest(item)] if "sequence" in axes[name] else array[place]
        for name, array in outputs.items()
    }
