"""Rows of model input: spans of one or two tokenized texts, with special tokens.

The `tokenizers` library can truncate and pad too, but stores the settings in the tokenizer, which
is not thread-safe. It also builds all combinations of the overflow of two texts, which takes all
memory if both are long. A row here only stores two spans.
"""

import itertools
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from tokenizers import Encoding

from squeezebert_mobile.errors import InputError, choose

__all__ = ["STRATEGIES", "Row", "Segment", "first_row", "rows_with_overflow", "windows"]

STRATEGIES = ("longest_first", "only_first", "only_second")

Span = tuple[int, int]


class Segment:
    """The tokens of one text, without special tokens. Lists are created on first access."""

    def __init__(self, encoding: Encoding) -> None:
        """Wrap the encoding of one text."""
        self.encoding = encoding

    def __len__(self) -> int:
        """The number of tokens."""
        return len(self.encoding)

    @cached_property
    def ids(self) -> list[int]:
        """The tokens' ids."""
        return list(self.encoding.ids)

    @cached_property
    def offsets(self) -> list[Span]:
        """The position of each token in its text, in characters."""
        return list(self.encoding.offsets)

    @cached_property
    def words(self) -> list[int | None]:
        """The index of the word that each token belongs to."""
        return list(self.encoding.word_ids)

    @cached_property
    def special(self) -> list[int]:
        """1 for the special tokens in the text, else 0."""
        return list(self.encoding.special_tokens_mask)


@dataclass(frozen=True)
class Row:
    """One row of model input: `[CLS] first [SEP]` or `[CLS] first [SEP] second [SEP]`."""

    segments: tuple[Segment, ...]
    spans: tuple[Span, ...]  # the tokens of each
    special_ids: tuple[int, int] | None  # ids of [CLS] and [SEP]; None: without special tokens

    def __len__(self) -> int:
        """The number of tokens, special ones included."""
        tokens = sum(stop - start for start, stop in self.spans)
        return tokens + (len(self.spans) + 1 if self.special_ids else 0)

    @property
    def is_truncated(self) -> bool:
        """Whether a text is truncated."""
        return any(
            stop - start < len(segment)
            for segment, (start, stop) in zip(self.segments, self.spans, strict=True)
        )

    def first_position(self, which: int) -> int:
        """The position in the row of the first token of text `which` (0 or 1)."""
        before = sum(stop - start for start, stop in self.spans[:which])
        return before + (which + 1 if self.special_ids else 0)

    def _join(
        self, values: Callable[[int, Segment, slice], list[Any]], cls: Any, seps: Sequence[Any]
    ) -> list[Any]:
        row = [cls] if self.special_ids else []
        for which, (segment, span) in enumerate(zip(self.segments, self.spans, strict=True)):
            row += values(which, segment, slice(*span))
            if self.special_ids:
                row.append(seps[which])
        return row

    @property
    def ids(self) -> list[int]:
        """The token ids."""
        cls, sep = self.special_ids or (0, 0)
        return self._join(lambda _, segment, part: segment.ids[part], cls, (sep, sep))

    @property
    def type_ids(self) -> list[int]:
        """0 for the first text, 1 for the second."""
        return self._join(lambda which, _, part: [which] * (part.stop - part.start), 0, (0, 1))

    @property
    def offsets(self) -> list[Span]:
        """The position of each token in its text, in characters; (0, 0) for special tokens."""
        return self._join(lambda _, segment, part: segment.offsets[part], (0, 0), ((0, 0), (0, 0)))

    @property
    def special_tokens_mask(self) -> list[int]:
        """1 for special tokens, else 0."""
        return self._join(lambda _, segment, part: segment.special[part], 1, (1, 1))


def first_row(
    segments: tuple[Segment, ...],
    *,
    special_ids: tuple[int, int] | None,
    strategy: str | None,
    room: int,
    stride: int = 0,
) -> Row:
    """The row with the start of each text, `room` tokens in total at most.

    Raises:
        InputError: the strategy cannot truncate to this length.
    """
    sizes = _sizes([len(segment) for segment in segments], strategy, room, stride)
    return Row(segments, tuple((0, size) for size in sizes), special_ids)


def rows_with_overflow(first: Row, stride: int) -> Iterator[Row]:
    """`first`, then rows with the tokens that it leaves out, in the order of transformers.

    Each span of a text begins with the last `stride` tokens of the span before it.
    """
    spans_of_texts = [
        list(windows(len(segment), stop, stride))
        for segment, (_, stop) in zip(first.segments, first.spans, strict=True)
    ]
    yield first
    spans_of_texts[0].append(spans_of_texts[0].pop(0))  # the first span of the first text is last
    for spans in itertools.product(*spans_of_texts):
        if spans != first.spans:
            yield Row(first.segments, spans, first.special_ids)


def windows(length: int, size: int, stride: int) -> Iterator[Span]:
    """Spans of `size` tokens that cover `length` tokens and overlap by `stride`."""
    assert 0 <= size <= length and (stride < size or size in (0, length)), (length, size, stride)
    yield 0, size
    if not size < length:
        return
    if not size:  # no token of this text fits beside the other: all of it is one span
        yield 0, length
        return
    for start in itertools.count(size - stride, size - stride):
        yield start, min(start + size, length)
        if start + size >= length:
            return


def _sizes(lengths: list[int], strategy: str | None, room: int, stride: int) -> list[int]:
    if strategy is not None and strategy not in STRATEGIES:
        raise InputError(choose("truncation", strategy, STRATEGIES))
    if strategy is None or sum(lengths) <= room:
        return lengths
    if strategy == "longest_first":
        sizes = [room] if len(lengths) == 1 else _longest_first(lengths, room)
    else:
        sizes = _only(strategy, lengths, sum(lengths) - room)
    for length, size in zip(lengths, sizes, strict=True):
        if 0 < size < length and size <= stride:
            raise InputError(
                f"stride={stride} leaves no new token in a window of {size}; "
                "use a smaller stride or a larger max_length"
            )
    return sizes


def _longest_first(lengths: list[int], room: int) -> list[int]:
    """Sizes with the sum `room`; a text of at most half of it is not truncated."""
    short = min(lengths)
    if short > room - short:
        short = room // 2
    return [room - short, short] if lengths[0] > lengths[1] else [short, room - short]


def _only(strategy: str, lengths: list[int], excess: int) -> list[int]:
    which = 0 if strategy == "only_first" else 1
    if which == len(lengths):
        raise InputError("truncation='only_second' needs a text pair; use truncation=True")
    if lengths[which] <= excess:
        raise InputError(
            f"truncation={strategy!r} is not possible: {excess} tokens have to be removed, but "
            f"that text only has {lengths[which]}; use truncation=True or a larger max_length"
        )
    sizes = list(lengths)
    sizes[which] -= excess
    return sizes
