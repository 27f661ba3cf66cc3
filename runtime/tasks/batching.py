"""From rows to model calls: batches of rows of like length, results in the caller's order."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Protocol, TypeVar

import numpy as np

from squeezebert_mobile.artifact import ModelSpec
from squeezebert_mobile.runtime.sessions.base import FloatArray, IntArray, Session
from squeezebert_mobile.tasks import TASKS

__all__ = ["Tokens", "Unit", "run_units"]

Decoded = TypeVar("Decoded")


class Tokens(Protocol):
    """What a model reads of a row."""

    @property
    def ids(self) -> list[int]:
        """The ids."""
        ...

    @property
    def type_ids(self) -> list[int]:
        """0 for the first text, 1 for the second."""
        ...

    def __len__(self) -> int:
        """The number of tokens."""
        ...


#: What the model reads as one item of its batch axis: one row, or one row for each choice.
Unit = tuple[Tokens, ...]

# More tokens in one call gain no speed. Base size, int8, one x86-64 thread, 8 texts in one call
# against one by one: 0.45 of the time for texts of 12 tokens, 0.7 for 32, 1.1 for 128. And they
# cost memory: the logits of fill-mask take 122 kB a token.
_MAX_TOKENS = 512


def run_units(
    session: Session,
    spec: ModelSpec,
    units: Sequence[Unit],
    decode: Callable[[int, dict[str, FloatArray]], Decoded],
    *,
    batch_size: int,
    pad_id: int,
) -> list[Decoded]:
    """Run every unit and decode what the model gave for it.

    Args:
        session: the model.
        spec: what its inputs and outputs are.
        units: the rows.
        decode: makes a result of a unit's number and its outputs, which have no batch axis and no
            padding. It is called as soon as the unit has run, so that outputs need not be kept.
        batch_size: the most units of one call.
        pad_id: the id of the padding token.

    Returns:
        The results in the order of the units.
    """
    results: dict[int, Decoded] = {}
    fixed = spec.inputs[0].axes[0]
    if isinstance(fixed, int):  # more rows would run one by one, each as long as the longest
        batch_size = min(batch_size, fixed)
    for batch in _batches(spec, units, batch_size):
        outputs = session.run(_feed(spec, [units[number] for number in batch], pad_id))
        for place, number in enumerate(batch):
            results[number] = decode(number, _cut(spec, outputs, place, units[number]))
    return [results[number] for number in range(len(units))]


def _longest(unit: Unit) -> int:
    return max(map(len, unit))


def _batches(spec: ModelSpec, units: Sequence[Unit], size: int) -> Iterator[list[int]]:
    """Numbers of units that go together: as many rows each, and of like length."""
    fixed = spec.inputs[0].axes[0]
    size = fixed if isinstance(fixed, int) else size
    batch: list[int] = []
    for number in sorted(range(len(units)), key=lambda n: (len(units[n]), _longest(units[n]))):
        unit = units[number]
        tokens = (len(batch) + 1) * len(unit) * _longest(unit)
        full = len(batch) == size or (tokens > _MAX_TOKENS and not isinstance(fixed, int))
        if batch and (full or len(unit) != len(units[batch[0]])):
            yield batch
            batch = []
        batch.append(number)
    if batch:
        yield batch


def _feed(spec: ModelSpec, batch: list[Unit], pad_id: int) -> Mapping[str, IntArray]:
    axes = spec.inputs[0].axes
    size = axes[0] if isinstance(axes[0], int) else len(batch)
    length = spec.sequence_length or max(map(_longest, batch))
    batch = batch + [batch[-1]] * (size - len(batch))  # a fixed batch is filled up
    rows = [row for unit in batch for row in unit]
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
    spec: ModelSpec, outputs: Mapping[str, FloatArray], place: int, unit: Unit
) -> dict[str, FloatArray]:
    """One unit's outputs, without the padding."""
    axes = TASKS[spec.task].outputs
    return {
        name: array[place, : _longest(unit)] if "sequence" in axes[name] else array[place]
        for name, array in outputs.items()
    }
