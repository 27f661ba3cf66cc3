"""The figures of a comparison, and that each limit can be exceeded."""

import re

import numpy as np
import pytest

from squeezebert_mobile.artifact import OutputParity
from squeezebert_mobile.export.verify.comparison import OutputDifferences, compare
from squeezebert_mobile.export.verify.limits import LIMITS, Limit


def test_flipped_answers_lower_the_agreement_though_the_cosine_is_high() -> None:
    """A large constant in all logits hides a flip from the cosine, not from the agreement."""
    differences = OutputDifferences()
    rng = np.random.default_rng(0)
    theirs = (rng.normal(size=(1000, 100)) + 100).astype(np.float32)
    ours = theirs.copy()
    flipped = slice(0, 30)
    ours[flipped, 0] = ours[flipped].max(axis=-1) + 3
    differences.add(ours, theirs)
    differences.add_answers(ours, theirs)
    assert differences.parity(LIMITS["int8"]).min_cosine > 0.99
    agreed, counted, _ = differences.agreement()
    assert agreed / counted < 1


def test_ties_are_not_counted() -> None:
    differences = OutputDifferences()
    theirs = np.tile(np.array([[0.0, 1e-4]], np.float32), (100, 1))
    theirs[:60] = [0.0, 1.0]
    ours = theirs + np.array([[1e-3, -1e-3]], np.float32)
    differences.add(ours, theirs)
    differences.add_answers(ours, theirs)
    assert differences.agreement() == (60, 60, 40)


def test_short_outputs_are_concatenated_for_their_cosine() -> None:
    """Two logits near 0 point anywhere; 64 together have a direction."""
    differences = OutputDifferences()
    for number in range(40):
        theirs = np.array([[0.001 if number == 3 else 2.0, 1.0]], np.float32)
        differences.add(theirs + 0.01, theirs)
    parity = differences.parity(Limit())
    assert parity.min_cosine > 0.9999


def test_a_limit_in_words() -> None:
    assert str(LIMITS["fp32"]) == "max_abs_diff <= 0.0001"
    assert str(LIMITS["int8"]) == "mean_cosine >= 0.99, min_cosine >= 0.97"


@pytest.mark.parametrize("wrong", ["max_abs_diff", "mean_cosine", "min_cosine"])
def test_each_figure_of_a_limit_is_checked(wrong: str) -> None:
    limit = Limit(max_abs_diff=1, mean_cosine=0.9, min_cosine=0.8)
    good = OutputParity(max_abs_diff=1, mean_cosine=0.9, min_cosine=0.8, tolerance="")
    assert limit.holds(good)
    worse = {"max_abs_diff": 1.1, "mean_cosine": 0.89, "min_cosine": 0.79}[wrong]
    assert not limit.holds(good.model_copy(update={wrong: worse}))
    assert not limit.holds(good.model_copy(update={wrong: float("nan")}))


def test_a_constant_in_all_logits_hides_nothing() -> None:
    """Cosines are 1 then, and a differences as wide as all margins leaves no answer decided."""
    random = np.random.default_rng(0)
    theirs = random.normal(size=(200, 5)).astype(np.float32) + 1000
    differences = OutputDifferences()
    ours = (theirs + random.normal(size=theirs.shape)).astype(np.float32)
    differences.add(ours, theirs)
    differences.add_answers(ours, theirs)
    comparison = compare({"logits": differences}, "int8", 200)
    assert LIMITS["int8"].holds(comparison.parity.outputs["logits"])
    assert comparison.parity.answers < 5
    (violation,) = comparison.violations
    assert re.match(r"answers near the checkpoint's 0\.[5-8]\d* \(at least", violation)


def test_ties_may_fall_either_way() -> None:
    random = np.random.default_rng(0)
    theirs = random.normal(size=(200, 500)).astype(np.float32) / 10
    differences = OutputDifferences()
    ours = (theirs + random.normal(size=theirs.shape) / 100).astype(np.float32)
    differences.add(ours, theirs)
    differences.add_answers(ours, theirs)
    assert not np.concatenate(differences.agrees).all()
    assert compare({"logits": differences}, "int8", 200).violations == ()


def test_a_regression_with_a_large_error_is_a_violation() -> None:
    """Its cosines are high, because the checkpoint's numbers are all about 3."""
    theirs = np.random.default_rng(0).normal(3, 0.3, size=(200, 1)).astype(np.float32)
    for spread, passes in ((0.15, True), (0.3, False)):
        differences = OutputDifferences()
        ours = (theirs + np.random.default_rng(1).normal(0, spread * 0.3, theirs.shape)).astype(
            "f4"
        )
        differences.add(ours, theirs)
        differences.add_other_answers("regression", ours, theirs)
        comparison = compare({"logits": differences}, "int8", 200)
        assert LIMITS["int8"].holds(comparison.parity.outputs["logits"])
        if passes:
            assert comparison.violations == ()
            continue
        (violation,) = comparison.violations
        assert re.match(r"an error of 0\.\d\d standard deviations", violation)


def test_a_yes_or_no_to_each_label_is_an_answer() -> None:
    theirs = np.random.default_rng(0).normal(size=(200, 5)).astype(np.float32) * 9
    differences = OutputDifferences()
    ours = theirs + 3  # no argmax changes, and many signs do
    differences.add(ours, theirs)
    differences.add_answers(ours, theirs)
    differences.add_other_answers("multi_label_classification", ours, theirs)
    error = compare({"logits": differences}, "int8", 200).error()
    assert "answers near the checkpoint's 0.9" in str(error)


def test_nan_is_within_no_limit() -> None:
    differences = OutputDifferences()
    ours, theirs = np.ones((600, 1), np.float32), np.ones((600, 1), np.float32)
    ours[-20:] = np.nan
    for row in range(600):
        differences.add(ours[row : row + 1], theirs[row : row + 1])
    for limit in LIMITS.values():
        assert not limit.holds(differences.parity(limit))
