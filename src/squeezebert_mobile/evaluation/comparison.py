"""Compare two models on the same data: metric differences with intervals, and disagreements."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from squeezebert_mobile.evaluation.intervals import difference_interval
from squeezebert_mobile.evaluation.predictions import Prediction
from squeezebert_mobile.evaluation.readers.data import DataSet, Example
from squeezebert_mobile.evaluation.scoring import Scores

__all__ = ["Comparison", "Difference", "Disagreement", "compare"]

_MAX_DISAGREEMENTS = 10


@dataclass(frozen=True)
class Difference:
    """Ours minus theirs in one metric, with its confidence interval."""

    difference: float
    low: float
    high: float


@dataclass(frozen=True)
class Disagreement:
    """An example for which the two models gave different answers."""

    place: str
    text: str
    right: str  # the gold answer; empty for masks, whose token depends on the vocabulary
    ours: str
    theirs: str


@dataclass(frozen=True)
class Comparison:
    """The differences between two models on a data set."""

    differences: dict[str, Difference]  # by metric
    answers: int | None  # one per example, word or mask; None for regression
    agreement: float | None  # share of identical answers; None for regression
    disagreements: tuple[Disagreement, ...]  # the worst ones, worst first


def compare(
    ours: Scores,
    theirs: Scores,
    data: DataSet,
    *,
    report: Callable[[int, int], None] = lambda done, total: None,
) -> Comparison:
    """Compare the scores of two models on the same data.

    Args:
        ours: The scores of the evaluated model.
        theirs: The scores of the model to compare with.
        data: The data set that both were scored on.
        report: Called with the number of metrics done, and their total.
    """
    evidence = ours.evidence, theirs.evidence
    differences = {}
    for done, name in enumerate(data.metrics, start=1):
        difference = ours.metrics[name] - theirs.metrics[name]
        low, high = difference_interval(data.task, name, *evidence)
        differences[name] = Difference(difference, low, high)
        report(done, len(data.metrics))
    pairs = list(zip(ours.predictions, theirs.predictions, strict=True))
    same = [x == y for a, b in pairs for x, y in zip(a.answers, b.answers, strict=True)]
    worst = sorted(
        (number for number, (a, b) in enumerate(pairs) if a.answers != b.answers),
        key=lambda number: _severity(*pairs[number]),
        reverse=True,
    )
    return Comparison(
        differences,
        None if data.is_regression else len(same),
        None if data.is_regression else float(np.mean(same)),
        tuple(
            _disagreement(data.task, data.examples[number], *pairs[number])
            for number in worst[:_MAX_DISAGREEMENTS]
        ),
    )


def _severity(a: Prediction, b: Prediction) -> tuple[float, float]:
    """A sort key: the gap in correctness, then the confidence of both answers."""
    return abs(a.correctness - b.correctness), a.confidence + b.confidence


def _disagreement(
    task: str, example: Example, ours: Prediction, theirs: Prediction
) -> Disagreement:
    """Of an example with several answers, only those that differ."""
    pairs = zip(ours.answers, theirs.answers, strict=True)
    differing = [index for index, (a, b) in enumerate(pairs) if a != b]
    text, gold = _text_and_gold(task, example, differing)
    answers = (
        _joined([prediction.answers[index] for index in differing]) for prediction in (ours, theirs)
    )
    return Disagreement(example.location, text, gold, *answers)


def _text_and_gold(task: str, example: Example, differing: Sequence[int]) -> tuple[str, str]:
    texts, gold = example.texts, example.gold
    if isinstance(gold, int):  # the index of a choice
        return texts[0], texts[1 + gold]
    if task == "question-answering":
        return texts[0], _joined((gold or ("",))[:1])
    if isinstance(gold, tuple):  # a label per word
        return " ".join(texts), _joined([gold[index] for index in differing])
    return " | ".join(texts), gold or ""


def _joined(answers: Sequence[str]) -> str:
    return ", ".join(answer or "no answer" for answer in answers)
