"""What of a run on a phone is complete, by its journal, and whether a run may be resumed."""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from squeezebert_mobile.benchmarks.measure.schedule import Preset, Schedule
from squeezebert_mobile.benchmarks.phone.adb.errors import PhoneError
from squeezebert_mobile.benchmarks.records.events import (
    Answered,
    Begin,
    Conditioned,
    EnergyMeasured,
    Event,
    Failed,
    FirstAnswered,
    NoEnergy,
    NotProfiled,
    PhoneStarted,
    Profiled,
    Source,
    VisitMeasured,
    WarmedUp,
)
from squeezebert_mobile.benchmarks.records.phone import PhoneStart, Placement

__all__ = ["Cell", "JournalView", "check_resumable"]

Cell = tuple[int, int]  # threads, sequence length
_SLOWER = 10


@dataclass(frozen=True)
class JournalView:
    """A view of the journal, which grows during a run."""

    events: Sequence[Event]

    @property
    def failed(self) -> set[str]:
        """The contenders that failed; they are not measured any further."""
        return {
            event.failure.contender
            for event in self.events
            if isinstance(event, Failed) and event.failure.stage != "text"
        }

    @property
    def without_text(self) -> set[str]:
        """The contenders that failed from text to answer; their other figures are not affected."""
        return {
            event.failure.contender
            for event in self.events
            if isinstance(event, Failed) and event.failure.stage == "text"
        }

    def first_answers(self, label: str) -> int:
        """How many fresh processes of a contender have answered a text."""
        return sum(
            isinstance(event, FirstAnswered) and event.contender == label for event in self.events
        )

    @property
    def seconds(self) -> float:
        """When the phone's conditions were last read: a resumed run continues this clock."""
        times = [event.conditions.at_s for event in self.events if isinstance(event, Conditioned)]
        return max(times, default=0.0)

    @property
    def answered(self) -> set[str]:
        """The contenders whose golden texts were answered correctly."""
        return {event.contender for event in self.events if isinstance(event, Answered)}

    def placement(self, label: str) -> Placement | None:
        """Where a contender ran when its golden texts were checked, if it asks an accelerator."""
        for event in self.events:
            if isinstance(event, Answered) and event.contender == label:
                return event.answers.placement
        return None

    def starts(self, label: str) -> list[PhoneStart]:
        """The measured fresh processes of a contender."""
        return [
            event.start
            for event in self.events
            if isinstance(event, PhoneStarted) and event.contender == label
        ]

    def typical_s(self, label: str, cell: Cell, source: Source = "ids") -> float:
        """Seconds per run in the first warm-up; decides the runs per visit, also after a resume.

        No phone becomes ten times as slow: then the last warm-up counts, as the first is wrong.
        """
        typical_ms = [
            event.typical_ms
            for event in self.events
            if isinstance(event, WarmedUp)
            and (event.contender, event.threads, event.sequence_length) == (label, *cell)
            and event.source == source
            and event.typical_ms is not None
        ]
        first, last = typical_ms[0], typical_ms[-1]
        return (first if first > last / _SLOWER else last) / 1000

    def energy_blocks(self, label: str, cell: Cell) -> set[int]:
        """The indices of the blocks whose energy was measured."""
        return {
            event.index
            for event in self.events
            if isinstance(event, EnergyMeasured)
            and (event.contender, event.threads, event.sequence_length) == (label, *cell)
        }

    @property
    def without_energy(self) -> set[str]:
        """The contenders whose energy could not be measured."""
        return {event.failure.contender for event in self.events if isinstance(event, NoEnergy)}

    def is_profiled(self, label: str, cell: Cell) -> bool:
        """Whether a contender was profiled in a cell, or could not be at all."""
        return any(
            (isinstance(event, NotProfiled) and event.failure.contender == label)
            or (
                isinstance(event, Profiled)
                and (event.profile.contender, event.profile.threads, event.profile.sequence_length)
                == (label, *cell)
            )
            for event in self.events
        )

    def schedule(
        self, cell: Cell, labels: Sequence[str], preset: Preset, source: Source = "ids"
    ) -> Schedule:
        """The schedule of a cell, in which the visits made so far are recorded."""
        schedule = Schedule(labels, preset)
        for visit in self._visits(cell, source):
            schedule.record(visit.block, visit.place, visit.contender, visit.samples)
        return schedule

    def _visits(self, cell: Cell, source: Source) -> Iterator[VisitMeasured]:
        for event in self.events:
            if isinstance(event, VisitMeasured):
                if (event.threads, event.sequence_length, event.source) == (*cell, source):
                    yield event


def check_resumable(begin: Begin, events: Sequence[Event], journal: Path | None) -> None:
    """Check that a run may be resumed: same models, same settings, same phone.

    Args:
        begin: How the run would begin now.
        events: The events in the journal.
        journal: The file, for the message.

    Raises:
        PhoneError: the run was measured on a host, or differs.
    """
    earlier = events[0]
    assert isinstance(earlier, Begin)
    if earlier.phone is None or begin.phone is None:
        raise PhoneError(f"{str(journal)!r} was measured on a host; remove --resume")
    differences = [
        name
        for name, then, now in (
            ("the target", earlier.measured_on, begin.measured_on),
            ("the phone", earlier.phone.serial, begin.phone.serial),
            ("the phone's system", earlier.phone.build, begin.phone.build),
            ("the runtime's libraries", earlier.phone.libraries, begin.phone.libraries),
            ("the runner", earlier.phone.runner_sha256, begin.phone.runner_sha256),
            ("the settings", earlier.settings, begin.settings),
            ("the artifacts", earlier.contenders, begin.contenders),
        )
        if then != now
    ]
    if differences:
        raise PhoneError(
            f"cannot resume {str(journal)!r}: {', '.join(differences)} differ from when the run "
            "began; use the same command, or start a new run with another file as -o"
        )
    if wrong := _impossible_visit(earlier, events):
        raise PhoneError(
            f"cannot resume {str(journal)!r}: {wrong}, so it was not written by bench; start a new "
            "run with another file as -o"
        )
    if {facts.label for facts in earlier.contenders} == JournalView(events).failed:
        raise PhoneError(
            f"cannot resume {str(journal)!r}: every artifact in it has failed; start a new run "
            "with another file as -o"
        )


def _impossible_visit(begin: Begin, events: Sequence[Event]) -> str | None:
    """The first visit that no run makes at that point: it would wait for those before it."""
    made: dict[tuple[int, int, Source], set[tuple[int, int]]] = defaultdict(set)
    labels = {facts.label for facts in begin.contenders}
    for event in events:
        if isinstance(event, VisitMeasured):
            visits = made[event.threads, event.sequence_length, event.source]
            where = f"place {event.place} of block {event.block}"
            last = max((block for block, _ in visits), default=-1)
            if event.contender not in labels:
                return f"it has a visit of {event.contender!r}, which is not measured"
            if not 0 <= event.block <= last + 1 or not 0 <= event.place < 2 * len(labels):
                return f"it has {where} after block {last}"
            if (event.block, event.place) in visits:
                return f"it has {where} twice"
            visits.add((event.block, event.place))
    return None
