"""The events of a run on a phone that does not exist."""

from collections.abc import Iterator

from phone_results import PHONE, phone_results

from squeezebert_mobile.benchmarks.measure.schedule import block_order
from squeezebert_mobile.benchmarks.records.events import Begin, VisitMeasured, WarmedUp

__all__ = ["CELL", "LABELS", "RESULTS", "begin", "visits", "warm_ups"]

RESULTS = phone_results()
LABELS = [each.label for each in RESULTS.contenders]
CELL = (1, 128)


def begin() -> Begin:
    return Begin(
        created="2026-11-23T08:00:00+00:00",
        settings=RESULTS.settings,
        machine=None,
        load_before=None,
        contenders=RESULTS.contenders,
        phone=PHONE,
    )


def visits(blocks: int = 2, *, ms: float = 10.0, runs: int = 1) -> Iterator[VisitMeasured]:
    for index in range(blocks):
        for place, label in enumerate(block_order(LABELS, index)):
            yield VisitMeasured(
                threads=1,
                sequence_length=128,
                block=index,
                place=place,
                contender=label,
                samples=(ms,) * runs,
            )


def warm_ups(typical_ms: float = 10.0) -> list[WarmedUp]:
    return [
        WarmedUp(
            contender=label,
            threads=1,
            sequence_length=128,
            runs=8,
            stable=True,
            typical_ms=typical_ms,
        )
        for label in LABELS
    ]
