"""How a pipeline is asked for the examples of a task, and what its answers are worth."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import numpy as np
from seqeval.metrics.sequence_labeling import get_entities

from squeezebert_mobile.errors import InputError
from squeezebert_mobile.evaluation.labels import match_labels
from squeezebert_mobile.evaluation.masking import Filled, fill_masks
from squeezebert_mobile.evaluation.readers.conll import ENTITY_TAG
from squeezebert_mobile.evaluation.readers.data import DataSet, Example
from squeezebert_mobile.evaluation.readers.squad import exact_match, word_f1
from squeezebert_mobile.runtime import (
    Entity,
    MultipleChoiceResult,
    Pipeline,
    QuestionAnsweringResult,
    TextClassificationResult,
    TokenClassificationResult,
)
from squeezebert_mobile.tasks import is_regression

__all__ = ["Ask", "Prediction", "gives_numbers", "how_to_ask"]

_LONGEST_ANSWER = 30  # tokens: what SQuAD is measured with
_OUTSIDE = "O"


@dataclass(frozen=True)
class Prediction:
    """What a model answered to an example."""

    answers: tuple[str, ...]  # one; or one for each word, or mask
    right: float  # from 0 to 1; of a value or a masked text how near, from below (0 is best)
    confidence: float  # of the answer, from 0 to 1
    evidence: tuple[float, ...]  # for METRICS
    truncated: bool


#: Predictions for some of the examples.
Ask = Callable[[Sequence[Example]], list[Prediction]]


@dataclass(frozen=True)
class _Way:
    """What an example is to a pipeline, and what the result says of the example."""

    put: Callable[[Example], Any]
    judge: Callable[[Example, Any], Prediction]
    options: dict[str, Any] = field(default_factory=dict)


def how_to_ask(pipeline: Pipeline[Any], data: DataSet, batch_size: int) -> Ask:
    """A function that asks `pipeline` for examples of `data`.

    Raises:
        InputError: the model is for another task, or for other labels.
    """
    task = pipeline.spec.task
    if task != data.task:
        raise InputError(f"the data is for {data.task}, and the model is for {task}")
    way = _WAYS[task](pipeline, data)
    run = partial(fill_masks, pipeline) if task == "fill-mask" else pipeline

    def ask(examples: Sequence[Example]) -> list[Prediction]:
        results = run(
            [way.put(example) for example in examples], batch_size=batch_size, **way.options
        )
        return [way.judge(*both) for both in zip(examples, results, strict=True)]

    return ask


# Labels, values, choices --------------------------------------------------------------------


def _classifying(pipeline: Pipeline[Any], data: DataSet) -> _Way:
    spec, numbers = pipeline.spec, gives_numbers(pipeline)
    outputs = len(spec.labels or ())
    if spec.problem_type == "multi_label_classification" or (numbers and outputs > 1):
        what = "numbers" if numbers else "labels"
        raise InputError(
            f"the model gives several {what} at once, and the data has one for each text; "
            "measure a model of one"
        )
    if data.values != numbers:
        has, gives = ("numbers", "labels") if data.values else ("labels", "numbers")
        raise InputError(
            f"the data has {has} to be met, and the model gives {gives}; give data with {gives}, "
            f"or a model of {has}"
        )
    if numbers:
        return _Way(_text_or_pair, _judge_value, {"function_to_apply": "none"})
    places = match_labels(spec.labels or (), data)

    def judge(example: Example, found: TextClassificationResult) -> Prediction:
        place = places.get(found.label, -1)
        answer = data.classes[place] if place >= 0 else found.label
        gold = data.classes.index(str(example.gold))
        return _chosen(answer, found.score, gold, place, truncated=found.truncated)

    return _Way(_text_or_pair, judge)


def gives_numbers(pipeline: Pipeline[Any]) -> bool:
    """Whether a text-classification model gives a number, and no label."""
    spec = pipeline.spec
    return is_regression(spec.problem_type, len(spec.labels or ()))


def _text_or_pair(example: Example) -> str | tuple[str, ...]:
    return example.texts if len(example.texts) == 2 else example.texts[0]


def _judge_value(example: Example, found: TextClassificationResult) -> Prediction:
    gold, value = float(str(example.gold)), found.score
    return Prediction((f"{value:.3f}",), -abs(value - gold), 1, (gold, value), found.truncated)


def _choosing(pipeline: Pipeline[Any], data: DataSet) -> _Way:
    def put(example: Example) -> dict[str, Any]:
        return {"text": example.texts[0], "choices": list(example.texts[1:])}

    def judge(example: Example, found: MultipleChoiceResult) -> Prediction:
        assert isinstance(example.gold, int)
        best = found.choices[0]
        return _chosen(best.choice, best.score, example.gold, best.index, truncated=found.truncated)

    return _Way(put, judge)


def _chosen(answer: str, score: float, gold: int, place: int, *, truncated: bool) -> Prediction:
    return Prediction((answer,), float(gold == place), score, (gold, place), truncated)


# Words --------------------------------------------------------------------------------------


def _tagging(pipeline: Pipeline[Any], data: DataSet) -> _Way:
    places = match_labels(pipeline.spec.labels or (), data)

    def put(example: Example) -> str:
        return " ".join(example.texts)

    def judge(example: Example, found: TokenClassificationResult) -> Prediction:
        assert isinstance(example.gold, tuple)
        words = _first_tokens(example.texts, found.entities)
        labels = [word.label if word else _OUTSIDE for word in words]
        tags = [data.classes[places[label]] if label in places else label for label in labels]
        right = sum(map(str.__eq__, tags, example.gold))
        evidence = (*_entity_counts(tags, example.gold), right, len(tags))
        sure = float(np.mean([word.score if word else 0 for word in words]))
        return Prediction(tuple(tags), right / len(tags), sure, evidence, found.truncated)

    return _Way(put, judge, {"aggregation_strategy": "none", "ignore_labels": ()})


def _first_tokens(words: Sequence[str], tokens: Sequence[Entity]) -> list[Entity | None]:
    """The first token of each word, as is usual; None for one that the model did not read."""
    found: list[Entity | None] = []
    begin, left = 0, list(reversed(tokens))
    for word in words:
        end = begin + len(word)
        while left and left[-1].start < begin:
            left.pop()
        found.append(left.pop() if left and left[-1].start < end else None)
        begin = end + 1  # a space
    return found


def _entity_counts(tags: Sequence[str], golds: Sequence[str]) -> tuple[int, int, int]:
    """Right, found, there."""
    found, there = _entities(tags), _entities(golds)
    return len(found & there), len(found), len(there)


def _entities(tags: Sequence[str]) -> set[tuple[str, int, int]]:
    return set(get_entities([tag if ENTITY_TAG.fullmatch(tag) else _OUTSIDE for tag in tags]))


# Answers and masks --------------------------------------------------------------------------


def _answering(pipeline: Pipeline[Any], data: DataSet) -> _Way:
    def put(example: Example) -> dict[str, str]:
        return {"question": example.texts[0], "context": example.texts[1]}

    def judge(example: Example, found: QuestionAnsweringResult) -> Prediction:
        assert isinstance(example.gold, tuple)
        f1 = word_f1(found.answer, example.gold)
        evidence = exact_match(found.answer, example.gold), f1, float(bool(example.gold))
        return Prediction((found.answer,), f1, found.score, evidence, found.truncated)

    possible = data.format == "squad-2"
    options = {"max_answer_len": _LONGEST_ANSWER, "handle_impossible_answer": possible}
    return _Way(put, judge, options)


def _filling(pipeline: Pipeline[Any], data: DataSet) -> _Way:
    def judge(example: Example, found: Filled) -> Prediction:
        evidence = found.loss, found.right, found.masks
        near = -found.loss / found.masks
        return Prediction(found.tokens, near, found.confidence, evidence, found.truncated)

    return _Way(lambda example: example.texts[0], judge)


_WAYS: dict[str, Callable[[Pipeline[Any], DataSet], _Way]] = {
    "text-classification": _classifying,
    "multiple-choice": _choosing,
    "token-classification": _tagging,
    "question-answering": _answering,
    "fill-mask": _filling,
}
