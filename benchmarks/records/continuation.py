"""What of an interrupted run on this machine is kept when it is continued.

Contenders are compared within the blocks of a cell (a number of threads and a length), so a cell
that was not completed is measured again.
"""

from collections import defaultdict
from collections.abc import Sequence

from squeezebert_mobile.benchmarks.records.events import (
    Begin,
    BlockMeasured,
    Event,
    Failed,
    Started,
    WarmedUp,
)
from squeezebert_mobile.benchmarks.records.results import Settings
from squeezebert_mobile.errors import BenchmarkError

__all__ = [
    "check_continuable",
    "complete_events",
    "failed_labels",
    "measured_cells",
    "start_counts",
]

Cell = tuple[int, int]  # threads, sequence length


def check_continuable(now: Begin, events: Sequence[Event], what: str) -> None:
    """Check that a run may be continued: same models, settings, machine and versions.

    Args:
        now: How the run would begin now.
        events: The events in the journal.
        what: The journal, for the message.

    Raises:
        BenchmarkError: something differs; the message names it.
    """
    then = events[0]
    assert isinstance(then, Begin)
    if difference := _difference(then, now):
        raise BenchmarkError(
            f"cannot resume {what}: {difference}; use the same command as before, or choose "
            "another place with -o"
        )
    if {facts.label for facts in then.contenders} <= failed_labels(events):
        raise BenchmarkError(
            f"cannot resume {what}: every model in it has failed; choose another place with -o"
        )


def _difference(then: Begin, now: Begin) -> str | None:
    if then.phone or now.phone or not then.machine or not now.machine:
        return "it was measured on a phone"
    for name, earlier, here in (
        ("the settings", then.settings, now.settings),
        ("the models", then.contenders, now.contenders),
    ):
        if earlier != here:
            return f"{name} are not those that the run began with"
    for name in sorted(then.machine.versions.keys() | now.machine.versions.keys()):
        earlier_version = then.machine.versions.get(name, "not installed")
        version = now.machine.versions.get(name, "not installed")
        if earlier_version != version:
            return f"{name} is {version}, and was {earlier_version} when the run began"
    if then.machine != now.machine:
        return "the machine is not the one that the run began on"
    return None


def complete_events(settings: Settings, events: Sequence[Event]) -> int:
    """How many events from the first on are kept: all until the last complete cell, or start."""
    kept, blocks = 1, defaultdict[Cell, list[BlockMeasured]](list)
    for index, event in enumerate(events):
        if isinstance(event, WarmedUp | BlockMeasured):
            if event.source == "text":  # measured last, and again
                break
            cell = blocks[event.threads, event.sequence_length]
            if isinstance(event, BlockMeasured):
                cell.append(event)
                if _is_enough(settings, cell):
                    kept = index + 1
        elif not blocks:
            kept = index + 1
    return kept


def _is_enough(settings: Settings, blocks: Sequence[BlockMeasured]) -> bool:
    if len(blocks) < settings.blocks:
        return False
    samples = [
        [ms for block in blocks for ms in block.samples[label]] for label in blocks[0].samples
    ]
    return all(
        len(times) >= settings.runs and sum(times) >= 1000 * settings.seconds for times in samples
    )


def measured_cells(events: Sequence[Event]) -> set[Cell]:
    """The cells of which there are blocks."""
    return {
        (event.threads, event.sequence_length)
        for event in events
        if isinstance(event, BlockMeasured) and event.source == "ids"
    }


def failed_labels(events: Sequence[Event]) -> set[str]:
    """The contenders that failed; they are not measured any further."""
    return {event.failure.contender for event in events if isinstance(event, Failed)}


def start_counts(events: Sequence[Event]) -> defaultdict[str, int]:
    """How many fresh processes of each contender were measured."""
    counts = defaultdict[str, int](int)
    for event in events:
        if isinstance(event, Started):
            counts[event.contender] += 1
    return counts
