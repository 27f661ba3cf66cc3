"""The metrics by name: each is a function of the evidence, a row of numbers for each example.

A metric of a part of the data is the same function of the rows of that part, so that a bootstrap
needs no other code. What the columns are:

    text-classification    the right class, the class that was answered (-1: one that the data has
                           not); with values, the right number and the answered one
    multiple-choice        the place of the right choice, and of the one that was answered
    token-classification   entities: found and right, found, there; words: right, all
    question-answering     exact match, F1, whether there is an answer
    fill-mask              masks: the sum of their losses, right, all
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
    """How a metric is computed, and which way is better.

    The libraries look closely at their arguments, for 2 to 5 ms a call. `quickly` is the same
    figure without that, for who draws a thousand samples.
    """

    of: Callable[[Numbers], float]
    higher_is_better: bool = True
    quickly: Callable[[Numbers], float] | None = None


def _accuracy(evidence: Numbers) -> float:
    return float(sklearn_metrics.accuracy_score(*evidence.T))


def _f1(evidence: Numbers, labels: list[int] | None = None) -> float:
    return float(
        sklearn_metrics.f1_score(*evidence.T, labels=labels, average="macro", zero_division=0)
    )


def _matthews(evidence: Numbers) -> float:
    if (evidence == evidence[0]).all():  # one cell of the table: no correlation, and a warning
        return 0.0
    return float(sklearn_metrics.matthews_corrcoef(*evidence.T))


def _share_right(evidence: Numbers) -> float:
    return float((evidence[:, 0] == evidence[:, 1]).mean())


def _f1_by_counts(evidence: Numbers, labels: list[int] | None = None) -> float:
    golds, answers = _one_hot(evidence, np.unique(evidence) if labels is None else labels)
    both = (golds * answers).sum(axis=0)
    return float((2 * both / np.maximum(golds.sum(axis=0) + answers.sum(axis=0), 1)).mean())


def _matthews_by_counts(evidence: Numbers) -> float:
    golds, answers = (each - each.mean(axis=0) for each in _one_hot(evidence, np.unique(evidence)))
    spread = (golds**2).sum() * (answers**2).sum()
    return float((golds * answers).sum() / math.sqrt(spread)) if spread else 0.0


def _one_hot(evidence: Numbers, labels: ArrayLike) -> tuple[Numbers, Numbers]:
    """The right and the answered classes, (examples, labels) each."""
    golds, answers = (evidence[:, :, None] == np.asarray(labels)).astype(float).swapaxes(0, 1)
    return golds, answers


def _correlation(measure: Callable[..., Any], evidence: Numbers) -> float:
    """0 where a side has one value alone, and nothing can be said."""
    if (evidence == evidence[0]).all(axis=0).any():
        return 0.0
    return float(measure(*evidence.T)[0])


def _pearson_quickly(evidence: Numbers) -> float:
    return _correlation(lambda x, y: np.corrcoef(x, y)[:1, 1], evidence)


def _spearman_quickly(evidence: Numbers) -> float:
    return _pearson_quickly(stats.rankdata(evidence, axis=0))


def _ratio(top: int, bottom: int, evidence: Numbers) -> float:
    """Of the sums of two columns; 0 where there is nothing."""
    sums = evidence.sum(axis=0)
    return float(sums[top] / sums[bottom]) if sums[bottom] else 0.0


def _entity_f1(evidence: Numbers) -> float:
    right, found, there, *_ = evidence.sum(axis=0)
    return float(2 * right / (found + there)) if found + there else 0.0


def _mean(column: int, evidence: Numbers) -> float:
    return float(evidence[:, column].mean())


def _mean_where(column: int, answerable: bool, evidence: Numbers) -> float:
    rows = evidence[evidence[:, 2] == answerable]
    return _mean(column, rows) if len(rows) else 0.0


def _perplexity(evidence: Numbers) -> float:
    return math.exp(min(_ratio(0, 2, evidence), 700))  # a float holds no more


_ACCURACY = Metric(_accuracy, quickly=_share_right)

METRICS: dict[str, dict[str, Metric]] = {
    "text-classification": {
        "accuracy": _ACCURACY,
        "accuracy_matched": _ACCURACY,
        "accuracy_mismatched": _ACCURACY,
        # Of the second class, as GLUE has it.
        "f1": Metric(partial(_f1, labels=[1]), quickly=partial(_f1_by_counts, labels=[1])),
        "f1_macro": Metric(_f1, quickly=_f1_by_counts),
        "matthews": Metric(_matthews, quickly=_matthews_by_counts),
        "pearson": Metric(partial(_correlation, stats.pearsonr), quickly=_pearson_quickly),
        "spearman": Metric(partial(_correlation, stats.spearmanr), quickly=_spearman_quickly),
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
