"""Which texts are run, at which lengths, in which batches: for calibration and verification."""

import heapq
import operator
from collections.abc import Iterator, Sequence

from squeezebert_mobile.export.feeds.building import (
    Feed,
    TensorFeed,
    build_choices,
    build_feed,
    text_row,
    to_tensors,
)
from squeezebert_mobile.export.feeds.reference import Reference

__all__ = ["CALIBRATION_STEP", "calibration_feeds", "sensitivity_feeds", "verification_feeds"]

#: Only every second text is calibrated with, so that verification also runs others.
CALIBRATION_STEP = 2

_SENSITIVITY_TEXTS, _SENSITIVITY_LENGTH = 6, 24  # texts, tokens


def calibration_feeds(reference: Reference, texts: Sequence[str]) -> Iterator[TensorFeed]:
    """Ids, mask and types: every second text, three at a time, padded; then two long inputs.

    The long inputs are all texts joined, cut at the model's maximum length, so that every position
    is covered.
    """
    length = reference.lengths[len(reference.lengths) // 2]
    places = range(0, len(texts), CALIBRATION_STEP)
    rows = [text_row(texts, place, reference.task) for place in places]
    batches = [rows[i : i + 3] for i in range(0, len(rows), 3)]
    feeds = [build_feed(reference, batch, length, padded=True) for batch in batches]
    for order in (texts, texts[::-1]):
        row = " ".join(order), None
        feeds.append(build_feed(reference, [row], reference.max_sequence_length, padded=True))
    for feed in feeds:
        yield to_tensors(reference, feed)


def sensitivity_feeds(reference: Reference, texts: Sequence[str]) -> list[TensorFeed]:
    """Ids, mask and types: a few texts, evenly chosen and cut short, for many runs of the model."""
    places = range(0, len(texts), max(1, len(texts) // _SENSITIVITY_TEXTS))
    rows = [text_row(texts, place, reference.task) for place in places]
    length = reference.sequence_length or min(_SENSITIVITY_LENGTH, reference.lengths[-1])
    return [to_tensors(reference, build_feed(reference, rows, length, padded=True))]


def verification_feeds(reference: Reference, texts: Sequence[str]) -> Iterator[tuple[int, Feed]]:
    """The number of texts that a run adds, and its inputs: every text once at every length."""
    by_length = [
        _feeds_of_length(reference, texts, length, offset)
        for offset, length in enumerate(reference.lengths)
    ]
    for _, count, feed in heapq.merge(*by_length, key=operator.itemgetter(0)):
        yield count, feed


def _feeds_of_length(
    reference: Reference, texts: Sequence[str], length: int, offset: int
) -> Iterator[tuple[int, int, Feed]]:
    """The place of the first text of a run, the number of texts, and the inputs."""
    fixed = reference.sequence_length is not None
    kinds = [(1, fixed), (1, True), (3, fixed), (3, True)]  # batch, padded
    kind = offset  # so that a text is in different batches at different lengths
    place = 0
    while place < len(texts):
        batch, padded = kinds[kind % len(kinds)]
        places = [(place + i) % len(texts) for i in range(batch)]
        if reference.task.has_choices:
            feed = build_choices(reference, texts, places, length, padded=padded)
        else:
            rows = [text_row(texts, i, reference.task) for i in places]
            feed = build_feed(reference, rows, length, padded=padded)
        yield place, batch, feed
        place += batch
        kind += 1
