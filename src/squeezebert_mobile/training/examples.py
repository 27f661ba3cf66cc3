"""From labelled examples to batches with what the model should say: the one table of the tasks."""

import itertools
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from squeezebert_mobile.errors import InputError
from squeezebert_mobile.evaluation.masking import MASKED_SHARE
from squeezebert_mobile.evaluation.readers.data import Example
from squeezebert_mobile.runtime.tasks.question_answering import MAX_LENGTH, context_windows
from squeezebert_mobile.runtime.tokenizer import SqueezeBertTokenizer
from squeezebert_mobile.runtime.tokenizer.rows import Row, rows_with_overflow
from squeezebert_mobile.tasks import TASKS

__all__ = ["IGNORED", "SUBJECTS", "Lesson", "Reader", "Subject", "collate", "make_lessons"]

#: The label of a token that is not learned from: torch's cross entropy leaves it out.
IGNORED = -100
_TOGETHER = 1000  # examples that are tokenized at a time
_HIDDEN, _REPLACED = 0.8, 0.1  # of the masked: [MASK], any token; the rest stay as they are

Ids = NDArray[np.int32]


@dataclass(frozen=True, eq=False)
class Lesson:
    """Rows of ids, one or one a choice, and what is right."""

    ids: tuple[Ids, ...]
    types: tuple[Ids, ...]
    target: Any  # as its Subject makes it
    size: int  # lessons of like sizes share a batch
    is_cut: bool  # whether something of its texts is in no lesson


@dataclass(frozen=True)
class Reader:
    """What turns examples into rows."""

    tokenizer: SqueezeBertTokenizer
    longest: int  # tokens of a row
    label_ids: dict[str, int]


@dataclass(frozen=True)
class Subject:
    """How one task is taught."""

    #: Lessons from a few examples; several of one example that is read in windows.
    read: Callable[[Reader, Sequence[Example]], Iterator[Lesson]]
    #: The model's arguments beside its inputs, which it may change.
    targets: Callable[
        [SqueezeBertTokenizer, Sequence[Lesson], dict[str, Tensor]], dict[str, Tensor]
    ]


def make_lessons(task: str, reader: Reader, examples: Sequence[Example]) -> list[Lesson]:
    """What a model of `task` learns from the examples.

    Raises:
        InputError: an example cannot be learned from, and where it stands.
    """
    read = SUBJECTS[task].read
    return [
        lesson
        for start in range(0, len(examples), _TOGETHER)
        for lesson in read(reader, examples[start : start + _TOGETHER])
    ]


def collate(
    task: str, tokenizer: SqueezeBertTokenizer, lessons: Sequence[Lesson]
) -> dict[str, Tensor]:
    """The arguments of the model for a batch."""
    rows = [ids for lesson in lessons for ids in lesson.ids]
    types = [each for lesson in lessons for each in lesson.types]
    inputs = {
        "input_ids": _padded(rows, tokenizer.pad_token_id),
        "token_type_ids": _padded(types, 0),
        "attention_mask": _padded([np.ones_like(row) for row in rows], 0),
    }
    if TASKS[task].has_choices:
        inputs = {name: x.reshape(len(lessons), -1, x.shape[1]) for name, x in inputs.items()}
    return inputs | SUBJECTS[task].targets(tokenizer, lessons, inputs)


def _padded(rows: Sequence[Ids], fill: int) -> Tensor:
    array = np.full((len(rows), max(map(len, rows))), fill, np.int64)
    for place, row in enumerate(rows):
        array[place, : len(row)] = row
    return torch.from_numpy(array)


def _lesson(rows: Sequence[Row], target: Any, size: int, *, is_windowed: bool = False) -> Lesson:
    ids = tuple(np.array(row.ids, np.int32) for row in rows)
    types = tuple(np.array(row.type_ids, np.int32) for row in rows)
    is_cut = not is_windowed and any(row.is_cut for row in rows)
    return Lesson(ids, types, target, size, is_cut)


def _characters(example: Example) -> int:
    return sum(map(len, example.texts))


def _encoded(reader: Reader, pairs: Sequence[tuple[str, ...]]) -> list[Row]:
    """A row for each text or pair of texts; all are one of these."""
    firsts, *seconds = zip(*pairs, strict=True)
    return reader.tokenizer.encode_rows(
        firsts, *seconds, strategy="longest_first", max_length=reader.longest
    )


# A label, or a number, for the whole text ---------------------------------------------------


def _read_texts(reader: Reader, examples: Sequence[Example]) -> Iterator[Lesson]:
    rows: dict[int, Row] = {}
    for length in (1, 2):
        places = [i for i, example in enumerate(examples) if len(example.texts) == length]
        if places:
            found = _encoded(reader, [examples[i].texts for i in places])
            rows.update(zip(places, found, strict=True))
    for place, example in enumerate(examples):
        target = _target(reader, example)
        yield _lesson([rows[place]], target, _characters(example))


def _target(reader: Reader, example: Example) -> int | float:
    """The label's id; a number where there are no labels."""
    gold = str(example.gold)
    return reader.label_ids[gold] if reader.label_ids else float(gold)


def _labels(
    tokenizer: SqueezeBertTokenizer, lessons: Sequence[Lesson], inputs: dict[str, Tensor]
) -> dict[str, Tensor]:
    return {"labels": torch.tensor([lesson.target for lesson in lessons])}


# A label for every word ---------------------------------------------------------------------


def _read_words(reader: Reader, examples: Sequence[Example]) -> Iterator[Lesson]:
    texts = [(" ".join(example.texts),) for example in examples]
    for example, first in zip(examples, _encoded(reader, texts), strict=True):
        labels = _token_labels(reader, example, first)
        for row in rows_with_overflow(first, stride=0):
            ((start, stop),) = row.spans
            target = (IGNORED, *labels[start:stop], IGNORED)
            if any(label != IGNORED for label in target):
                yield _lesson([row], target, stop - start, is_windowed=True)


def _token_labels(reader: Reader, example: Example, row: Row) -> list[int]:
    """An id for every token of the text: the first of a word has its word's label.

    A later one has it too, so that tokens can be joined again without knowing words: as I-PER after
    B-PER, and none where there is no such label.
    """
    assert isinstance(example.gold, tuple)
    (segment,) = row.segments
    ends = list(itertools.accumulate(len(word) + 1 for word in example.texts))
    ids, word, last = [], 0, -1
    for start, _ in segment.offsets:
        while ends[word] <= start:
            word += 1
        label = example.gold[word]
        if word == last and label.startswith("B-"):
            label = f"I-{label[2:]}"
        ids.append(reader.label_ids.get(label, IGNORED))
        last = word
    return ids


def _labels_of_tokens(
    tokenizer: SqueezeBertTokenizer, lessons: Sequence[Lesson], inputs: dict[str, Tensor]
) -> dict[str, Tensor]:
    return {"labels": _padded([np.array(lesson.target) for lesson in lessons], IGNORED)}


# Where an answer begins and ends ------------------------------------------------------------


def _read_questions(reader: Reader, examples: Sequence[Example]) -> Iterator[Lesson]:
    length = min(MAX_LENGTH, reader.longest)
    for example in examples:
        question, context = example.texts
        found = _answer_span(example)
        for row in context_windows(reader.tokenizer, question, context, length):
            yield _lesson([row], _positions(row, found), len(row), is_windowed=True)


def _answer_span(example: Example) -> tuple[int, int] | None:
    """Where the first answer stands in its context, in characters; None: it has none."""
    if not example.gold:
        return None
    assert isinstance(example.gold, tuple)
    answer, context, start = example.gold[0], example.texts[1], example.start
    if start is None or context[start : start + len(answer)] != answer:
        raise InputError(
            f"{example.location} has answer_start {start}, but its context does not have "
            f"{answer!r:.40} there; give the answer's offset in characters, from 0"
        )
    return start, start + len(answer)


def _positions(row: Row, span: tuple[int, int] | None) -> tuple[int, int]:
    """The first and the last token of the answer in this row; [CLS], 0, where it is not in it."""
    if span is None:
        return 0, 0
    tokens = [
        place
        for place, (start, stop) in enumerate(row.segments[1].offsets)
        if start < span[1] and stop > span[0]
    ]
    first, stop = row.spans[1]
    if not tokens or tokens[0] < first or tokens[-1] >= stop:
        return 0, 0
    shift = row.first_position(1) - first
    return tokens[0] + shift, tokens[-1] + shift


def _ends(
    tokenizer: SqueezeBertTokenizer, lessons: Sequence[Lesson], inputs: dict[str, Tensor]
) -> dict[str, Tensor]:
    start, end = torch.tensor([lesson.target for lesson in lessons]).unbind(1)
    return {"start_positions": start, "end_positions": end}


# Which choice fits --------------------------------------------------------------------------


def _read_choices(reader: Reader, examples: Sequence[Example]) -> Iterator[Lesson]:
    pairs = [(example.texts[0], each) for example in examples for each in example.texts[1:]]
    rows = iter(_encoded(reader, pairs))
    for example in examples:
        own = list(itertools.islice(rows, len(example.texts) - 1))
        yield _lesson(own, example.gold, _characters(example))


# Which token stood there --------------------------------------------------------------------


def _read_plain(reader: Reader, examples: Sequence[Example]) -> Iterator[Lesson]:
    for first in _encoded(reader, [example.texts for example in examples]):
        for row in rows_with_overflow(first, stride=0):
            if not all(row.special_tokens_mask):
                yield _lesson([row], None, len(row), is_windowed=True)


def _masks(
    tokenizer: SqueezeBertTokenizer, lessons: Sequence[Lesson], inputs: dict[str, Tensor]
) -> dict[str, Tensor]:
    """Draw what is asked for from torch's generator, and hide it in the inputs."""
    ids = inputs["input_ids"]
    special = torch.tensor([tokenizer.cls_token_id, tokenizer.sep_token_id, tokenizer.pad_token_id])
    may = ~torch.isin(ids, special)
    count = (may.sum(1, keepdim=True) * MASKED_SHARE).round().clamp(min=1)
    order = torch.rand(ids.shape).masked_fill(~may, 2.0).argsort(1).argsort(1)
    chosen = (order < count) & may
    labels = ids.masked_fill(~chosen, IGNORED)
    kind = torch.rand(ids.shape)
    hidden = ids.masked_fill(chosen & (kind < _HIDDEN), tokenizer.mask_token_id)
    any_token = torch.randint(len(tokenizer), ids.shape)
    replaced = chosen & (kind >= _HIDDEN) & (kind < _HIDDEN + _REPLACED)
    inputs["input_ids"] = torch.where(replaced, any_token, hidden)
    return {"input_ids": inputs["input_ids"], "labels": labels}


SUBJECTS = {
    "text-classification": Subject(_read_texts, _labels),
    "token-classification": Subject(_read_words, _labels_of_tokens),
    "question-answering": Subject(_read_questions, _ends),
    "multiple-choice": Subject(_read_choices, _labels),
    "fill-mask": Subject(_read_plain, _masks),
}
