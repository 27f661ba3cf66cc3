"""Checks of input texts, for the tokenizer and the pipelines."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from squeezebert_mobile.errors import InputError

__all__ = ["as_batch", "as_text", "check_room"]


def as_batch(
    text: str | Sequence[str], text_pair: str | Sequence[str] | None
) -> tuple[list[str], list[str]]:
    """Lists of first and second texts; the second list is empty without pairs.

    Raises:
        InputError: an element is not a text, or the numbers of texts differ.
    """
    if isinstance(text, str):
        if not isinstance(text_pair, str | None):
            raise InputError("one text needs one text_pair, not a list; give both as lists")
        return _checked([text]), _checked([text_pair] if text_pair else [])
    firsts = _checked(text)
    if text_pair is None:
        return firsts, []
    if isinstance(text_pair, str) or len(text_pair) != len(firsts):
        count = "one text" if isinstance(text_pair, str) else f"{len(text_pair)} texts"
        raise InputError(f"text_pair has {count} for {len(firsts)} texts; give one for each")
    return firsts, _checked(text_pair)


def as_text(value: Any, what: str = "text") -> str:
    """`value` as a non-empty text; bytes are decoded as UTF-8.

    Raises:
        InputError: it is not a text, or is empty.
    """
    if isinstance(value, bytes):
        try:
            value = value.decode("utf-8")
        except UnicodeDecodeError as error:
            raise InputError(
                f"the {what} is not UTF-8 (byte {error.start} is {value[error.start]:#04x}); "
                "convert it to UTF-8"
            ) from None
    (text,) = _checked([value], what)
    if not text.strip():
        raise InputError(f"the {what} is empty; give at least one word")
    return text


def _checked(texts: Sequence[str], what: str = "text") -> list[str]:
    if not isinstance(texts, Sequence | np.ndarray) or isinstance(texts, bytes):
        raise InputError(f"a {what} must be a str or a list of str, not {type(texts).__name__}")
    for text in texts:
        if not isinstance(text, str):
            raise InputError(f"a {what} must be a str, not {type(text).__name__}: {text!r:.60}")
        try:
            text.encode("utf-8")
        except UnicodeEncodeError as error:
            raise InputError(
                f"a {what} is not valid Unicode: unpaired surrogate at character {error.start}"
            ) from None
    return [str(text) for text in texts]


def check_room(max_length: int, specials: int, stride: int) -> None:
    """Check that `max_length` tokens have room for the special tokens, and for `stride`.

    Raises:
        InputError: they have not, or `stride` is negative.
    """
    if max_length < max(specials, 1):
        raise InputError(
            f"max_length={max_length} is too short: the special tokens alone take {specials}"
        )
    if stride < 0:
        raise InputError(f"stride={stride} must not be negative")
