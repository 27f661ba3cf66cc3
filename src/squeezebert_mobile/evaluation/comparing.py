"""Two models on the same data: their differences, how sure these are, and where they disagree."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from scipy import stats

from squeezebert_mobile.evaluation.answering import Prediction
from squeezebert_mobile.evaluation.metrics import METRICS, Metric
from squeezebert_mobile.evaluation.readers.data import DataSet, Example
from squeezebert_mobile.evaluation.scoring import Scores
from squeezebert_mobile.runtime.tasks.scores import Numbers

__all__ = ["CONFIDENCE", "Comparison", "Difference", "Disagreement", "compare"]

CONFIDENCE = 0.95
_RESAMPLES = 1000
_SEED = 0
_BATCH = 50  # resamples in memory at a time
_SHOWN = 10  # disagreements


@dataclass(frozen=True)
class Difference:
    """Of a metric: ours minus theirs, and the interval in which it lies with CONFIDENCE."""

    difference: float
    low: float
    high: float


@dataclass(frozen=True)
class Disagreement:
    """An example to which two models gave different answers."""

    place: str
    text: str
    right: str  # the answer; empty where only the model's vocabulary has it (masks)
    ours: str
    theirs: str


@dataclass(frozen=True)
class Comparison:
    """What tells two models apart."""

    differences: dict[str, Difference]
    agreement: float | None  # the share of the same answers; None where answers are numbers
    disagreements: tuple[Disagreement, ...]  # the worst ones, worst first


def compare(
    ours: Scores,
    theirs: Scores,
    data: DataSet,
    *,
    report: Callable[[int, int], None] = lambda done, total: None,
) -> Comparison:
    """Hold two models' answers to the same data against each other.

    Args:
        ours: Of the model that is measured.
        theirs: Of the one that it is compared with.
        data: What both were asked.
        report: Called with the number of metrics done, and of all.
    """
    evidence = ours.evidence, theirs.evidence
    differences = {}
    for done, name in enumerate(data.metrics, start=1):
        found = ours.metrics[name] - theirs.metrics[name]
        low, high = _interval(METRICS[data.task][name], *evidence)
        differences[name] = Difference(found, low, high)
        report(done, len(data.metrics))
    pairs = list(zip(ours.predictions, theirs.predictions, strict=True))
    same = [x == y for a, b in pairs for x, y in zip(a.answers, b.answers, strict=True)]
    worst = sorted(
        (number for number, (a, b) in enumerate(pairs) if a.answers != b.answers),
        key=lambda number: _how_bad(*pairs[number]),
        reverse=True,
    )
    return Comparison(
        differences,
        None if data.values else float(np.mean(same)),
        tuple(_disagreement(data.task, data.examples[n], *pairs[n]) for n in worst[:_SHOWN]),
    )


def _interval(metric: Metric, ours: Numbers, theirs: Numbers) -> tuple[float, float]:
    """By the percentiles of a bootstrap over examples, the same ones for both models."""
    of = metric.quickly or metric.of
    if len(ours) == 1:  # nothing to draw from
        return (of(ours) - of(theirs),) * 2
    found = stats.bootstrap(
        (np.arange(len(ours)),),
        lambda drawn: of(ours[drawn]) - of(theirs[drawn]),
        vectorized=False,
        n_resamples=_RESAMPLES,
        batch=_BATCH,
        confidence_level=CONFIDENCE,
        method="percentile",
        rng=_SEED,
    ).confidence_interval
    return float(found.low), float(found.high)


def _how_bad(a: Prediction, b: Prediction) -> tuple[float, float]:
    """First by how much more right one is, then by how sure both are of what they say."""
    return abs(a.right - b.right), a.confidence + b.confidence


def _disagreement(
    task: str, example: Example, ours: Prediction, theirs: Prediction
) -> Disagreement:
    """Of many answers to one example only those that differ."""
    pairs = zip(ours.answers, theirs.answers, strict=True)
    places = [place for place, (a, b) in enumerate(pairs) if a != b]
    text, right = _text_and_answer(task, example, places)
    shown = (_joined([each.answers[place] for place in places]) for each in (ours, theirs))
    return Disagreement(example.place, text, right, *shown)


def _text_and_answer(task: str, example: Example, places: Sequence[int]) -> tuple[str, str]:
    texts, gold = example.texts, example.gold
    if isinstance(gold, int):
        return texts[0], texts[1 + gold]
    if task == "question-answering":
        return texts[0], _joined((gold or ("",))[:1])
    if isinstance(gold, tuple):
        return " ".join(texts), _joined([gold[place] for place in places])
    return " | ".join(texts), gold or ""


def _joined(answers: Sequence[str]) -> str:
    return ", ".join(answer or "no answer" for answer in answers)
