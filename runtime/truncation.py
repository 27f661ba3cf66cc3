"""Cutting encodings to a length, as the `tokenizers` library does it, without its shared state."""

from tokenizers import Encoding

from squeezebert_mobile.errors import InputError, choose

__all__ = ["STRATEGIES", "truncate"]

STRATEGIES = ("longest_first", "only_first", "only_second")


def truncate(
    first: Encoding, second: Encoding | None, *, strategy: str, room: int, stride: int
) -> None:
    """Cut the two encodings, in place, until together they have at most `room` tokens.

    What was cut off stays in `Encoding.overflowing`, each piece with `stride` tokens of the piece
    before it.

    Raises:
        InputError: the strategy cannot reach that length.
    """
    if strategy not in STRATEGIES:
        raise InputError(choose("truncation", strategy, STRATEGIES))
    lengths = len(first), len(second) if second is not None else 0
    excess = sum(lengths) - room
    if excess <= 0:
        return
    if strategy == "longest_first":
        targets = _longest_first(*lengths, room) if second is not None else (room, 0)
    else:
        targets = _only(strategy, lengths, excess, paired=second is not None)
    for encoding, length, target in zip((first, second), lengths, targets, strict=True):
        if encoding is None or target >= length:
            continue
        if 0 < target <= stride:
            raise InputError(
                f"stride={stride} leaves no new token in a window of {target}; "
                "use a smaller stride or a larger max_length"
            )
        encoding.truncate(target, stride=stride)


def _longest_first(first: int, second: int, room: int) -> tuple[int, int]:
    """Lengths that sum up to `room`: the shorter one is kept whole while it has its half."""
    short, long = sorted((first, second))
    if short + max(short, room - short) > room:
        short = room // 2
    long = room - short
    return (long, short) if first > second else (short, long)


def _only(strategy: str, lengths: tuple[int, int], excess: int, *, paired: bool) -> tuple[int, int]:
    which = 0 if strategy == "only_first" else 1
    if which and not paired:
        raise InputError("truncation='only_second' needs a text pair; use truncation=True")
    if lengths[which] <= excess:
        raise InputError(
            f"truncation={strategy!r} cannot make room: {excess} tokens are too many, and the text "
            f"to be cut has only {lengths[which]}; use truncation=True or a larger max_length"
        )
    kept = lengths[which] - excess
    return (lengths[0], kept) if which else (kept, lengths[1])
