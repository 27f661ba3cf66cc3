"""The headline of a report: each contender against its baseline, in one sentence."""

from squeezebert_mobile.benchmarks.records.results import Ratio, Results, headline_baseline
from squeezebert_mobile.benchmarks.report.caveats import FLAGS
from squeezebert_mobile.benchmarks.report.formatting import (
    format_interval,
    format_number,
    workload_text,
)
from squeezebert_mobile.benchmarks.report.queries import (
    facts_of,
    main_workload,
    measurements_at,
    place,
    ratios_at,
)

__all__ = ["headlines", "subline"]


def headlines(results: Results) -> list[str]:
    """A sentence for each contender at the main workload; the first is the title of the report."""
    medians, where = _medians(results), place(results)
    sentences = []
    for label in _measured_contenders(results):
        ratio = _headline_ratio(results, label)
        alone = f"{label} takes {format_number(medians[label])} ms on {where} (median)"
        sentences.append(_comparison(ratio, where) if ratio else alone)
    return sentences or [f"Nothing was measured on {where}"]


def _medians(results: Results) -> dict[str, float]:
    """The median of each model at the main workload, in ms."""
    return {
        each.contender: each.latency.median_ms
        for each in measurements_at(results, main_workload(results))
    }


def _measured_contenders(results: Results) -> list[str]:
    medians = _medians(results)
    return [
        each.label
        for each in results.contenders
        if each.role == "contender" and each.label in medians
    ]


def _headline_ratio(results: Results, label: str) -> Ratio | None:
    baseline = headline_baseline(facts_of(results, label), results.contenders)
    for ratio in ratios_at(results, main_workload(results)):
        if baseline and (ratio.contender, ratio.baseline) == (label, baseline.label):
            return ratio
    return None


def _comparison(ratio: Ratio, where: str) -> str:
    interval = ratio.times_faster
    ends = format_interval(interval)
    certainty = f"95 %: {ends}" if ends else "too few blocks for an interval"
    if (
        interval.low is not None
        and interval.high is not None
        and interval.low <= 1 <= interval.high
    ):
        return (
            f"{ratio.contender} and {ratio.baseline} are equally fast on {where}, as far as was "
            f"measured (ratio {format_number(interval.ratio)}, {certainty})"
        )
    if interval.ratio < 1:
        if interval.low and interval.high:
            certainty = (
                f"95 %: {format_number(1 / interval.high)}-{format_number(1 / interval.low)}"
            )
        return (
            f"{ratio.contender} takes {format_number(1 / interval.ratio)} times as long as "
            f"{ratio.baseline} on {where} ({certainty})"
        )
    return (
        f"{ratio.contender} is {format_number(interval.ratio)} times as fast as {ratio.baseline} "
        f"on {where} ({certainty})"
    )


def subline(results: Results) -> str:
    """The workload and the medians behind the first headline, and its flags."""
    workload = main_workload(results)
    setting = f"At {workload_text(workload)}, batch {results.settings.batch}"
    contenders = _measured_contenders(results)
    if not contenders:
        return f"{setting}: no figures."
    ratio = _headline_ratio(results, contenders[0])
    medians = _medians(results)
    labels = [contenders[0], *([ratio.baseline] if ratio else [])]
    times = [f"{label} {format_number(medians[label])} ms" for label in labels if label in medians]
    raised = {
        flag
        for each in measurements_at(results, workload)
        if each.contender in labels
        for flag in each.flags
    }
    raised |= set(ratio.times_faster.flags if ratio else ())
    doubts = [meaning for flag, meaning in FLAGS.items() if flag in raised]
    doubted = f" But {', and '.join(doubts)}." if doubts else ""
    return f"{setting}; medians: {', '.join(times)}.{doubted}"
