"""A gate for CI: results that are slower than asked are an error."""

from squeezebert_mobile.benchmarks.records.results import Results, headline_baseline
from squeezebert_mobile.errors import BenchmarkError

__all__ = ["check_ratios"]


def check_ratios(results: Results, at_least: float) -> None:
    """See that every contender is so many times as fast as its baseline, in every cell.

    Raises:
        BenchmarkError: one is slower, or there is nothing to compare with.
    """
    wanted = {
        (each.label, baseline.label)
        for each in results.contenders
        if each.role == "contender" and (baseline := headline_baseline(each, results.contenders))
    }
    ratios = [each for each in results.ratios if (each.contender, each.baseline) in wanted]
    missing = {each.label for each in results.contenders if each.role == "contender"} - {
        each.contender for each in ratios
    }
    if missing:
        raise BenchmarkError(
            f"--fail-if-slower {at_least:g}: {sorted(missing)[0]!r} has no baseline that was "
            "measured; give --baseline"
        )
    slow = [each for each in ratios if each.times_faster.ratio < at_least]
    if slow:
        worst = min(slow, key=lambda each: each.times_faster.ratio)
        raise BenchmarkError(
            f"{worst.contender!r} is {worst.times_faster.ratio:.2f} times as fast as "
            f"{worst.baseline!r} ({worst.threads} threads, length {worst.sequence_length}), and "
            f"--fail-if-slower asks for {at_least:g}"
        )
