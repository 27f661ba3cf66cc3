"""Intervals where two models do not differ: three of the examples could (the rule of three)."""

import numpy as np
import pytest

from squeezebert_mobile.evaluation import METRICS
from squeezebert_mobile.evaluation.intervals import difference_interval

CLASSES = [(gold, gold) for gold in (0, 1)] * 44 + [(0, 1), (1, 0)]
#: By task: evidence of some examples, whose metrics are neither the lowest nor the highest.
EVIDENCE = {
    "text-classification": CLASSES,
    "multiple-choice": CLASSES,
    "token-classification": [(1, 1, 1, 5, 5), (0, 1, 1, 4, 5), (2, 2, 3, 6, 7)] * 30,
    "question-answering": [(1, 1, 1), (0, 0.5, 1), (1, 1, 0), (0, 0, 0), (0, 0, 1)] * 18,
    "fill-mask": [(2.5, 1, 2), (0.5, 1, 1), (6.0, 0, 2)] * 30,
}
CASES = [(task, name) for task, metrics in METRICS.items() for name in metrics]


def _interval(task: str, name: str, rows: list[tuple[float, ...]]) -> tuple[float, float]:
    evidence = np.array(rows, float)
    return difference_interval(task, name, evidence, evidence.copy())


@pytest.mark.parametrize(("task", "name"), CASES)
def test_no_interval_has_a_width_of_zero(task: str, name: str) -> None:
    rows = EVIDENCE[task]
    if name in {"pearson", "spearman"}:
        rows = [(number / 10, number / 10 + (-1) ** number) for number in range(90)]
    low, high = _interval(task, name, rows)
    assert low == -high < 0
    fewer = _interval(task, name, rows[:30])
    assert fewer[1] > high


@pytest.mark.parametrize("count", [8, 90, 1000])
@pytest.mark.parametrize("right", [0.0, 0.5, 1.0])
def test_accuracy_has_three_in_n(count: int, right: float) -> None:
    rows = [(1, 1) if number < right * count else (1, 0) for number in range(count)]
    assert _interval("text-classification", "accuracy", rows) == pytest.approx(
        (-3 / count, 3 / count)
    )


@pytest.mark.parametrize("count", [1, 2, 3])
def test_of_three_examples_all_could_differ(count: int) -> None:
    assert _interval("text-classification", "accuracy", [(1, 1)] * count) == (-1, 1)


def test_a_rare_class_has_a_wider_interval_of_f1() -> None:
    """With three examples of the class, all of them could be missed."""
    rows = [(1, 1)] * 3 + [(0, 0)] * 87
    assert _interval("text-classification", "f1", rows) == (-1, 1)
    low, high = _interval("text-classification", "f1_macro", rows)
    assert 0.5 <= high < 0.52 and low == -high


def test_answers_that_differ_but_are_all_wrong() -> None:
    """The answers of one model are not those of the other, but no metric changes."""
    ours = np.array([(0, 1)] * 10 + [(0, 0)] * 50, float)
    theirs = np.array([(0, 2)] * 10 + [(0, 0)] * 50, float)
    assert difference_interval("text-classification", "accuracy", ours, theirs) == pytest.approx(
        (-3 / 60, 3 / 60)
    )


def test_a_difference_keeps_its_bootstrap_interval() -> None:
    ours = np.array([(0, 0)] * 20, float)
    theirs = np.array([(0, 0)] * 19 + [(0, 1)], float)
    low, high = difference_interval("text-classification", "accuracy", ours, theirs)
    assert low == 0 and 0.05 <= high <= 0.2
