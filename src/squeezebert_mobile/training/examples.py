"""Training examples: labelled data encoded per task, and collated into batches.

`PREPROCESSORS` has one entry per task.
"""

import itertools
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from squeezebert_mobile.errors import InputError
from squeezebert_mobile.evaluation.masking import MASKED_SHARE
from squeezebert_mobile.evaluation.readers.data import DataSet, Example
from squeezebert_mobile.runtime.tasks.question_answering import MAX_LENGTH, context_windows
from squeezebert_mobile.runtime.tokenizer import SqueezeBertTokenizer
from squeezebert_mobile.runtime.tokenizer.rows import Row, rows_with_overflow
from squeezebert_mobile.tasks import INPUT_NAMES, TASKS

__all__ = [
    "IGNORED",
    "PREPROCESSORS",
    "Encoder",
    "Preprocessor",
    "TrainingExample",
    "check_trainable",
    "collate",
    "encode_examples",
    "some_inputs",
]

#: The label of a token without a target; torch's cross entropy ignores it.
IGNORED = -100
_TOKENIZED_TOGETHER = 1000  # examples
_CALIBRATED_WITH, _BATCH = 16_000, 4  # tokens; examples at a time
# What happens to a token chosen for prediction, as in BERT's pretraining: it becomes [MASK], or
# a random token, or else stays.
_MASKED, _RANDOM = 0.8, 0.1

Ids = NDArray[np.int32]


@dataclass(frozen=True, eq=False)
class TrainingExample:
    """Rows of token ids (one, or one per choice) and their target."""

    ids: tuple[Ids, ...]
    types: tuple[Ids, ...]
    target: Any  # depends on the task's Preprocessor
    size: int  # a length; examples of similar size share a batch
    is_truncated: bool  # whether part of its texts is in no training example
    is_labelled: bool = True  # whether there is a target, besides that of a teacher


@dataclass(frozen=True)
class Encoder:
    """What turns labelled examples into rows of token ids."""

    tokenizer: SqueezeBertTokenizer
    max_length: int  # tokens per row
    label_ids: dict[str, int]

    def rows(self, pairs: Sequence[tuple[str, ...]]) -> list[Row]:
        """A row for each text or pair of texts; all are one or the other."""
        firsts, *seconds = zip(*pairs, strict=True)
        return self.tokenizer.encode_rows(
            firsts, *seconds, strategy="longest_first", max_length=self.max_length
        )

    def target(self, example: Example) -> int | float:
        """The label's id; the number itself for regression."""
        gold = str(example.gold)
        return self.label_ids[gold] if self.label_ids else float(gold)


@dataclass(frozen=True)
class Preprocessor:
    """How a task's labelled examples become training examples and batches."""

    #: The training examples of some labelled ones; several for a text that is split into windows.
    encode: Callable[[Encoder, Sequence[Example]], Iterator[TrainingExample]]
    #: The model's arguments besides its inputs, which it may change.
    targets: Callable[
        [SqueezeBertTokenizer, Sequence[TrainingExample], dict[str, Tensor]], dict[str, Tensor]
    ]


def check_trainable(data: DataSet, name: str | Path) -> None:
    """Check that a model can learn from the data, which messages call `name`.

    Raises:
        InputError: all examples have the same label, or different numbers of choices.
    """
    name, task = repr(str(name)), TASKS[data.task]
    if task.has_labels and not data.is_regression and len(data.classes) < 2:
        raise InputError(
            f"{name} has only one label, {data.classes[0]!r}, so there is nothing to learn; give "
            "examples with two or more labels"
        )
    if task.has_choices:
        first, *others = data.examples
        for other in others:
            if len(other.texts) != len(first.texts):
                raise InputError(
                    f"{name} has {len(other.texts) - 1} choices at {other.location}, but "
                    f"{len(first.texts) - 1} at {first.location}; give all examples the same number"
                )


def encode_examples(
    task: str, encoder: Encoder, examples: Sequence[Example]
) -> list[TrainingExample]:
    """The training examples for a model of `task`.

    Raises:
        InputError: an example has no valid target; the message names its location.
    """
    encode = PREPROCESSORS[task].encode
    return [
        encoded
        for start in range(0, len(examples), _TOKENIZED_TOGETHER)
        for encoded in encode(encoder, examples[start : start + _TOKENIZED_TOGETHER])
    ]


def collate(
    task: str, tokenizer: SqueezeBertTokenizer, examples: Sequence[TrainingExample]
) -> dict[str, Tensor]:
    """The model's arguments for a batch."""
    rows = [ids for example in examples for ids in example.ids]
    types = [types for example in examples for types in example.types]
    inputs = {
        "input_ids": _padded(rows, tokenizer.pad_token_id),
        "token_type_ids": _padded(types, 0),
        "attention_mask": _padded([np.ones_like(row) for row in rows], 0),
    }  # (rows, tokens)
    if TASKS[task].has_choices:  # (examples, choices, tokens)
        inputs = {name: x.reshape(len(examples), -1, x.shape[1]) for name, x in inputs.items()}
    if not all(example.is_labelled for example in examples):
        return inputs
    return inputs | PREPROCESSORS[task].targets(tokenizer, examples, inputs)


def some_inputs(
    task: str, tokenizer: SqueezeBertTokenizer, examples: Sequence[TrainingExample]
) -> Iterator[tuple[Tensor, Tensor, Tensor]]:
    """Ids, mask and token types of evenly chosen examples, to calibrate with."""
    tokens = sum(len(row) for example in examples for row in example.ids)
    chosen = examples[:: max(1, -(-tokens // _CALIBRATED_WITH))]
    unlabelled = [replace(example, is_labelled=False) for example in chosen]
    by_size = sorted(unlabelled, key=lambda example: example.size)
    for start in range(0, len(by_size), _BATCH):
        inputs = collate(task, tokenizer, by_size[start : start + _BATCH])
        ids, mask, types = (inputs[name] for name in INPUT_NAMES)
        yield ids, mask, types


def _padded(rows: Sequence[Ids], fill: int) -> Tensor:
    array = np.full((len(rows), max(map(len, rows))), fill, np.int64)
    for index, row in enumerate(rows):
        array[index, : len(row)] = row
    return torch.from_numpy(array)


def _training_example(
    rows: Sequence[Row], target: Any, size: int, *, is_windowed: bool = False
) -> TrainingExample:
    ids = tuple(np.array(row.ids, np.int32) for row in rows)
    types = tuple(np.array(row.type_ids, np.int32) for row in rows)
    is_truncated = not is_windowed and any(row.is_truncated for row in rows)
    return TrainingExample(ids, types, target, size, is_truncated)


def _characters(example: Example) -> int:
    return sum(map(len, example.texts))


# Text classification ------------------------------------------------------------------------


def _encode_texts(encoder: Encoder, examples: Sequence[Example]) -> Iterator[TrainingExample]:
    rows: dict[int, Row] = {}
    for texts in (1, 2):
        indices = [i for i, example in enumerate(examples) if len(example.texts) == texts]
        if indices:
            encoded = encoder.rows([examples[i].texts for i in indices])
            rows.update(zip(indices, encoded, strict=True))
    for index, example in enumerate(examples):
        target = encoder.target(example)
        yield _training_example([rows[index]], target, _characters(example))


def _labels(
    tokenizer: SqueezeBertTokenizer,
    examples: Sequence[TrainingExample],
    inputs: dict[str, Tensor],
) -> dict[str, Tensor]:
    return {"labels": torch.tensor([example.target for example in examples])}


# Token classification -----------------------------------------------------------------------


def _encode_words(encoder: Encoder, examples: Sequence[Example]) -> Iterator[TrainingExample]:
    texts = [(" ".join(example.texts),) for example in examples]
    for example, whole in zip(examples, encoder.rows(texts), strict=True):
        labels = _token_labels(encoder, example, whole)
        for row in rows_with_overflow(whole, stride=0):
            ((start, stop),) = row.spans
            target = (IGNORED, *labels[start:stop], IGNORED)
            if any(label != IGNORED for label in target):
                yield _training_example([row], target, stop - start, is_windowed=True)


def _token_labels(encoder: Encoder, example: Example, row: Row) -> list[int]:
    """A label id for every token of the text; the first token of a word has the word's label.

    Later tokens of a word have it too, as I-PER after B-PER, so that tokens can be joined without
    knowing the words. They are ignored if the data has no such label.
    """
    assert isinstance(example.gold, tuple)
    (segment,) = row.segments
    ends = list(itertools.accumulate(len(word) + 1 for word in example.texts))
    ids, word, previous = [], 0, -1
    for start, _ in segment.offsets:
        while ends[word] <= start:
            word += 1
        label = example.gold[word]
        if word == previous and label.startswith("B-"):
            label = f"I-{label[2:]}"
        ids.append(encoder.label_ids.get(label, IGNORED))
        previous = word
    return ids


def _labels_of_tokens(
    tokenizer: SqueezeBertTokenizer,
    examples: Sequence[TrainingExample],
    inputs: dict[str, Tensor],
) -> dict[str, Tensor]:
    return {"labels": _padded([np.array(example.target) for example in examples], IGNORED)}


# Question answering -------------------------------------------------------------------------


def _encode_questions(encoder: Encoder, examples: Sequence[Example]) -> Iterator[TrainingExample]:
    length = min(MAX_LENGTH, encoder.max_length)
    for example in examples:
        question, context = example.texts
        answer = _answer_span(example)
        for row in context_windows(encoder.tokenizer, question, context, length):
            yield _training_example([row], _positions(row, answer), len(row), is_windowed=True)


def _answer_span(example: Example) -> tuple[int, int] | None:
    """The first answer's character span in the context; None if the question has no answer."""
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
    """The answer's first and last token in this row; 0, that of [CLS], if it is not in the row."""
    if span is None:
        return 0, 0
    tokens = [
        token
        for token, (start, stop) in enumerate(row.segments[1].offsets)
        if start < span[1] and stop > span[0]
    ]
    first, stop = row.spans[1]
    if not tokens or tokens[0] < first or tokens[-1] >= stop:
        return 0, 0
    shift = row.first_position(1) - first
    return tokens[0] + shift, tokens[-1] + shift


def _start_and_end(
    tokenizer: SqueezeBertTokenizer,
    examples: Sequence[TrainingExample],
    inputs: dict[str, Tensor],
) -> dict[str, Tensor]:
    start, end = torch.tensor([example.target for example in examples]).unbind(1)
    return {"start_positions": start, "end_positions": end}


# Multiple choice ----------------------------------------------------------------------------


def _encode_choices(encoder: Encoder, examples: Sequence[Example]) -> Iterator[TrainingExample]:
    pairs = [(example.texts[0], choice) for example in examples for choice in example.texts[1:]]
    rows = iter(encoder.rows(pairs))
    for example in examples:
        own = list(itertools.islice(rows, len(example.texts) - 1))
        yield _training_example(own, example.gold, _characters(example))


# Fill-mask ----------------------------------------------------------------------------------


def _encode_plain_text(encoder: Encoder, examples: Sequence[Example]) -> Iterator[TrainingExample]:
    for whole in encoder.rows([example.texts for example in examples]):
        for row in rows_with_overflow(whole, stride=0):
            if not all(row.special_tokens_mask):
                yield _training_example([row], None, len(row), is_windowed=True)


def _masked_labels(
    tokenizer: SqueezeBertTokenizer,
    examples: Sequence[TrainingExample],
    inputs: dict[str, Tensor],
) -> dict[str, Tensor]:
    """Choose tokens to predict with torch's generator, and mask them in the inputs."""
    ids = inputs["input_ids"]
    special = torch.tensor([tokenizer.cls_token_id, tokenizer.sep_token_id, tokenizer.pad_token_id])
    eligible = ~torch.isin(ids, special)
    count = (eligible.sum(1, keepdim=True) * MASKED_SHARE).round().clamp(min=1)
    order = torch.rand(ids.shape).masked_fill(~eligible, 2.0).argsort(1).argsort(1)
    chosen = (order < count) & eligible
    labels = ids.masked_fill(~chosen, IGNORED)
    draw = torch.rand(ids.shape)
    masked = ids.masked_fill(chosen & (draw < _MASKED), tokenizer.mask_token_id)
    random_ids = torch.randint(len(tokenizer), ids.shape)
    is_random = chosen & (draw >= _MASKED) & (draw < _MASKED + _RANDOM)
    inputs["input_ids"] = torch.where(is_random, random_ids, masked)
    return {"input_ids": inputs["input_ids"], "labels": labels}


PREPROCESSORS = {
    "text-classification": Preprocessor(_encode_texts, _labels),
    "token-classification": Preprocessor(_encode_words, _labels_of_tokens),
    "question-answering": Preprocessor(_encode_questions, _start_and_end),
    "multiple-choice": Preprocessor(_encode_choices, _labels),
    "fill-mask": Preprocessor(_encode_plain_text, _masked_labels),
}
