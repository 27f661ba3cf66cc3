"""The record of a profile: where the time of a run goes, by operator and by layer."""

from typing import Annotated

from pydantic import Field

from squeezebert_mobile.artifact.schema import Count, Record

__all__ = ["Profile", "RunRecord", "Share"]

_Amount = Annotated[float, Field(ge=0, le=1e9)]  # so that sums are finite


class Share(Record):
    """The part of a run that goes to one operator, or to one layer of the model."""

    name: str
    calls: _Amount  # in a run
    ms: _Amount  # in a run


_Microseconds = Annotated[int, Field(ge=0, lt=2**53)]


class RunRecord(Record):
    """A profiled run in a journal, for the trace; times in µs since the session began."""

    begin: _Microseconds
    duration: _Microseconds
    operators: tuple[tuple[str, str, _Microseconds, _Microseconds], ...]  # node, type, begin, µs


class Profile(Record):
    """A profiled block of one contender, measured after all timed blocks.

    All times are means over the faster half of the profiled runs, so that they add up. A profiler
    takes time itself: the latencies of a run are those of the timed blocks.
    """

    contender: str
    threads: Count
    sequence_length: Count
    runs: Count  # all that were profiled
    run_ms: _Amount  # a profiled run, as the runtime measures it
    operators: tuple[Share, ...]  # by type of operator, largest first
    layers: tuple[Share, ...]  # by layer of the model, in its order; none: the profiler names none
    delegated_ms: _Amount | None = None  # that delegates take; None: the runtime has no delegates

    @property
    def operators_ms(self) -> float:
        """The sum over all operators."""
        return sum(share.ms for share in self.operators)
