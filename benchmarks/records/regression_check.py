"""Regression check for CI: fails when a contender is not fast enough against its baseline."""

from squeezebert_mobile.benchmarks.records.results import Results, headline_baseline
from squeezebert_mobile.errors import BenchmarkError

__all__ = ["check_regression"]


def check_regression(results: Results, at_least: float) -> None:
    """Check that every contender is at least `at_least` times as fast as its baseline.

    Every number of threads at every length must pass.

    Raises:
        BenchmarkError: a contender is slower, or has no measured baseline.
    """
    pairs = {
        (facts.label, baseline.label)
        for facts in results.contenders
        if facts.role == "contender" and (baseline := headline_baseline(facts, results.contenders))
    }
    ratios = [ratio for ratio in results.ratios if (ratio.contender, ratio.baseline) in pairs]
    missing = {facts.label for facts in results.contenders if facts.role == "contender"} - {
        ratio.contender for ratio in ratios
    }
    if missing:
        raise BenchmarkError(
            f"--fail-if-slower {at_least:g}: {sorted(missing)[0]!r} has no measured "
            "baseline; add --baseline"
        )
    slow = [ratio for ratio in ratios if ratio.times_faster.ratio < at_least]
    if slow:
        worst = min(slow, key=lambda ratio: ratio.times_faster.ratio)
        raise BenchmarkError(
            f"{worst.contender!r} is {worst.times_faster.ratio:.2f} times as fast as "
            f"{worst.baseline!r} ({worst.threads} threads, length {worst.sequence_length}), and "
            f"--fail-if-slower requires {at_least:g}"
        )
