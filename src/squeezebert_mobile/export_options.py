"""Checks of an export's options that need neither the checkpoint nor torch."""

import math
from collections.abc import Sequence
from pathlib import Path
from typing import get_args

from squeezebert_mobile.errors import ExportError, choose, is_unicode, require_extra
from squeezebert_mobile.formats import FORMATS, Engine, Precision

__all__ = ["MIN_LENGTH", "as_lengths", "check_differences", "check_export_options"]

#: Tokens; shorter inputs have no room for a pair of texts between the special tokens.
MIN_LENGTH = 8


def check_export_options(
    format: str,
    precision: str,
    engine: str | None,
    *,
    sequence_length: int | Sequence[int] | None,
    max_sequence_length: int | None,
    labels: Sequence[str] | None,
    data: Path | str | None,
    max_drop: float | None,
    atol: float | None,
    rtol: float | None,
) -> None:
    """Check the options of `export_checkpoint` that do not depend on the checkpoint.

    Raises:
        ExportError: one is unknown, or does not go with the others.
        MissingExtraError: the format needs a package that is not installed.
    """
    if max_drop is not None and data is None:
        raise ExportError(f"--max-drop {max_drop:g} needs labelled examples; add --data FILE")
    _check_format(format, precision, engine)
    _check_lengths(format, as_lengths(sequence_length), max_sequence_length)
    check_differences(atol, rtol)
    if labels is not None:
        _check_labels(labels)


def _check_format(format: str, precision: str, engine: str | None) -> None:
    for what, value, valid in (
        ("format", format, tuple(FORMATS)),
        ("precision", precision, get_args(Precision)),
    ):
        if value not in valid:
            raise ExportError(choose(what, value, valid))
    facts = FORMATS[format]
    if precision not in facts.precisions:
        formats = [name for name, other in FORMATS.items() if precision in other.precisions]
        raise ExportError(
            f"--precision {precision} is for --format {' or '.join(formats)}; {format} comes in "
            f"{' and '.join(facts.precisions)}"
        )
    if engine is not None:
        _check_engine(format, precision, engine)
    if facts.extra:
        require_extra(facts.extra)


def _check_engine(format: str, precision: str, engine: str) -> None:
    engines = get_args(Engine)
    if engine not in engines:
        raise ExportError(choose("engine", engine, engines))
    if engine not in FORMATS[format].engines or precision != "int8":
        formats = [name for name, facts in FORMATS.items() if engine in facts.engines]
        raise ExportError(
            f"--engine {engine} is for --format {' or '.join(formats)} --precision int8, and not "
            f"for {precision} {format}; leave it out"
        )


def as_lengths(lengths: int | Sequence[int] | None) -> tuple[int, ...]:
    """Lengths in tokens in ascending order; none for None."""
    if lengths is None or isinstance(lengths, int):
        return () if lengths is None else (lengths,)
    return tuple(sorted(set(lengths)))


def _check_lengths(format: str, lengths: tuple[int, ...], longest: int | None) -> None:
    if len(lengths) > 1 and FORMATS[format].lengths is None:
        formats = [name for name, facts in FORMATS.items() if facts.lengths]
        raise ExportError(
            f"--sequence-length {lengths[0]} and {lengths[1]}: a model for {format} takes one "
            f"length, or any; give one, or use --format {' or '.join(formats)}"
        )
    options = [("--sequence-length", length) for length in lengths]
    for option, length in (*options, ("--max-sequence-length", longest)):
        if length is not None and length < MIN_LENGTH:
            raise ExportError(
                f"{option} {length} is too short; give at least {MIN_LENGTH}, which leaves room "
                "for a pair of texts and its special tokens"
            )
    if lengths and longest not in {None, lengths[-1]}:
        raise ExportError(
            f"--max-sequence-length {longest} contradicts --sequence-length {lengths[-1]}; give "
            "one of them"
        )


def check_differences(atol: float | None, rtol: float | None) -> None:
    """Check the largest allowed differences of an output; None stands for the default.

    Raises:
        ExportError: `atol` or `rtol` is negative, infinite or not a number.
    """
    for name, value in (("atol", atol), ("rtol", rtol)):
        if value is not None and not 0 <= value < math.inf:
            raise ExportError(f"--{name} {value:g} is not a difference; give a number from 0 on")


def _check_labels(labels: Sequence[str]) -> None:
    is_list = isinstance(labels, Sequence) and not isinstance(labels, str | bytes)
    if (
        not is_list
        or not labels
        or not all(isinstance(name, str) and name.strip() for name in labels)
    ):
        raise ExportError(f"labels={labels!r:.80} must be a list with a name for each label")
    for name in labels:
        if not is_unicode(name):
            raise ExportError(f"labels: {name!r} is not valid Unicode; give it in UTF-8")
    if twice := [name for i, name in enumerate(labels) if name in labels[:i]]:
        raise ExportError(f"labels: {twice[0]!r} is given twice; give each label its own name")
