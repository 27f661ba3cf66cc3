"""How well a fill-mask model knows words: its loss on tokens that it does not see.

Of each text 15 % of the tokens (one at least) become [MASK]. Which ones is drawn by the checksum of
the token ids, so that a text has the same masks in every file, order and model of its vocabulary.
"""

import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from squeezebert_mobile.errors import InputError
from squeezebert_mobile.runtime.sessions.base import FloatArray
from squeezebert_mobile.runtime.tasks.batching import run_batches
from squeezebert_mobile.runtime.tasks.pipeline import Pipeline, tokens_cut
from squeezebert_mobile.runtime.tasks.scores import log_softmax
from squeezebert_mobile.runtime.tokenizer.rows import Row

__all__ = ["MASKED_SHARE", "Filled", "fill_masks", "masked_places"]

MASKED_SHARE = 0.15  # as BERT was trained


@dataclass(frozen=True)
class _Masked:
    """A row in which some tokens are masks."""

    ids: list[int]

    def __len__(self) -> int:
        return len(self.ids)

    @property
    def type_ids(self) -> list[int]:
        return [0] * len(self)


@dataclass(frozen=True)
class Filled:
    """What a model put in the places of a text's masks."""

    tokens: tuple[str, ...]
    loss: float  # the sum over the masks of -log p(the right token)
    right: int
    masks: int
    confidence: float  # mean probability of `tokens`
    truncated: bool


def masked_places(row: Row) -> list[int]:
    """The places of the tokens of a row that are to be masked."""
    places = [place for place, special in enumerate(row.special_tokens_mask) if not special]
    seed = zlib.crc32(np.array(row.ids, "<i8").tobytes())
    count = max(1, round(MASKED_SHARE * len(places)))
    drawn = np.random.default_rng(seed).choice(places, count, replace=False)
    return sorted(map(int, drawn))


def fill_masks(pipeline: Pipeline[Any], texts: Sequence[str], batch_size: int) -> list[Filled]:
    """Mask tokens of each text, and ask for them.

    Raises:
        InputError: a text has no token that could be masked.
    """
    tokenizer = pipeline.tokenizer
    rows = tokenizer.encode_rows(texts, strategy="longest_first", max_length=pipeline.max_length)
    for row, text in zip(rows, texts, strict=True):
        if all(row.special_tokens_mask):
            raise InputError(f"the text has no word in it: {text!r:.60}")
    places = [masked_places(row) for row in rows]

    def decode(number: int, outputs: dict[str, FloatArray]) -> Filled:
        row, masked = rows[number], places[number]
        logs = log_softmax(outputs["logits"][masked])  # (masks, vocab)
        golds, best = np.array(row.ids)[masked], logs.argmax(axis=-1)
        each = np.arange(len(masked))
        return Filled(
            tokens=tuple(map(str, tokenizer.convert_ids_to_tokens(best.tolist()))),
            loss=-float(logs[each, golds].sum()),
            right=int((best == golds).sum()),
            masks=len(masked),
            confidence=float(np.exp(logs[each, best]).mean()),
            truncated=tokens_cut(row) > 0,
        )

    return run_batches(
        pipeline.session,
        pipeline.spec,
        [
            (_masked(row, masked, tokenizer.mask_token_id),)
            for row, masked in zip(rows, places, strict=True)
        ],
        decode,
        batch_size=batch_size,
        pad_id=tokenizer.pad_token_id,
    )


def _masked(row: Row, places: list[int], mask: int) -> _Masked:
    ids = list(row.ids)
    for place in places:
        ids[place] = mask
    return _Masked(ids)
