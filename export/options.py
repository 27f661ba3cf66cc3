"""Checks of an export's options, before any work is done."""

from collections.abc import Sequence
from typing import get_args

from squeezebert_mobile.errors import ExportError, choose, is_unicode, require_extra
from squeezebert_mobile.export.backends import BACKENDS
from squeezebert_mobile.export.backends.base.backend import ExportOptions
from squeezebert_mobile.export.quantize.recipe import RECIPES
from squeezebert_mobile.formats import FORMATS, Precision
from squeezebert_mobile.models.checkpoint import Checkpoint
from squeezebert_mobile.tasks import TASKS

__all__ = ["check_choices", "check_labels", "checked_options", "name_labels"]

#: Tokens; shorter inputs have no room for a pair of texts between the special tokens.
MIN_LENGTH = 8


def check_choices(format: str, precision: str, engine: str | None) -> None:
    """Check the options that do not depend on the checkpoint.

    Raises:
        ExportError: one is unknown, or does not go with the others.
        MissingExtraError: the format needs a package that is not installed.
    """
    for what, value, valid in (
        ("format", format, tuple(BACKENDS)),
        ("precision", precision, get_args(Precision)),
    ):
        if value not in valid:
            raise ExportError(choose(what, value, valid))
    facts = BACKENDS[format].facts
    if precision not in facts.precisions:
        formats = [name for name, other in FORMATS.items() if precision in other.precisions]
        raise ExportError(
            f"--precision {precision} is for --format {' or '.join(formats)}; {format} comes in "
            f"{' and '.join(facts.precisions)}"
        )
    if facts.extra:
        require_extra(facts.extra)
    if engine is not None:
        _check_engine(format, precision, engine)


def _check_engine(format: str, precision: str, engine: str) -> None:
    engines = {name for backend in BACKENDS.values() for name in backend.engines}
    if engine not in engines:
        raise ExportError(choose("engine", engine, engines))
    if engine not in BACKENDS[format].engines or precision not in RECIPES:
        formats = [name for name, backend in BACKENDS.items() if engine in backend.engines]
        raise ExportError(
            f"--engine {engine} is for --format {' or '.join(formats)} --precision int8, and not "
            f"for {precision} {format}; leave it out"
        )


def check_labels(labels: Sequence[str]) -> None:
    """Check names of labels, without the checkpoint.

    Raises:
        ExportError: there is none, or one is empty, given twice or not a text.
    """
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


def name_labels(source: Checkpoint, labels: Sequence[str]) -> None:
    """Give the outputs of a classifier the names that its config lacks, in the order of ids.

    Raises:
        ExportError: the head has no labels, or another number of them, or its config names them.
    """
    task, config = source.model.task, source.model.config
    if not TASKS[task].has_labels:
        raise ExportError(f"--labels does not apply to {task}, whose outputs are not labels")
    if len(labels) != config.num_labels:
        raise ExportError(
            f"--labels has {len(labels)} names ({', '.join(labels)}), but the model has "
            f"{config.num_labels} labels; give one for each, in the order of their ids"
        )
    names = list(config.id2label.values())
    if names != list(labels) and not any(
        name == f"LABEL_{place}" for place, name in config.id2label.items()
    ):
        raise ExportError(
            f"config.json names the labels already ({', '.join(names)}); leave out --labels, or "
            "change id2label there"
        )
    source.model.config = config.with_labels(labels)


def checked_options(
    source: Checkpoint,
    format: str,
    precision: str,
    sequence_length: int | None,
    max_sequence_length: int | None,
    engine: str | None,
) -> ExportOptions:
    """The options of an export of `source`, with defaults filled in.

    Raises:
        ExportError: a length is out of range.
    """
    engines = BACKENDS[format].engines if precision in RECIPES else ()
    return ExportOptions(
        format,
        precision,
        *_lengths(source, sequence_length, max_sequence_length),
        engine or next(iter(engines), None),
    )


def _lengths(
    source: Checkpoint, sequence_length: int | None, max_sequence_length: int | None
) -> tuple[int | None, int]:
    """The fixed length or None, and the longest length, in tokens."""
    longest = source.max_sequence_length
    if longest < MIN_LENGTH:
        raise ExportError(
            f"the longest input is {longest} tokens (max_position_embeddings in config.json, or "
            f"model_max_length in tokenizer_config.json); an export needs at least {MIN_LENGTH}, "
            "for a pair of texts and its special tokens; use another checkpoint"
        )
    for option, length in (
        ("--sequence-length", sequence_length),
        ("--max-sequence-length", max_sequence_length),
    ):
        if length is not None and not MIN_LENGTH <= length <= longest:
            raise ExportError(
                f"{option} {length} is out of range; the model reads up to {longest} tokens, and "
                f"fewer than {MIN_LENGTH} leave no room for a pair of texts"
            )
    if sequence_length is None:
        default = source.default_sequence_length
        if max_sequence_length is None and default < MIN_LENGTH:
            raise ExportError(
                f"max_seq_length in sentence_bert_config.json is {default}; an export needs at "
                f"least {MIN_LENGTH}, for a pair of texts and its special tokens; give "
                f"--max-sequence-length {MIN_LENGTH} or more"
            )
        return None, max_sequence_length or default
    if max_sequence_length not in {None, sequence_length}:
        raise ExportError(
            f"--max-sequence-length {max_sequence_length} contradicts --sequence-length "
            f"{sequence_length}; give one of them"
        )
    return sequence_length, sequence_length
