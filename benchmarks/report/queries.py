"""Lookups in results that several sections of a report share."""

from squeezebert_mobile.benchmarks.records.results import (
    ContenderFacts,
    Measurement,
    Ratio,
    Results,
)
from squeezebert_mobile.errors import BenchmarkError

__all__ = [
    "MAIN_WORKLOAD",
    "Workload",
    "facts_of",
    "is_stand_in",
    "main_workload",
    "measured_workloads",
    "measurements_at",
    "place",
    "ratios_at",
]

Workload = tuple[int, int]  # threads, length in tokens

#: The workload that is reported first if it was measured.
MAIN_WORKLOAD: Workload = (1, 128)


def measured_workloads(results: Results) -> list[Workload]:
    """The workloads that have measurements: of an interrupted run, not all of its settings."""
    return list(dict.fromkeys((m.threads, m.sequence_length) for m in results.measurements))


def main_workload(results: Results) -> Workload:
    """MAIN_WORKLOAD, or if it was not measured the longest input at the first thread count."""
    workloads = measured_workloads(results)
    if MAIN_WORKLOAD in workloads or not workloads:
        return MAIN_WORKLOAD
    return [each for each in workloads if each[0] == workloads[0][0]][-1]


def measurements_at(results: Results, workload: Workload) -> list[Measurement]:
    """The measurements of one workload, in the order of the results."""
    return [m for m in results.measurements if (m.threads, m.sequence_length) == workload]


def ratios_at(results: Results, workload: Workload) -> list[Ratio]:
    """The ratios of one workload, in the order of the results."""
    return [r for r in results.ratios if (r.threads, r.sequence_length) == workload]


def facts_of(results: Results, label: str) -> ContenderFacts:
    """The facts of the contender called `label`.

    Raises:
        BenchmarkError: the results have measurements of it, but no facts.
    """
    for facts in results.contenders:
        if facts.label == label:
            return facts
    raise BenchmarkError(f"the results have no facts of {label!r}; measure again")


def is_stand_in(results: Results) -> bool:
    """Whether the phone was a stand-in: a program that speaks adb like a phone."""
    return results.phone is not None and results.phone.stand_in


def place(results: Results) -> str:
    """The phone or the processor that was measured; never a phone's name for a stand-in."""
    if is_stand_in(results):
        return "a stand-in, not a phone"
    if results.phone:
        inside = ", in the sample app" if results.target == "app" else ""
        return f"{results.phone.model}{inside}"
    return results.machine.cpu if results.machine else "an unknown machine"
