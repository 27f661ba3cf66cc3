"""What a reader must know before trusting a figure: banners, flags, answers, random weights."""

from collections.abc import Iterator, Sequence

from squeezebert_mobile.benchmarks.records.bootstrap import MIN_BLOCKS
from squeezebert_mobile.benchmarks.records.phone import Answers, Placement
from squeezebert_mobile.benchmarks.records.results import Flag, Measurement, Results
from squeezebert_mobile.benchmarks.records.statistics import MIN_STABILITY
from squeezebert_mobile.benchmarks.report.formatting import DOUBT, plural
from squeezebert_mobile.benchmarks.report.queries import is_stand_in
from squeezebert_mobile.benchmarks.report.writers.page import Listing

__all__ = ["FLAGS", "answers", "banners", "failures", "flag_notes", "notes", "random_weights"]

FLAGS: dict[Flag, str] = {
    "few blocks": (
        f"fewer than {MIN_BLOCKS} blocks were measured: too few for an interval, or to see a drift"
    ),
    "wide": "the 95 % interval is wider than 10 % of the ratio",
    "drifting": "the second half of the blocks differs from the first by more than 5 %",
    "unstable": (
        "the runs of a model differ too much from each other: their stability, from 0 to 100, is "
        f"below {MIN_STABILITY}"
    ),
    "throttled": "the phone reported that it throttled its processor because it was hot",
    "clock changed": (
        "the time of the fixed arithmetic between the blocks changed: the clock changed"
    ),
    "conditions changed": (
        "the phone was plugged in or unplugged, or its governor changed, during the run"
    ),
    "CPU fallback": (
        "the CPU ran a part of the model, or all of it, although an accelerator was asked for"
    ),
}


def banners(results: Results, name: str = "") -> Iterator[str]:
    """Warnings that apply to all figures.

    Args:
        results: The results.
        name: The file that they come from, if there is one.
    """
    subject = repr(name) if name else "this run"
    if is_stand_in(results):
        yield (
            f"No phone: {subject} was measured on a stand-in, a program that speaks adb like a "
            "phone. Its latencies mean nothing."
        )
    if not results.complete:
        yield f"Incomplete: {subject} was interrupted; these are the results up to then."
    for label, answer in results.answers.items():
        if not _is_right(answer):
            yield f"{_answer(results, label)} Its latencies are of no use."
        if answer.placement and not answer.placement.whole:
            name = answer.placement.requested.upper()
            yield f"{label}: {_placement(answer.placement)}. Its figures are not the {name}'s."


# Flags --------------------------------------------------------------------------------------


def flag_notes(results: Results) -> tuple[Listing, ...]:
    """A sentence for each flag that was raised: what it means, and how many figures have it."""
    notes = []
    for flag, meaning in FLAGS.items():
        ratios = [flag in each.times_faster.flags for each in results.ratios]
        raised = [each for each in results.measurements if flag in each.flags]
        counts = []
        if raised:
            counts.append(f"{len(raised)} of {plural(len(results.measurements), 'measurement')}")
        if any(ratios):
            counts.append(f"{sum(ratios)} of {plural(len(ratios), 'ratio')}")
        if counts:
            largest = _largest_drift(raised) if flag == "drifting" and raised else ""
            notes.append(f"{DOUBT} {flag}: {meaning} ({', '.join(counts)}{largest}).")
    if notes:
        notes.append("Keep the device idle, or measure for longer (--preset).")
    return (Listing(tuple(notes)),) if notes else ()


def _largest_drift(measurements: Sequence[Measurement]) -> str:
    largest = max(measurements, key=lambda each: abs(each.drift or 0.0))
    return f"; largest: {100 * (largest.drift or 0.0):+.0f} %, {largest.contender}"


# Models that failed, models without trained weights -----------------------------------------


def failures(results: Results) -> tuple[Listing, ...]:
    """A line for each model that could not be built, loaded or run."""
    lines = [f"{each.contender} failed ({each.stage}): {each.error}" for each in results.failures]
    return (Listing(tuple(lines), is_error=True),) if lines else ()


def notes(results: Results) -> Iterator[str]:
    """Notes on models whose answers mean nothing, or whose latency is not a phone's."""
    yield from random_weights(results)
    yield from _not_checked(results)
    yield from _fp16_on_x86(results)


def random_weights(results: Results) -> Iterator[str]:
    """The note on models whose answers mean nothing, if there are any."""
    random = [each.label for each in results.contenders if each.weights == "random"]
    if random:
        some = len(random) < len(results.contenders)
        names = f" ({', '.join(random)})" if some else ""
        yield f"Random weights{names}: latency is real, answers are not."


def _not_checked(results: Results) -> Iterator[str]:
    unknown = [each.label for each in results.contenders if each.weights == "unknown"]
    if unknown:
        yield (
            f"Answers not checked ({', '.join(unknown)}): a model file has no golden outputs, so "
            "that it may compute anything."
        )


def _fp16_on_x86(results: Results) -> Iterator[str]:
    machine = results.machine
    if machine is None or machine.architecture not in {"x86_64", "AMD64"}:
        return
    if any(each.format == "executorch" and each.precision == "int8" for each in results.contenders):
        yield (
            "ExecuTorch in int8 computes Gelu in fp16. XNNPACK has a fast kernel for it on ARM64, "
            "but on most x86-64 processors it takes most of the time: measure on a phone."
        )


# Answers ------------------------------------------------------------------------------------


def answers(results: Results) -> tuple[Listing, ...]:
    """For each model, whether the phone computed the golden outputs of its artifact."""
    lines = tuple(_answer(results, label) for label in results.answers)
    return (Listing(lines),) if lines else ()


def _answer(results: Results, label: str) -> str:
    answer = results.answers[label]
    device = "stand-in" if is_stand_in(results) else "phone"
    verdict = "the right answers" if _is_right(answer) else "WRONG answers"
    text = f"{label}: the {device} computed {verdict}: {plural(answer.texts, 'golden text')}"
    if answer.max_abs_diff:
        worst = max(answer.max_abs_diff, key=lambda name: _share(answer, name))
        allowed = answer.tolerance.get(worst, 0.0)
        text += (
            f", largest difference {answer.max_abs_diff[worst]:.2g} of {allowed:g} allowed "
            f"({worst})"
        )
    if answer.same_answers is False:
        text += "; the largest output is not the same"
    if answer.placement:
        text += f"; {_placement(answer.placement)}"
    return f"{text}."


def _placement(placement: Placement) -> str:
    name = placement.requested.upper()
    here, there = placement.operators, placement.cpu_operators
    if placement.whole:
        return f"the {name} ran the whole model" + (f", {plural(here, 'operator')}" if here else "")
    counts = "" if here is None else f", {here} operators on the {name} and {there} on the CPU"
    found = ", ".join(each.upper() for each in placement.available) or "none"
    why = (
        f" ({placement.reason.rstrip('.')}; accelerators found: {found})"
        if placement.reason
        else ""
    )
    return (
        f"the {name} was asked for, but the CPU ran a part of the model or all of it{counts}{why}"
    )


def _is_right(answer: Answers) -> bool:
    close = all(_share(answer, name) <= 1 for name in answer.max_abs_diff)
    return close and answer.same_answers is not False


def _share(answer: Answers, name: str) -> float:
    """The difference as a share of the tolerance; infinite if it is larger, or NaN."""
    difference, allowed = answer.max_abs_diff[name], answer.tolerance.get(name, 0.0)
    if not difference <= allowed:
        return float("inf")
    return difference / allowed if allowed else 0.0
