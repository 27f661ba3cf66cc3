"""--fail-if-slower: the ratio to the baseline of the same precision decides."""

import pytest
from phone_results import phone_results

from squeezebert_mobile.benchmarks import check_regression
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
