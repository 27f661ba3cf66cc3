"""From texts to the arrays of one run of a model."""

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from squeezebert_mobile.export.feeds.reference import Reference
from squeezebert_mobile.tasks import INPUT_NAMES, Task

__all__ = [
    "Feed",
    "Row",
    "TensorFeed",
    "build_choices",
    "build_feed",
    "choice_rows",
    "text_row",
    "to_tensors",
]

#: Input name -> ids (B, S), or (B, N, S) for choices.
Feed = dict[str, NDArray[np.int64]]
#: Ids, mask and token types, for a torch model.
TensorFeed = tuple[Tensor, Tensor, Tensor]
#: A text, and the second text of a pair.
Row = tuple[str, str | None]


def text_row(texts: Sequence[str], place: int, task: Task) -> Row:
    """The text at `place`, with the next one if the task reads pairs, or for every third text."""
    pairs = task.needs_pairs or place % 3 == 2
    return texts[place], texts[(place + 1) % len(texts)] if pairs else None


def choice_rows(texts: Sequence[str], place: int) -> list[Row]:
    """The text at `place` with two continuations: the next two texts."""
    return [(texts[place], texts[(place + step) % len(texts)]) for step in (1, 2)]


def build_feed(reference: Reference, rows: list[Row], length: int, *, padded: bool) -> Feed:
    """Arrays (B, S) of texts truncated to `length` tokens.

    Shorter texts are padded to that length, or all are truncated to the shortest one. For
    fill-mask, one token of each row is masked.
    """
    encode = reference.tokenizer.encode_rows
    encodings = [encode(*row, strategy="longest_first", max_length=length)[0] for row in rows]
    if not padded:
        length = min(map(len, encodings))
        encodings = [encode(*row, strategy="longest_first", max_length=length)[0] for row in rows]
    feed = {name: np.zeros((len(rows), length), np.int64) for name in INPUT_NAMES}
    feed["input_ids"][:] = reference.tokenizer.pad_token_id
    for place, encoding in enumerate(encodings):
        feed["input_ids"][place, : len(encoding)] = encoding.ids
        feed["attention_mask"][place, : len(encoding)] = 1
        feed["token_type_ids"][place, : len(encoding)] = encoding.type_ids
    if reference.task.predicts_masks:
        lengths = feed["attention_mask"].sum(axis=1)
        feed["input_ids"][np.arange(len(lengths)), lengths // 2] = reference.tokenizer.mask_token_id
    feed["token_type_ids"] %= reference.model.config.type_vocab_size
    return feed


def build_choices(
    reference: Reference, texts: Sequence[str], places: list[int], length: int, *, padded: bool
) -> Feed:
    """Arrays (B, 2, S): the texts at `places`, each with two continuations."""
    rows = [row for place in places for row in choice_rows(texts, place)]
    feed = build_feed(reference, rows, length, padded=padded)
    return {name: array.reshape(len(places), 2, -1) for name, array in feed.items()}


def to_tensors(reference: Reference, feed: Feed) -> TensorFeed:
    """Ids, mask and token types; for multiple-choice, all rows become choices of one text."""
    if reference.task.has_choices:
        feed = {name: array[None] for name, array in feed.items()}  # (1, rows, S)
    ids, mask, types = (torch.from_numpy(feed[name]) for name in INPUT_NAMES)
    return ids, mask, types
