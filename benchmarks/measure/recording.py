"""Blocks that are measured in this process and written to the journal, with their progress."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from squeezebert_mobile.benchmarks.measure.progress import cell_text
from squeezebert_mobile.benchmarks.measure.schedule import Preset, planned_seconds
from squeezebert_mobile.benchmarks.measure.timing import Clock, Run, WarmUp, measure_blocks
from squeezebert_mobile.benchmarks.records.events import BlockMeasured, Source, WarmedUp
from squeezebert_mobile.benchmarks.records.journal import Journal
from squeezebert_mobile.errors import BenchmarkError, first_line

__all__ = ["Recorder"]


@dataclass
class Recorder:
    """Writes warm-ups and blocks to the journal."""

    preset: Preset
    log: Journal
    clock: Clock
    report: Callable[[str, float], None]  # a step, and the seconds that are left of it
    cell_seconds: float  # expected, for one number of threads at one length

    def warmed_up(
        self, label: str, threads: int, length: int, done: WarmUp, source: Source = "ids"
    ) -> None:
        """Write a warm-up."""
        event = WarmedUp(
            contender=label,
            threads=threads,
            sequence_length=length,
            runs=done.runs,
            stable=done.stable,
            source=source,
        )
        self.log.add(event)

    def measure(
        self,
        threads: int,
        length: int,
        runs: Mapping[str, Run],
        typical_s: Mapping[str, float],
        source: Source = "ids",
    ) -> None:
        """Measure the blocks of a number of threads and a length, and write each.

        Args:
            threads: The number of threads.
            length: In tokens.
            runs: What is timed, by contender.
            typical_s: How long a run takes, from the warm-up.
            source: What the runs begin with.

        Raises:
            BenchmarkError: a run failed, or the journal cannot be written.
        """
        block_seconds = planned_seconds(self.preset, typical_s)
        self.cell_seconds = block_seconds * self.preset.blocks
        cell = cell_text(threads, length) + (", from text" if source == "text" else "")
        self.report(cell, self.cell_seconds)
        try:
            for index, block in enumerate(
                measure_blocks(runs, self.preset, typical_s, self.clock), start=1
            ):
                samples = {
                    label: tuple(round(ms, 4) for ms in times) for label, times in block.items()
                }
                event = BlockMeasured(
                    threads=threads, sequence_length=length, samples=samples, source=source
                )
                self.log.add(event)
                self.report(cell, max(0, self.preset.blocks - index) * block_seconds)
        except BenchmarkError:
            raise  # of the journal
        except Exception as error:  # after a successful warm-up: out of memory, for instance
            raise BenchmarkError(
                f"the measurement failed at {cell}: {first_line(error)}"
            ) from error
