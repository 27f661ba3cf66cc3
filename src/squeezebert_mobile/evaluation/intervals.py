"""The confidence interval of the difference between two models in a metric.

A paired bootstrap over examples. Where no example makes a difference, every sample would give 0, as
if it were certain. Then the rule of three applies: with 95 % confidence at most 3 in n examples
differ, and the interval has the largest change of the metric that three examples can make.
"""

from collections.abc import Callable, Mapping

import numpy as np
from scipy import stats

from squeezebert_mobile.evaluation.metrics import METRICS
from squeezebert_mobile.runtime.tasks.scores import Numbers

__all__ = ["CONFIDENCE", "RULE_OF_THREE", "difference_interval"]

CONFIDENCE = 0.95
RULE_OF_THREE = 3  # -log(1 - CONFIDENCE), rounded
_RESAMPLES = 1000
_SEED = 0
_RESAMPLE_BATCH = 50  # resamples in memory at a time


def difference_interval(
    task: str, metric: str, ours: Numbers, theirs: Numbers
) -> tuple[float, float]:
    """The CONFIDENCE interval of a metric's difference, ours minus theirs.

    Args:
        task: The task of both models.
        metric: A name in METRICS.
        ours: Evidence (examples, values) of the evaluated model.
        theirs: Evidence of the other model, on the same examples.
    """
    compute = METRICS[task][metric].fast or METRICS[task][metric].compute
    low, high = (0.0, 0.0) if np.array_equal(ours, theirs) else _bootstrap(compute, ours, theirs)
    if (low, high) != (0, 0):
        return low, high
    others = _other_numbers if metric in _NUMERIC_METRICS else _OTHER_ANSWERS[task]
    largest = _largest_change(compute, ours, others(ours))
    return -largest, largest


def _bootstrap(
    compute: Callable[[Numbers], float], ours: Numbers, theirs: Numbers
) -> tuple[float, float]:
    if len(ours) == 1:  # nothing to resample
        return (compute(ours) - compute(theirs),) * 2
    interval = stats.bootstrap(
        (np.arange(len(ours)),),
        lambda sample: compute(ours[sample]) - compute(theirs[sample]),
        vectorized=False,
        n_resamples=_RESAMPLES,
        batch=_RESAMPLE_BATCH,
        confidence_level=CONFIDENCE,
        method="percentile",
        rng=_SEED,
    ).confidence_interval
    return float(interval.low), float(interval.high)


def _largest_change(
    compute: Callable[[Numbers], float], evidence: Numbers, others: Numbers
) -> float:
    """The largest change of a metric if three examples had one of the other answers.

    Args:
        compute: The metric.
        evidence: (examples, values).
        others: (answers, examples, values), the evidence of other answers to each example.
    """
    value = compute(evidence)
    # Equal examples change the metric equally: the first of each kind is tried for all.
    _, firsts, kinds = np.unique(
        np.concatenate([evidence, *others], axis=1), axis=0, return_index=True, return_inverse=True
    )
    kinds = kinds.ravel()
    effects = [
        [
            compute(_replaced(evidence, others, {first: index})) - value
            for index in range(len(others))
        ]
        for first in firsts
    ]
    largest = 0.0
    for sign in (-1, 1):
        best = [max((sign * effect, index) for index, effect in enumerate(row)) for row in effects]
        by_effect = sorted(range(len(evidence)), key=lambda row: best[kinds[row]], reverse=True)
        choice = {row: best[kinds[row]][1] for row in by_effect[:RULE_OF_THREE]}
        largest = max(largest, abs(compute(_replaced(evidence, others, choice)) - value))
    return largest


def _replaced(evidence: Numbers, others: Numbers, choice: Mapping[int, int]) -> Numbers:
    """The evidence if some examples had another answer: example -> index in `others`."""
    changed = evidence.copy()
    for row, index in choice.items():
        changed[row] = others[index, row]
    return changed


# The evidence (answers, examples, values) of other answers: right ones and wrong ones ----------


def _other_classes(evidence: Numbers) -> Numbers:
    """The correct class, the most frequent and the rarest one."""
    golds = evidence[:, 0]
    classes = sorted(np.unique(evidence), key=lambda label: int((golds == label).sum()))
    if len(classes) == 1:
        classes.append(-1)  # an answer that the data does not have
    columns = golds, *(np.full_like(golds, label) for label in (classes[0], classes[-1]))
    return np.stack([np.stack([golds, answers], axis=1) for answers in columns])


def _other_numbers(evidence: Numbers) -> Numbers:
    """The correct number, the smallest and the largest one."""
    golds = evidence[:, 0]
    columns = golds, *(np.full_like(golds, number) for number in (golds.min(), golds.max()))
    return np.stack([np.stack([golds, answers], axis=1) for answers in columns])


def _other_tags(evidence: Numbers) -> Numbers:
    _, predicted, golds, _, words = evidence.T
    right = golds, golds, golds, words, words
    wrong = np.zeros_like(golds), predicted, golds, np.zeros_like(words), words
    return np.stack([np.stack(columns, axis=1) for columns in (right, wrong)])


def _other_spans(evidence: Numbers) -> Numbers:
    answerable = evidence[:, 2]
    ones = np.ones_like(answerable)
    return np.stack([np.stack([value, value, answerable], axis=1) for value in (ones, 0 * ones)])


def _other_tokens(evidence: Numbers) -> Numbers:
    """All masks right without loss, and all wrong with the largest loss per mask that occurs."""
    losses, _, masks = evidence.T
    wrong = masks * (losses / masks).max(), 0 * masks, masks
    return np.stack([np.stack(columns, axis=1) for columns in ((0 * masks, masks, masks), wrong)])


#: By task; for text-classification, of classes.
_OTHER_ANSWERS: dict[str, Callable[[Numbers], Numbers]] = {
    "text-classification": _other_classes,
    "multiple-choice": _other_classes,
    "token-classification": _other_tags,
    "question-answering": _other_spans,
    "fill-mask": _other_tokens,
}
_NUMERIC_METRICS = {"pearson", "spearman"}
