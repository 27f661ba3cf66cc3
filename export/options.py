"""Checks of an export's options against the checkpoint, before any work is done."""

from collections.abc import Sequence
from dataclasses import replace

from squeezebert_mobile.errors import ExportError
from squeezebert_mobile.export.backends.base.backend import ExportOptions
from squeezebert_mobile.export.quantize.recipe import RECIPES
from squeezebert_mobile.export_options import MIN_LENGTH, as_lengths
from squeezebert_mobile.formats import FORMATS
from squeezebert_mobile.models.checkpoint import Checkpoint
from squeezebert_mobile.models.config import EncoderConfig
from squeezebert_mobile.tasks import TASKS

__all__ = ["checked_options", "name_labels", "other_notes"]


def name_labels(source: Checkpoint, labels: Sequence[str]) -> Checkpoint:
    """The checkpoint of a classifier with the names that its config lacks, in the order of ids.

    Its notes on the config's names no longer apply, and are left out.

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
    return replace(source, notes=other_notes(source, config))


def other_notes(source: Checkpoint, config: EncoderConfig) -> tuple[str, ...]:
    """The notes of a checkpoint that are not about the names of labels in its `config`."""
    return tuple(text for text in source.notes if text not in config.label_notes)


def checked_options(
    source: Checkpoint,
    format: str,
    precision: str,
    sequence_length: int | Sequence[int] | None,
    max_sequence_length: int | None,
    engine: str | None,
) -> ExportOptions:
    """The options of an export of `source`, with defaults filled in.

    Raises:
        ExportError: a length is out of range.
    """
    lengths = as_lengths(sequence_length)
    engines = FORMATS[format].engines if precision in RECIPES else ()
    return ExportOptions(
        format,
        precision,
        *_lengths(source, lengths, max_sequence_length),
        engine or next(iter(engines), None),
        several=lengths if len(lengths) > 1 else (),
    )


def _lengths(
    source: Checkpoint, lengths: tuple[int, ...], max_sequence_length: int | None
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
        *(("--sequence-length", length) for length in lengths),
        ("--max-sequence-length", max_sequence_length),
    ):
        if length is not None and length > longest:
            raise ExportError(
                f"{option} {length} is too long; the model reads up to {longest} tokens"
            )
    if lengths:
        return lengths[0] if len(lengths) == 1 else None, lengths[-1]
    default = source.default_sequence_length
    if max_sequence_length is None and default < MIN_LENGTH:
        raise ExportError(
            f"max_seq_length in sentence_bert_config.json is {default}; an export needs at "
            f"least {MIN_LENGTH}, for a pair of texts and its special tokens; give "
            f"--max-sequence-length {MIN_LENGTH} or more"
        )
    return None, max_sequence_length or default
