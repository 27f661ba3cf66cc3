"""Energy: long blocks of inference alternate with idle ones, in which the phone does nothing.

Each block is recorded in the journal as soon as it is measured. One that is interrupted is measured
again as a whole, as counters go on while nobody looks.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass

from squeezebert_mobile.benchmarks.measure.progress import cell_text
from squeezebert_mobile.benchmarks.measure.schedule import Preset
from squeezebert_mobile.benchmarks.phone.adb.errors import PhoneError, RunnerDied, RunnerRefused
from squeezebert_mobile.benchmarks.phone.adb.meter import Meter, check_unplugged, read_state
from squeezebert_mobile.benchmarks.phone.resume import Cell
from squeezebert_mobile.benchmarks.phone.run import MOST_RUNS, PhoneRun
from squeezebert_mobile.benchmarks.phone.runners import MAX_TRIES
from squeezebert_mobile.benchmarks.records.energy import (
    EnergyBlock,
    EnergyPlan,
    EnergySource,
    Reading,
)
from squeezebert_mobile.benchmarks.records.events import EnergyMeasured, NoEnergy
from squeezebert_mobile.benchmarks.records.results import Failure

__all__ = ["PLANS", "EnergyRun", "energy_plan"]

#: Seconds of a block by preset, and the number of blocks. A battery's counter is coarse: a step of
#: 1 mAh is 14 J, which a phone takes in several seconds.
PLANS: Mapping[str, tuple[float, float, int]] = {
    # preset: seconds with power rails, with a battery, blocks
    "rapid": (10, 60, 6),
    "quick": (20, 180, 6),
    "normal": (60, 300, 12),
}
_NAP_SECONDS = 1.0  # of an idle block, so that Ctrl-C of another phone ends it soon


def energy_plan(preset: Preset, source: EnergySource) -> EnergyPlan:
    """How long to measure energy."""
    rails, battery, blocks = PLANS[preset.name]
    return EnergyPlan(
        source=source, seconds=battery if source == "battery" else rails, blocks=blocks
    )


@dataclass
class EnergyRun:
    """Measures the energy of every contender of a run, after its timed blocks."""

    run: PhoneRun
    meter: Meter
    plan: EnergyPlan

    def measure(self) -> None:
        """Measure the blocks that the journal does not have, at every number of threads and length.

        Raises:
            PhoneError: the phone was plugged in, or its counters cannot be read or went back.
        """
        settings = self.run.settings
        for threads in settings.threads:
            try:
                for length in settings.sequence_lengths:
                    self._measure_cell((threads, length))
            finally:
                self.run.runners.close_all()

    def _measure_cell(self, cell: Cell) -> None:
        """The contenders take turns, so that a phone that warms up does so for all of them."""
        for index in range(self.plan.blocks):
            for label in self._labels():
                if index not in self.run.view.energy_blocks(label, cell):
                    self._report(f"energy {label}, {cell_text(*cell)}", cell)
                    self._attempt(label, cell, index)

    def _labels(self) -> list[str]:
        without = self.run.view.without_energy
        return [each.label for each in self.run.contenders if each.label not in without]

    def _attempt(self, label: str, cell: Cell, index: int) -> None:
        """A runner that Android killed is started again; one that refuses is left out of energy."""
        for tries_left in reversed(range(MAX_TRIES)):
            try:
                block = self._block(label, cell)
            except RunnerRefused as error:
                failure = Failure(contender=label, stage="energy", error=str(error))
                self.run.log.add(NoEnergy(failure=failure))
                self.run.runners.close(label)
                return
            except RunnerDied:
                self.run.runners.close(label)
                if not tries_left:
                    raise
            else:
                event = EnergyMeasured(
                    contender=label,
                    threads=cell[0],
                    sequence_length=cell[1],
                    index=index,
                    block=block,
                )
                self.run.log.add(event)
                return

    def _block(self, label: str, cell: Cell) -> EnergyBlock:
        runner = self.run.runners.get(label, cell)
        conditions = self.run.wait_until_cool()
        typical_s = self.run.view.typical_s(label, cell)
        runs = min(max(1, math.ceil(self.plan.seconds / typical_s)), MOST_RUNS)
        begin = self._reading()
        self._idle()
        middle = self._reading()
        answer = runner.ask(
            "block",
            likely_s=runs * typical_s,
            input=self.run.runners.input_name(cell[1]),
            lead_in=0,
            samples=runs,
            seconds=0,
        )
        end = self._reading()
        check_unplugged(self.run.device)  # and was not plugged in meanwhile
        for earlier, later in ((begin, middle), (middle, end)):
            _check_forward(earlier, later)
        return EnergyBlock(
            begin=begin,
            middle=middle,
            end=end,
            answers=len(answer["samples_ns"]),
            state=read_state(self.run.device),
            thermal_status=conditions.thermal_status,
        )

    def _reading(self) -> Reading:
        return self.meter.reading(self.run.elapsed)

    def _idle(self) -> None:
        left = self.plan.seconds
        while left > 0:
            self.run.pause(min(_NAP_SECONDS, left))
            left -= _NAP_SECONDS

    def _report(self, step: str, cell: Cell) -> None:
        settings = self.run.settings
        cells = [(t, n) for t in settings.threads for n in settings.sequence_lengths]
        left = sum(
            self.plan.blocks - len(self.run.view.energy_blocks(label, each))
            for each in cells[cells.index(cell) :]
            for label in self._labels()
        )
        self.run.report(step, 2 * self.plan.seconds * left)


def _check_forward(earlier: Reading, later: Reading) -> None:
    """Check that no rail has less energy than before; a battery's counter may be corrected."""
    for rail, energy in earlier.rails_mj.items():
        if later.rails_mj.get(rail, energy) < energy:
            raise PhoneError(
                f"the phone's energy counter of {rail} went back in the middle of a block: it "
                "began again from zero; measure the block again"
            )
