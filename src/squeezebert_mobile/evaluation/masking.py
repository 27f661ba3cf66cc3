"""Fill-mask evaluation: the loss of a model on masked tokens.

In each text 15 % of the tokens (at least one) become [MASK]. A checksum of the token ids seeds the
choice, so a text has the same masks in every file, in every order, and for every model with the
same vocabulary.
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

__all__ = ["MASKED_SHARE", "FilledMasks", "fill_masks", "masked_positions"]

MASKED_SHARE = 0.15  # as in BERT's pretraining


@dataclass(frozen=True)
class _MaskedRow:
    """A row whose chosen tokens are replaced by [MASK]."""

    ids: list[int]

    def __len__(self) -> int:
        return len(self.ids)

    @property
    def type_ids(self) -> list[int]:
        return [0] * len(self)


@dataclass(frozen=True)
class FilledMasks:
    """A model's predictions for the masks of one text."""

    tokens: tuple[str, ...]
    loss: float  # the sum over the masks of -log p(the original token)
    correct: int
    masks: int
    confidence: float  # mean probability of `tokens`
    truncated: bool


def masked_positions(row: Row) -> list[int]:
    """The positions of the tokens of a row to mask, in order."""
    positions = [i for i, special in enumerate(row.special_tokens_mask) if not special]
    seed = zlib.crc32(np.array(row.ids, "<i8").tobytes())
    count = max(1, round(MASKED_SHARE * len(positions)))
    drawn = np.random.default_rng(seed).choice(positions, count, replace=False)
    return sorted(map(int, drawn))


def fill_masks(pipeline: Pipeline[Any], texts: Sequence[str], batch_size: int) -> list[FilledMasks]:
    """Mask tokens of each text and predict them.

    Raises:
        InputError: a text has no token to mask.
    """
    tokenizer = pipeline.tokenizer
    rows = tokenizer.encode_rows(texts, strategy="longest_first", max_length=pipeline.max_length)
    for row, text in zip(rows, texts, strict=True):
        if all(row.special_tokens_mask):
            raise InputError(f"the text contains no words: {text!r:.60}")
    positions = [masked_positions(row) for row in rows]

    def decode(number: int, outputs: dict[str, FloatArray]) -> FilledMasks:
        row, masked = rows[number], positions[number]
        log_probs = log_softmax(outputs["logits"][masked])  # (masks, vocab)
        golds, best = np.array(row.ids)[masked], log_probs.argmax(axis=-1)
        index = np.arange(len(masked))
        return FilledMasks(
            tokens=tuple(map(str, tokenizer.convert_ids_to_tokens(best.tolist()))),
            loss=-float(log_probs[index, golds].sum()),
            correct=int((best == golds).sum()),
            masks=len(masked),
            confidence=float(np.exp(log_probs[index, best]).mean()),
            truncated=tokens_cut(row) > 0,
        )

    return run_batches(
        pipeline.session,
        pipeline.spec,
        [
            (_masked(row, masked, tokenizer.mask_token_id),)
            for row, masked in zip(rows, positions, strict=True)
        ],
        decode,
        batch_size=batch_size,
        pad_id=tokenizer.pad_token_id,
    )


def _masked(row: Row, positions: list[int], mask_id: int) -> _MaskedRow:
    ids = list(row.ids)
    for position in positions:
        ids[position] = mask_id
    return _MaskedRow(ids)
