"""Checks of results for CI: whether every artifact was measured, and is fast enough."""

import math
from collections.abc import Mapping

from squeezebert_mobile.benchmarks.records.results import (
    ContenderFacts,
    Failure,
    Results,
    headline_baseline,
)
from squeezebert_mobile.errors import BenchmarkError

__all__ = ["check_measured", "check_regression"]


def check_measured(results: Results) -> None:
    """Check that no artifact failed; a baseline may, as one that a phone has no memory for.

    Raises:
        BenchmarkError: an artifact could not be loaded or run, or computes wrong outputs.
    """
    failures = _failures(results)
    for facts in results.contenders:
        if facts.role == "contender" and facts.label in failures:
            raise BenchmarkError(_failed(failures[facts.label]))


def check_regression(results: Results, at_least: float) -> None:
    """Check that every contender is at least `at_least` times as fast as its baseline.

    Every number of threads at every length must pass.

    Raises:
        BenchmarkError: a contender is slower, it failed, or it has no measured baseline; or
            `at_least` is not a number above 0.
    """
    if not 0 < at_least < math.inf:
        raise BenchmarkError(f"--fail-if-slower {at_least:g} is not a number above 0; use e.g. 1.5")
    failures = _failures(results)
    pairs = set()
    for facts in sorted(results.contenders, key=lambda facts: facts.label):
        if facts.role == "contender":
            baseline = headline_baseline(facts, results.contenders)
            why = _not_compared(facts, baseline, results, failures)
            if why:
                raise BenchmarkError(f"--fail-if-slower {at_least:g}: {why}")
            assert baseline is not None
            pairs.add((facts.label, baseline.label))
    ratios = [ratio for ratio in results.ratios if (ratio.contender, ratio.baseline) in pairs]
    slow = [ratio for ratio in ratios if not ratio.times_faster.ratio >= at_least]
    if slow:
        worst = min(slow, key=lambda ratio: ratio.times_faster.ratio)
        raise BenchmarkError(
            f"{worst.contender!r} is {worst.times_faster.ratio:.2f} times as fast as "
            f"{worst.baseline!r} ({worst.threads} threads, length {worst.sequence_length}), and "
            f"--fail-if-slower requires {at_least:g}"
        )


def _not_compared(
    facts: ContenderFacts,
    baseline: ContenderFacts | None,
    results: Results,
    failures: Mapping[str, Failure],
) -> str | None:
    """Why a contender is not compared with its baseline everywhere; None if it is."""
    if facts.label in failures:
        return _failed(failures[facts.label])
    if baseline and baseline.label in failures:
        return f"the baseline of {facts.label!r} failed: {_failed(failures[baseline.label])}"
    compared = baseline and any(
        (ratio.contender, ratio.baseline) == (facts.label, baseline.label)
        for ratio in results.ratios
    )
    return None if compared else f"{facts.label!r} has no measured baseline; add --baseline"


def _failures(results: Results) -> dict[str, Failure]:
    return {failure.contender: failure for failure in results.failures}


def _failed(failure: Failure) -> str:
    return f"{failure.contender!r} failed ({failure.stage}): {failure.error}"
