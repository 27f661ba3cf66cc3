"""The checkpoint's outputs for verification, computed in the background."""

import itertools
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor

import numpy as np
import torch

from squeezebert_mobile.export.feeds.building import Feed
from squeezebert_mobile.export.verify.comparison import Floats
from squeezebert_mobile.models.rewriting import Traceable
from squeezebert_mobile.tasks import INPUT_NAMES

__all__ = ["with_references"]

_WORKERS = 2  # threads that run the checkpoint, beside the artifact
_PORTION = 24  # feeds at a time; a short text's logits of a vocabulary are 3 MB

#: Ids and token types of one text.
_Key = tuple[tuple[int, ...], tuple[int, ...]]
#: Where a text's outputs will be: in which result, at which index.
_Pending = tuple[Future[list[list[Floats]]], int]


def with_references(
    model: Traceable, feeds: Iterator[tuple[int, Feed]]
) -> Iterator[tuple[int, Feed, list[Floats]]]:
    """The feeds with the model's outputs, computed one portion ahead.

    Each text of a portion is computed once, in a batch with the texts of its length: the output of
    the checkpoint does not depend on the batch or on padding. Short texts cost little more than
    reading the weights, which is done once per batch.
    """
    with ThreadPoolExecutor(_WORKERS) as pool:

        def submit(portion: list[tuple[int, Feed]]) -> dict[_Key, _Pending]:
            by_length: dict[int, list[_Key]] = {}
            for key in dict.fromkeys(key for _, feed in portion for key in _keys(feed)):
                by_length.setdefault(len(key[0]), []).append(key)
            pending: dict[_Key, _Pending] = {}
            for length in sorted(by_length, reverse=True):  # the longest first: they take longest
                result = pool.submit(_outputs, model, by_length[length])
                pending |= {key: (result, index) for index, key in enumerate(by_length[length])}
            return pending

        def collect(
            portion: list[tuple[int, Feed]], pending: dict[_Key, _Pending]
        ) -> Iterator[tuple[int, Feed, list[Floats]]]:
            for count, feed in portion:
                places = [pending[key] for key in _keys(feed)]
                rows = [result.result()[index] for result, index in places]
                yield count, feed, _assembled(model, feed, rows)

        try:
            waiting = None
            while portion := list(itertools.islice(feeds, _PORTION)):
                submitted = portion, submit(portion)
                if waiting:
                    yield from collect(*waiting)
                waiting = submitted
            if waiting:
                yield from collect(*waiting)
        finally:
            pool.shutdown(cancel_futures=True)


def _keys(feed: Feed) -> Iterator[_Key]:
    """Ids and token types of each text of a feed, without padding."""
    flat = [feed[name].reshape(-1, feed[name].shape[-1]) for name in INPUT_NAMES]
    for ids, mask, types in zip(*flat, strict=True):
        length = mask.sum()
        yield tuple(ids[:length].tolist()), tuple(types[:length].tolist())


@torch.inference_mode()
def _outputs(model: Traceable, keys: Sequence[_Key]) -> list[list[Floats]]:
    """The model's outputs for texts of one length, each without the batch axes."""
    axes = len(model.task.input_axes) - 1  # a choice is run by itself: (texts, 1, S)
    ids, types = (torch.tensor(each) for each in zip(*keys, strict=True))  # (texts, S)
    arrays = (ids, torch.ones_like(ids), types)
    rows = [array.reshape(len(keys), *[1] * (axes - 1), -1) for array in arrays]
    outputs = model(**dict(zip(INPUT_NAMES, rows, strict=True)))
    arrays_out = [out.numpy().reshape(len(keys), *out.shape[axes:]) for out in outputs]
    return [[array[index] for array in arrays_out] for index in range(len(keys))]


def _assembled(model: Traceable, feed: Feed, rows: list[list[Floats]]) -> list[Floats]:
    """The outputs of a feed, from those of its texts; NaN at padding."""
    *batch, length = feed["input_ids"].shape
    assembled = []
    for axes, outputs in zip(model.outputs.values(), zip(*rows, strict=True), strict=True):
        if "sequence" in axes:
            array = np.full((len(rows), length, *outputs[0].shape[1:]), np.nan, np.float32)
            for row, output in zip(array, outputs, strict=True):
                row[: len(output)] = output
        else:
            array = np.stack(outputs)
        assembled.append(array.reshape(*batch, *array.shape[1:]))
    return assembled
