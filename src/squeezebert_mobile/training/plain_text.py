"""Plain text, one a line: examples without labels, for a model that learns from a teacher alone."""

from collections.abc import Iterator, Sequence

import numpy as np

from squeezebert_mobile.evaluation.readers.data import DataFile, DataSet, Example
from squeezebert_mobile.export.feeds.selection import CALIBRATION_STEP
from squeezebert_mobile.models.checkpoint import shipped_texts
from squeezebert_mobile.tasks import TASKS
from squeezebert_mobile.training.examples import Encoder, TrainingExample, encode_examples

__all__ = ["LINES", "encode_lines", "read_lines"]

LINES = "lines"  # the name of the format
_CHOICES = 2


def read_lines(file: DataFile, task: str) -> DataSet:
    """The texts of a file. A task that reads several at a time gets those of the next lines.

    The texts that an export calibrates with follow: they are of languages and kinds that the file
    may not have, and from English alone all-MiniLM-L6-v2 learned to read Hungarian differently.
    """
    lines = [(f"line {number}", text) for number, text in file.rows()]
    shipped = shipped_texts()[::CALIBRATION_STEP]
    lines += [(f"shipped text {place}", text) for place, text in enumerate(shipped)]
    facts = TASKS[task]
    count = 1 + (_CHOICES if facts.has_choices else facts.needs_pairs)
    examples = []
    for place, (name, _) in enumerate(lines):
        texts = tuple(lines[(place + step) % len(lines)][1] for step in range(count))
        examples.append(Example(name, texts, None))
    return DataSet(LINES, task, tuple(examples), ())


def encode_lines(task: str, encoder: Encoder, examples: Sequence[Example]) -> list[TrainingExample]:
    """The training examples of texts without labels; fill-mask hides words in them."""
    if TASKS[task].predicts_masks:
        return encode_examples(task, encoder, examples)
    return list(_encoded(encoder, examples))


def _encoded(encoder: Encoder, examples: Sequence[Example]) -> Iterator[TrainingExample]:
    for example in examples:
        first, *others = example.texts
        rows = encoder.rows([(first, other) for other in others] or [(first,)])
        yield TrainingExample(
            ids=tuple(np.array(row.ids, np.int32) for row in rows),
            types=tuple(np.array(row.type_ids, np.int32) for row in rows),
            target=None,
            size=max(len(row.ids) for row in rows),
            is_truncated=any(row.is_truncated for row in rows),
            is_labelled=False,
        )
