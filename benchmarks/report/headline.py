"""The headline of a report: each contender against its baseline, in one sentence."""

from squeezebert_mobile.benchmarks.records.results import (
    Measurement,
    Ratio,
    Results,
    headline_baseline,
)
from squeezebert_mobile.benchmarks.report.caveats import FLAGS
from squeezebert_mobile.benchmarks.report.formatting import (
    format_interval,
    format_number,
    size_text,
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
    where = place(results)
    sentences = []
    for each in _contenders(results):
        ratio = _headline_ratio(results, each.contender)
        median = f"{format_number(each.latency.median_ms)} ms"
        alone = f"{each.contender} takes {median} on {where} (median)"
        sentences.append(_comparison(ratio, where) if ratio else alone)
    return sentences or [f"Nothing was measured on {where}"]


def _contenders(results: Results) -> list[Measurement]:
    """The measurements at the main workload that are not of a baseline."""
    return [
        each
        for each in measurements_at(results, main_workload(results))
        if facts_of(results, each.contender).role == "contender"
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
    contenders = _contenders(results)
    if not contenders:
        return f"{setting}: no figures."
    first = contenders[0].contender
    ratio = _headline_ratio(results, first)
    measurements = {each.contender: each for each in measurements_at(results, workload)}
    labels = [first, *([ratio.baseline] if ratio else [])]
    shown = [measurements[label] for label in labels if label in measurements]
    medians = [
        f"{each.contender} {format_number(each.latency.median_ms)} ms"
        + (f" ({size})" if (size := size_text(facts_of(results, each.contender))) else "")
        for each in shown
    ]
    raised = {flag for each in shown for flag in each.flags}
    raised |= set(ratio.times_faster.flags if ratio else ())
    doubts = [meaning for flag, meaning in FLAGS.items() if flag in raised]
    doubted = f" But {', and '.join(doubts)}." if doubts else ""
    return f"{setting}; medians: {', '.join(medians)}.{doubted}"
