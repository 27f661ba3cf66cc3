"""Results in sentences: the headline, banners, flags, and whether the answers were right."""

from collections.abc import Iterator

from squeezebert_mobile.benchmarks.records.phone import Answers
from squeezebert_mobile.benchmarks.records.results import (
    Flag,
    Interval,
    Ratio,
    Results,
    headline_baseline,
)
from squeezebert_mobile.benchmarks.records.statistics import MIN_BLOCKS
from squeezebert_mobile.benchmarks.report.terminal import figure, threads_text

__all__ = [
    "FLAGS",
    "Cell",
    "answers_text",
    "banners",
    "between",
    "cell_text",
    "headlines",
    "is_stand_in",
    "main_cell",
    "measured_cells",
    "place",
    "random_weights",
    "subline",
]

Cell = tuple[int, int]  # threads, length in tokens

_USUAL: Cell = (1, 128)  # what is shown first, if it was measured

FLAGS: dict[Flag, str] = {
    "few blocks": (
        f"fewer than {MIN_BLOCKS} blocks were measured: too few for an interval, or to see a drift"
    ),
    "wide": "the 95 % interval is wider than 10 % of the ratio",
    "drifting": "the second half of the blocks differs from the first by more than 5 %",
    "throttled": "the phone reported that it held its processor back because it was hot",
    "clock changed": (
        "the fixed arithmetic between the blocks took another time on the way: the clock changed"
    ),
    "conditions changed": "the phone was plugged or unplugged, or its governor changed, on the way",
}


def is_stand_in(results: Results) -> bool:
    """Whether no phone was measured, but a program that speaks adb like one."""
    return results.phone is not None and results.phone.stand_in


def place(results: Results) -> str:
    """What was measured on; never a phone's name where there was no phone."""
    if is_stand_in(results):
        return "a stand-in, not a phone"
    if results.phone:
        inside = ", in the sample app" if results.target == "app" else ""
        return f"{results.phone.model}{inside}"
    return results.machine.cpu if results.machine else "an unknown machine"


def measured_cells(results: Results) -> list[Cell]:
    """Of an interrupted run, fewer than were asked for."""
    return list(dict.fromkeys((m.threads, m.sequence_length) for m in results.measurements))


def main_cell(results: Results) -> Cell:
    """The cell of the headline: one thread and 128 tokens, if that was measured."""
    cells = measured_cells(results)
    if _USUAL in cells or not cells:
        return _USUAL
    return [cell for cell in cells if cell[0] == cells[0][0]][-1]


def cell_text(cell: Cell) -> str:
    """1 thread, 128 tokens."""
    return f"{threads_text(cell[0])}, {cell[1]} token{'s' * (cell[1] > 1)}"


def between(interval: Interval) -> str:
    """The ends of an interval: 1.90-1.96; nothing where there is none."""
    if interval.low is None or interval.high is None:
        return ""
    return f"{figure(interval.low)}-{figure(interval.high)}"


# The headline -------------------------------------------------------------------------------


def headlines(results: Results) -> list[str]:
    """A sentence for each contender, at `main_cell`; the first is that of the report."""
    medians, where = _medians(results), place(results)
    told = []
    for label in _headed(results):
        ratio = _headline_ratio(results, label)
        alone = f"{label} takes {figure(medians[label])} ms on {where} (median)"
        told.append(_compared(ratio, where) if ratio else alone)
    return told or [f"Nothing was measured on {where}"]


def _medians(results: Results) -> dict[str, float]:
    """In ms, at `main_cell`."""
    return {
        each.contender: each.latency.median_ms
        for each in results.measurements
        if (each.threads, each.sequence_length) == main_cell(results)
    }


def _headed(results: Results) -> list[str]:
    """The contenders that were measured at `main_cell`."""
    medians = _medians(results)
    return [
        each.label
        for each in results.contenders
        if each.role == "contender" and each.label in medians
    ]


def _headline_ratio(results: Results, label: str) -> Ratio | None:
    facts = next(each for each in results.contenders if each.label == label)
    baseline = headline_baseline(facts, results.contenders)
    wanted = (label, baseline.label if baseline else None, *main_cell(results))
    for each in results.ratios:
        if (each.contender, each.baseline, each.threads, each.sequence_length) == wanted:
            return each
    return None


def _compared(ratio: Ratio, where: str) -> str:
    found = ratio.times_faster
    sure = f"95 %: {between(found)}" if between(found) else "too few blocks for an interval"
    if found.low is not None and found.high is not None and found.low <= 1 <= found.high:
        return (
            f"{ratio.contender} and {ratio.baseline} are equally fast on {where}, as far as was "
            f"measured (ratio {figure(found.ratio)}, {sure})"
        )
    if found.ratio < 1:
        if found.low and found.high:
            sure = f"95 %: {figure(1 / found.high)}-{figure(1 / found.low)}"
        return (
            f"{ratio.contender} takes {figure(1 / found.ratio)} times as long as {ratio.baseline} "
            f"on {where} ({sure})"
        )
    return (
        f"{ratio.contender} is {figure(found.ratio)} times as fast as {ratio.baseline} on {where} "
        f"({sure})"
    )


def subline(results: Results) -> str:
    """What the first headline holds for, in ms."""
    told = f"At {cell_text(main_cell(results))}, batch {results.settings.batch}"
    medians = _medians(results)
    if not (headed := _headed(results)):
        return f"{told}: no figures."
    ratio = _headline_ratio(results, headed[0])
    labels = [headed[0], *([ratio.baseline] if ratio else [])]
    took = [f"{label} {figure(medians[label])} ms" for label in labels if label in medians]
    raised = {
        flag
        for each in results.measurements
        if each.contender in labels and (each.threads, each.sequence_length) == main_cell(results)
        for flag in each.flags
    }
    raised |= set(ratio.times_faster.flags if ratio else ())
    doubts = [meaning for flag, meaning in FLAGS.items() if flag in raised]
    doubted = f" But {', and '.join(doubts)}." if doubts else ""
    return f"{told}; medians: {', '.join(took)}.{doubted}"


# What speaks against it ---------------------------------------------------------------------


def banners(results: Results, name: str) -> Iterator[str]:
    """What a reader must know before any figure; `name` is the file's."""
    if is_stand_in(results):
        yield (
            f"No phone: {name!r} was measured on a stand-in, a program that speaks adb like a "
            "phone. Its latencies mean nothing."
        )
    if not results.complete:
        yield f"Incomplete: {name!r} is of an interrupted run; this is what there was."
    for label, answers in results.answers.items():
        if not _right(answers):
            yield f"{answers_text(results, label)} Its latencies are of no use."


def random_weights(results: Results) -> Iterator[str]:
    """The note that answers mean nothing, where they do."""
    random = [each.label for each in results.contenders if each.weights == "random"]
    if random:
        some = len(random) < len(results.contenders)
        who = f" ({', '.join(random)})" if some else ""
        yield f"Random weights{who}: latency is real, answers are not."


def answers_text(results: Results, label: str) -> str:
    """Whether a model's answers were those that its artifact was exported with."""
    answers = results.answers[label]
    who = "stand-in" if is_stand_in(results) else "phone"
    verdict = "the right answers" if _right(answers) else "WRONG answers"
    told = f"{label}: the {who} computed {verdict}: {answers.texts} text{'s' * (answers.texts > 1)}"
    if answers.max_abs_diff:
        worst = max(answers.max_abs_diff, key=lambda name: _share(answers, name))
        allowed = answers.tolerance.get(worst, 0.0)
        told += (
            f", largest difference {answers.max_abs_diff[worst]:.2g} of {allowed:g} allowed "
            f"({worst})"
        )
    if answers.same_answers is False:
        told += "; the largest output is not the same"
    return f"{told}."


def _right(answers: Answers) -> bool:
    close = all(_share(answers, name) <= 1 for name in answers.max_abs_diff)
    return close and answers.same_answers is not False


def _share(answers: Answers, name: str) -> float:
    """How much of what is allowed was needed; NaN, which compares with nothing, counts as all."""
    found, allowed = answers.max_abs_diff[name], answers.tolerance.get(name, 0.0)
    if not found <= allowed:
        return float("inf")
    return found / allowed if allowed else 0.0
