"""Checks for CI: the ratio to the baseline of the same precision, and whether all were measured."""

import pytest
from phone_results import phone_results

from squeezebert_mobile.benchmarks import check_regression
from squeezebert_mobile.benchmarks.records.regression_check import check_measured
from squeezebert_mobile.benchmarks.records.results import Failure, Stage
from squeezebert_mobile.errors import BenchmarkError


def test_fast_enough() -> None:
    check_regression(phone_results(), 1.5)


def test_too_slow() -> None:
    results = phone_results(threads=(1, 2))
    slow = [each for each in results.ratios if each.contender == "SqueezeBERT int8"]
    least = min(each.times_faster.ratio for each in slow if each.baseline == "BERT-base int8")
    with pytest.raises(BenchmarkError) as caught:
        check_regression(results, 2.5)
    message = str(caught.value)
    assert message.startswith("'SqueezeBERT int8' is ")
    assert f"{least:.2f} times as fast as 'BERT-base int8'" in message
    assert message.endswith("length 128), and --fail-if-slower requires 2.5")


def test_a_missing_baseline_is_an_error() -> None:
    with pytest.raises(BenchmarkError) as caught:
        check_regression(phone_results(ratios=()), 1)
    assert str(caught.value) == (
        "--fail-if-slower 1: 'SqueezeBERT fp32' has no measured baseline; add --baseline"
    )


def _failed(label: str, stage: Stage = "load") -> tuple[Failure, ...]:
    return (Failure(contender=label, stage=stage, error="no memory"),)


@pytest.mark.parametrize("stage", ["start", "load", "run"])
@pytest.mark.parametrize("kept", [True, False])
def test_an_artifact_that_failed_is_not_blamed_on_its_baseline(stage: Stage, kept: bool) -> None:
    results = phone_results(failures=_failed("SqueezeBERT int8", stage))
    if not kept:  # it failed before anything was measured
        ratios = [each for each in results.ratios if each.contender != "SqueezeBERT int8"]
        results = results.model_copy(update={"ratios": tuple(ratios)})
    with pytest.raises(BenchmarkError) as caught:
        check_regression(results, 1.5)
    assert str(caught.value) == (
        f"--fail-if-slower 1.5: 'SqueezeBERT int8' failed ({stage}): no memory"
    )


def test_a_baseline_that_failed_is_named_with_its_reason() -> None:
    with pytest.raises(BenchmarkError) as caught:
        check_regression(phone_results(failures=_failed("BERT-base int8")), 1.5)
    assert str(caught.value) == (
        "--fail-if-slower 1.5: the baseline of 'SqueezeBERT int8' failed: 'BERT-base int8' failed "
        "(load): no memory"
    )


@pytest.mark.parametrize("ratio", [float("nan"), float("inf"), -float("inf"), 0.0, -1.0])
def test_a_ratio_that_nothing_or_everything_reaches_is_refused(ratio: float) -> None:
    with pytest.raises(BenchmarkError, match="is not a number above 0; use e.g. 1.5"):
        check_regression(phone_results(), ratio)


def test_an_artifact_that_failed_is_an_error() -> None:
    check_measured(phone_results())
    check_measured(phone_results(failures=_failed("BERT-base int8")))  # a phone may be too small
    with pytest.raises(BenchmarkError) as caught:
        check_measured(phone_results(failures=_failed("SqueezeBERT fp32")))
    assert str(caught.value) == "'SqueezeBERT fp32' failed (load): no memory"
