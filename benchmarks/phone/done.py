"""What of a run is done, by its journal: a run that goes on asks here what is missing."""

from collections.abc import Sequence
from dataclasses import dataclass

from squeezebert_mobile.benchmarks.measure.schedule import Preset, block_order
from squeezebert_mobile.benchmarks.records.events import (
    Answered,
    Conditioned,
    Event,
    Failed,
    PhoneStarted,
    VisitMeasured,
    WarmedUp,
)
from squeezebert_mobile.benchmarks.records.phone import PhoneStart

__all__ = ["Cell", "Done"]

Cell = tuple[int, int]  # threads, length


@dataclass(frozen=True)
class Done:
    """The events of a run, asked; they become more while it runs."""

    events: Sequence[Event]
    preset: Preset

    @property
    def failed(self) -> set[str]:
        """The contenders that take no further part."""
        return {each.failure.contender for each in self.events if isinstance(each, Failed)}

    @property
    def seconds(self) -> float:
        """When the phone was last looked at: the clock of a run that goes on goes on from there."""
        times = [each.conditions.at_s for each in self.events if isinstance(each, Conditioned)]
        return max(times, default=0.0)

    @property
    def answered(self) -> set[str]:
        """The contenders whose golden texts were answered rightly."""
        return {each.contender for each in self.events if isinstance(each, Answered)}

    def starts(self, label: str) -> list[PhoneStart]:
        """The fresh processes of a contender."""
        return [
            each.start
            for each in self.events
            if isinstance(each, PhoneStarted) and each.contender == label
        ]

    def typical_s(self, label: str, cell: Cell) -> float:
        """A run's seconds by the first warm-up: one that goes on makes as many runs a visit."""
        return next(
            each.typical_ms / 1000
            for each in self.events
            if isinstance(each, WarmedUp)
            and (each.contender, each.threads, each.sequence_length) == (label, *cell)
            and each.typical_ms is not None
        )

    def missing(self, cell: Cell, index: int, labels: Sequence[str]) -> dict[int, str]:
        """The visits of a block that were not yet made: place -> contender."""
        done = {each.place for each in self._visits(cell) if each.block == index}
        order = block_order(labels, index)
        return {place: label for place, label in enumerate(order) if place not in done}

    def is_done(self, cell: Cell, labels: Sequence[str]) -> bool:
        """Whether the last block is whole, and every contender has its runs and seconds."""
        visits = self._visits(cell)
        blocks = 1 + max((each.block for each in visits), default=-1)
        if blocks < self.preset.blocks or self.missing(cell, blocks - 1, labels):
            return False
        for label in labels:
            samples = [ms for each in visits if each.contender == label for ms in each.samples]
            if len(samples) < self.preset.runs or sum(samples) < 1000 * self.preset.seconds:
                return False
        return True

    def _visits(self, cell: Cell) -> list[VisitMeasured]:
        return [
            each
            for each in self.events
            if isinstance(each, VisitMeasured) and (each.threads, each.sequence_length) == cell
        ]
