"""A pipeline's predictions for labelled examples; `_ADAPTERS` has one adapter per task."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import numpy as np
from seqeval.metrics.sequence_labeling import get_entities

from squeezebert_mobile.errors import InputError
from squeezebert_mobile.evaluation.labels import match_labels
from squeezebert_mobile.evaluation.masking import FilledMasks, fill_masks
from squeezebert_mobile.evaluation.readers.conll import ENTITY_TAG
from squeezebert_mobile.evaluation.readers.data import DataSet, Example
from squeezebert_mobile.evaluation.readers.label_kinds import parse_number
from squeezebert_mobile.evaluation.readers.squad import exact_match, word_f1
from squeezebert_mobile.runtime import (
    Entity,
    MultipleChoiceResult,
    Pipeline,
    QuestionAnsweringResult,
    TextClassificationResult,
    TokenClassificationResult,
)
from squeezebert_mobile.tasks import TASKS, is_regression

__all__ = ["Prediction", "Predictor", "entity_counts", "is_regression_model", "make_predictor"]

_MAX_ANSWER_LENGTH = 30  # tokens, as in the published SQuAD evaluation
_OUTSIDE = "O"


@dataclass(frozen=True)
class Prediction:
    """A model's answer to one example."""

    answers: tuple[str, ...]  # one; for words and masks, one per word or mask
    #: From 0 to 1. For regression and masked texts the negative error, at most 0.
    correctness: float
    confidence: float  # probability of the answer, from 0 to 1
    evidence: tuple[float, ...]  # the row that METRICS are computed from
    truncated: bool


#: Predicts a batch of examples.
Predictor = Callable[[Sequence[Example]], list[Prediction]]


@dataclass(frozen=True)
class _Adapter:
    """How a task's examples become pipeline inputs, and its results become predictions."""

    to_input: Callable[[Example], Any]
    to_prediction: Callable[[Example, Any], Prediction]
    options: dict[str, Any] = field(default_factory=dict)


def make_predictor(
    pipeline: Pipeline[Any], data: DataSet, batch_size: int, *, name: str = "the model"
) -> Predictor:
    """A function that runs `pipeline` on examples of `data`; messages call the model `name`.

    Raises:
        InputError: the model is for another task, or has other labels.
    """
    task = pipeline.spec.task
    if task != data.task:
        raise InputError(f"{data.source} is for {data.task}, but {name} is for {task}")
    adapter = _ADAPTERS[task](pipeline, data, name)
    run = partial(fill_masks, pipeline) if TASKS[task].predicts_masks else pipeline

    def predict(examples: Sequence[Example]) -> list[Prediction]:
        inputs = [adapter.to_input(example) for example in examples]
        results = run(inputs, batch_size=batch_size, **adapter.options)
        return [
            adapter.to_prediction(example, result)
            for example, result in zip(examples, results, strict=True)
        ]

    return predict


# Text classification and multiple choice ----------------------------------------------------


def _text_classification(pipeline: Pipeline[Any], data: DataSet, name: str) -> _Adapter:
    spec, outputs_numbers = pipeline.spec, is_regression_model(pipeline)
    outputs = len(spec.labels or ())
    if spec.problem_type == "multi_label_classification" or (outputs_numbers and outputs > 1):
        kind = "numbers" if outputs_numbers else "labels"
        raise InputError(
            f"{name} outputs several {kind} per text, but {data.source} has one per text; evaluate "
            "a model that outputs one"
        )
    if data.is_regression != outputs_numbers:
        ours, theirs = ("numbers", "labels") if data.is_regression else ("labels", "numbers")
        raise InputError(
            f"{data.source} has {ours} ({_typical_label(data)}), but {name} outputs {theirs}; "
            f"use data with {theirs}, or a model that outputs {ours}"
        )
    if outputs_numbers:
        return _Adapter(_text_or_pair, _regression_prediction, {"function_to_apply": "none"})
    class_indices = _class_indices(pipeline, data, name)

    def to_prediction(example: Example, result: TextClassificationResult) -> Prediction:
        index = class_indices.get(result.label, -1)
        answer = data.classes[index] if index >= 0 else result.label
        gold = data.classes.index(str(example.gold))
        return _class_prediction(answer, result.score, gold, index, truncated=result.truncated)

    return _Adapter(_text_or_pair, to_prediction)


def _class_indices(pipeline: Pipeline[Any], data: DataSet, name: str) -> dict[str, int]:
    is_artifact = pipeline.artifact is not None
    return match_labels(pipeline.spec.labels or (), data, owner=name, is_artifact=is_artifact)


def _typical_label(data: DataSet) -> str:
    """A label that shows whether they are classes or numbers (0.5 rather than 1), and its place."""

    def typicality(example: Example) -> int:
        value = parse_number(str(example.gold))
        return 2 if value is None else int(not value.is_integer())

    example = max(data.examples, key=typicality)
    return f"{example.gold!r} at {example.location}"


def is_regression_model(pipeline: Pipeline[Any]) -> bool:
    """Whether a text-classification model outputs numbers instead of labels."""
    spec = pipeline.spec
    return is_regression(spec.problem_type, len(spec.labels or ()))


def _text_or_pair(example: Example) -> str | tuple[str, ...]:
    return example.texts if len(example.texts) == 2 else example.texts[0]


def _regression_prediction(example: Example, result: TextClassificationResult) -> Prediction:
    gold, value = float(str(example.gold)), result.score
    return Prediction((f"{value:.3f}",), -abs(value - gold), 1, (gold, value), result.truncated)


def _multiple_choice(pipeline: Pipeline[Any], data: DataSet, name: str) -> _Adapter:
    def to_input(example: Example) -> dict[str, Any]:
        return {"text": example.texts[0], "choices": list(example.texts[1:])}

    def to_prediction(example: Example, result: MultipleChoiceResult) -> Prediction:
        assert isinstance(example.gold, int)
        best = result.choices[0]
        return _class_prediction(
            best.choice, best.score, example.gold, best.index, truncated=result.truncated
        )

    return _Adapter(to_input, to_prediction)


def _class_prediction(
    answer: str, score: float, gold: int, predicted: int, *, truncated: bool
) -> Prediction:
    return Prediction((answer,), float(gold == predicted), score, (gold, predicted), truncated)


# Token classification -----------------------------------------------------------------------


def _token_classification(pipeline: Pipeline[Any], data: DataSet, name: str) -> _Adapter:
    class_indices = _class_indices(pipeline, data, name)

    def to_input(example: Example) -> str:
        return " ".join(example.texts)

    def to_prediction(example: Example, result: TokenClassificationResult) -> Prediction:
        assert isinstance(example.gold, tuple)
        tokens = _first_tokens(example.texts, result.entities)
        labels = [token.label if token else _OUTSIDE for token in tokens]
        tags = [
            data.classes[class_indices[label]] if label in class_indices else label
            for label in labels
        ]
        correct = sum(map(str.__eq__, tags, example.gold))
        evidence = (*entity_counts(tags, example.gold), correct, len(tags))
        confidence = float(np.mean([token.score if token else 0 for token in tokens]))
        return Prediction(tuple(tags), correct / len(tags), confidence, evidence, result.truncated)

    return _Adapter(to_input, to_prediction, {"aggregation_strategy": "none", "ignore_labels": ()})


def _first_tokens(words: Sequence[str], tokens: Sequence[Entity]) -> list[Entity | None]:
    """The first token of each word, whose label counts; None for a word that was truncated."""
    firsts: list[Entity | None] = []
    begin, remaining = 0, list(reversed(tokens))
    for word in words:
        end = begin + len(word)
        while remaining and remaining[-1].start < begin:
            remaining.pop()
        firsts.append(remaining.pop() if remaining and remaining[-1].start < end else None)
        begin = end + 1  # a space
    return firsts


def entity_counts(tags: Sequence[str], golds: Sequence[str]) -> tuple[int, int, int]:
    """How many entities are correct, predicted, and in the gold labels."""
    predicted, expected = _entities(tags), _entities(golds)
    return len(predicted & expected), len(predicted), len(expected)


def _entities(tags: Sequence[str]) -> set[tuple[str, int, int]]:
    return set(get_entities([tag if ENTITY_TAG.fullmatch(tag) else _OUTSIDE for tag in tags]))


# Question answering and fill-mask -----------------------------------------------------------


def _question_answering(pipeline: Pipeline[Any], data: DataSet, name: str) -> _Adapter:
    def to_input(example: Example) -> dict[str, str]:
        return {"question": example.texts[0], "context": example.texts[1]}

    def to_prediction(example: Example, result: QuestionAnsweringResult) -> Prediction:
        assert isinstance(example.gold, tuple)
        f1 = word_f1(result.answer, example.gold)
        evidence = exact_match(result.answer, example.gold), f1, float(bool(example.gold))
        return Prediction((result.answer,), f1, result.score, evidence, result.truncated)

    options = {
        "max_answer_len": _MAX_ANSWER_LENGTH,
        "handle_impossible_answer": data.format == "squad-2",
    }
    return _Adapter(to_input, to_prediction, options)


def _fill_mask(pipeline: Pipeline[Any], data: DataSet, name: str) -> _Adapter:
    def to_prediction(example: Example, result: FilledMasks) -> Prediction:
        evidence = result.loss, result.correct, result.masks
        correctness = -result.loss / result.masks
        return Prediction(result.tokens, correctness, result.confidence, evidence, result.truncated)

    return _Adapter(lambda example: example.texts[0], to_prediction)


_ADAPTERS: dict[str, Callable[[Pipeline[Any], DataSet, str], _Adapter]] = {
    "text-classification": _text_classification,
    "multiple-choice": _multiple_choice,
    "token-classification": _token_classification,
    "question-answering": _question_answering,
    "fill-mask": _fill_mask,
}
