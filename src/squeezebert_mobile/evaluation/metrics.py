"""The metrics by name. Each is a function of the evidence, which has one row per example.

A metric of a subset is the same function of its rows, so the bootstrap needs no separate code. The
columns of the evidence:

    text-classification    gold class, predicted class (-1: a label that the data does not have);
                           for regression the gold number and the predicted one
    multiple-choice        index of the correct choice, index of the predicted choice
    token-classification   entities: correct, predicted, gold; words: correct, total
    question-answering     exact match, F1, whether the question has an answer
    fill-mask              masks: sum of the losses, correct, total
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import ArrayLike
from scipy import stats
from sklearn import metrics as sklearn_metrics

from squeezebert_mobile.runtime.tasks.scores import Numbers

__all__ = ["METRICS", "Metric"]


@dataclass(frozen=True)
class Metric:
    """How a metric is computed, and which direction is better.

    The libraries spend 2 to 5 ms per call on checking their arguments. `fast` gives the same value
    without these checks, for the thousand samples of a bootstrap.
    """

    compute: Callable[[Numbers], float]
    higher_is_better: bool = True
    fast: Callable[[Numbers], float] | None = None


def _accuracy(evidence: Numbers) -> float:
    return float(sklearn_metrics.accuracy_score(*evidence.T))


def _f1(evidence: Numbers, labels: list[int] | None = None) -> float:
    return float(
        sklearn_metrics.f1_score(*evidence.T, labels=labels, average="macro", zero_division=0)
    )


def _matthews(evidence: Numbers) -> float:
    if (evidence == evidence[0]).all():  # undefined, and the library warns
        return 0.0
    return float(sklearn_metrics.matthews_corrcoef(*evidence.T))


def _fast_accuracy(evidence: Numbers) -> float:
    return float((evidence[:, 0] == evidence[:, 1]).mean())


def _fast_f1(evidence: Numbers, labels: list[int] | None = None) -> float:
    golds, predicted = _one_hot(evidence, np.unique(evidence) if labels is None else labels)
    both = (golds * predicted).sum(axis=0)
    return float((2 * both / np.maximum(golds.sum(axis=0) + predicted.sum(axis=0), 1)).mean())


def _fast_matthews(evidence: Numbers) -> float:
    golds, predicted = (x - x.mean(axis=0) for x in _one_hot(evidence, np.unique(evidence)))
    variance = (golds**2).sum() * (predicted**2).sum()
    return float((golds * predicted).sum() / math.sqrt(variance)) if variance else 0.0


def _one_hot(evidence: Numbers, labels: ArrayLike) -> tuple[Numbers, Numbers]:
    """The gold and the predicted classes as 0 and 1, (examples, labels) each."""
    golds, predicted = (evidence[:, :, None] == np.asarray(labels)).astype(float).swapaxes(0, 1)
    return golds, predicted


def _correlation(measure: Callable[..., Any], evidence: Numbers) -> float:
    """The correlation; 0 if one side is constant, where it is undefined."""
    if (evidence == evidence[0]).all(axis=0).any():
        return 0.0
    return float(measure(*evidence.T)[0])


def _fast_pearson(evidence: Numbers) -> float:
    return _correlation(lambda x, y: np.corrcoef(x, y)[:1, 1], evidence)


def _fast_spearman(evidence: Numbers) -> float:
    return _fast_pearson(stats.rankdata(evidence, axis=0))


def _ratio(numerator: int, denominator: int, evidence: Numbers) -> float:
    """The ratio of the sums of two columns; 0 if the denominator is 0."""
    sums = evidence.sum(axis=0)
    return float(sums[numerator] / sums[denominator]) if sums[denominator] else 0.0


def _entity_f1(evidence: Numbers) -> float:
    correct, predicted, gold, *_ = evidence.sum(axis=0)
    return float(2 * correct / (predicted + gold)) if predicted + gold else 0.0


def _mean(column: int, evidence: Numbers) -> float:
    return float(evidence[:, column].mean())


def _mean_where(column: int, answerable: bool, evidence: Numbers) -> float:
    rows = evidence[evidence[:, 2] == answerable]
    return _mean(column, rows) if len(rows) else 0.0


def _perplexity(evidence: Numbers) -> float:
    return math.exp(min(_ratio(0, 2, evidence), 700))  # exp of more overflows a float


_ACCURACY = Metric(_accuracy, fast=_fast_accuracy)

METRICS: dict[str, dict[str, Metric]] = {
    "text-classification": {
        "accuracy": _ACCURACY,
        "accuracy_matched": _ACCURACY,
        "accuracy_mismatched": _ACCURACY,
        # F1 of the second class, as in GLUE.
        "f1": Metric(partial(_f1, labels=[1]), fast=partial(_fast_f1, labels=[1])),
        "f1_macro": Metric(_f1, fast=_fast_f1),
        "matthews": Metric(_matthews, fast=_fast_matthews),
        "pearson": Metric(partial(_correlation, stats.pearsonr), fast=_fast_pearson),
        "spearman": Metric(partial(_correlation, stats.spearmanr), fast=_fast_spearman),
    },
    "multiple-choice": {"accuracy": _ACCURACY},
    "token-classification": {
        "f1": Metric(_entity_f1),
        "precision": Metric(partial(_ratio, 0, 1)),
        "recall": Metric(partial(_ratio, 0, 2)),
        "accuracy": Metric(partial(_ratio, 3, 4)),
    },
    "question-answering": {
        "f1": Metric(partial(_mean, 1)),
        "exact_match": Metric(partial(_mean, 0)),
        "f1_answerable": Metric(partial(_mean_where, 1, True)),
        "exact_match_answerable": Metric(partial(_mean_where, 0, True)),
        "exact_match_unanswerable": Metric(partial(_mean_where, 0, False)),
    },
    "fill-mask": {
        "loss": Metric(partial(_ratio, 0, 2), higher_is_better=False),
        "perplexity": Metric(_perplexity, higher_is_better=False),
        "accuracy": Metric(partial(_ratio, 1, 2)),
    },
}
