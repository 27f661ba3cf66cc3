"""Results assembled from the events of a run.

Any list of events that has a beginning will do, so an interrupted run is read like a finished one.
"""

from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from itertools import product

from squeezebert_mobile.benchmarks.records import statistics as stats
from squeezebert_mobile.benchmarks.records.energy import (
    Energy,
    EnergyBlock,
    charge_step,
    energy_of,
)
from squeezebert_mobile.benchmarks.records.events import (
    Answered,
    Begin,
    BlockMeasured,
    Conditioned,
    End,
    EnergyMeasured,
    Event,
    Failed,
    FirstAnswered,
    NoEnergy,
    NotProfiled,
    PhoneStarted,
    Probed,
    Profiled,
    Source,
    Started,
    VisitMeasured,
    WarmedUp,
)
from squeezebert_mobile.benchmarks.records.phone import PhoneStart
from squeezebert_mobile.benchmarks.records.results import (
    SCHEMA_VERSION,
    ContenderFacts,
    Flag,
    Measurement,
    Ratio,
    Results,
    Start,
    fp32_baseline,
    headline_baseline,
)

__all__ = ["assemble", "ratio_to_baseline"]

#: Within a cell the probe, which is always the same arithmetic, may take this share longer.
_CLOCK_CHANGE = 0.10


def assemble(events: Sequence[Event]) -> Results:
    """The results of a run, or of as much of it as there is."""
    begin = events[0]
    assert isinstance(begin, Begin)
    with_blocks = [*events, *_whole_blocks(begin, events)]
    measurements = tuple(_measurements(begin, with_blocks, "ids"))
    end = events[-1] if isinstance(events[-1], End) else None
    return Results(
        schema_version=SCHEMA_VERSION,
        target=begin.measured_on,
        created=begin.created,
        complete=end is not None,
        settings=begin.settings,
        machine=begin.machine,
        load_before=begin.load_before,
        load_after=end.load_after if end else None,
        contenders=begin.contenders,
        starts=_starts(events),
        measurements=measurements,
        ratios=tuple(_ratios(begin.contenders, measurements)),
        failures=tuple(event.failure for event in events if isinstance(event, Failed)),
        phone=begin.phone,
        answers={event.contender: event.answers for event in events if isinstance(event, Answered)},
        phone_starts=_phone_starts(events),
        conditions=tuple(event.conditions for event in events if isinstance(event, Conditioned)),
        probes=tuple(event.probe for event in events if isinstance(event, Probed)),
        profiles=tuple(event.profile for event in events if isinstance(event, Profiled)),
        not_profiled=tuple(each.failure for each in events if isinstance(each, NotProfiled)),
        from_text=tuple(_measurements(begin, with_blocks, "text")),
        first_answers=_first_answers(events),
        energy=tuple(_energy(begin, events)),
        no_energy=tuple(event.failure for event in events if isinstance(event, NoEnergy)),
    )


def _starts(events: Sequence[Event]) -> dict[str, tuple[Start, ...]]:
    starts: dict[str, tuple[Start, ...]] = {}
    for event in events:
        if isinstance(event, Started):
            starts[event.contender] = (*starts.get(event.contender, ()), event.start)
    return starts


def _first_answers(events: Sequence[Event]) -> dict[str, tuple[float, ...]]:
    answers: dict[str, tuple[float, ...]] = {}
    for event in events:
        if isinstance(event, FirstAnswered):
            answers[event.contender] = (*answers.get(event.contender, ()), event.ms)
    return answers


def _phone_starts(events: Sequence[Event]) -> dict[str, tuple[PhoneStart, ...]]:
    starts: dict[str, tuple[PhoneStart, ...]] = {}
    for event in events:
        if isinstance(event, PhoneStarted):
            starts[event.contender] = (*starts.get(event.contender, ()), event.start)
    return starts


def _energy(begin: Begin, events: Sequence[Event]) -> Iterator[Energy]:
    plan = begin.settings.energy
    if plan is None:
        return
    measured: dict[tuple[int, int, str], dict[int, EnergyBlock]] = defaultdict(dict)
    for event in events:
        if isinstance(event, EnergyMeasured):
            key = event.threads, event.sequence_length, event.contender
            measured[key][event.index] = event.block
    step = charge_step([block for blocks in measured.values() for block in blocks.values()])
    settings = begin.settings
    for threads, length, facts in product(
        settings.threads, settings.sequence_lengths, begin.contenders
    ):
        if blocks := measured.get((threads, length, facts.label)):
            yield energy_of(
                facts.label,
                (threads, length),
                [blocks[index] for index in sorted(blocks)],
                source=plan.source,
                charge_step_uah=step,
            )


def _whole_blocks(begin: Begin, events: Sequence[Event]) -> Iterator[BlockMeasured]:
    """The blocks in which both visits of every contender were measured."""
    blocks: dict[tuple[int, int, Source, int], dict[int, VisitMeasured]] = defaultdict(dict)
    for event in events:
        if isinstance(event, VisitMeasured):
            key = event.threads, event.sequence_length, event.source, event.block
            blocks[key][event.place] = event
    for (threads, length, source, _), visits in sorted(blocks.items()):
        measured = _measured(begin, events, source)
        counts = Counter(visit.contender for visit in visits.values())
        if measured and all(counts[label] == 2 for label in measured):
            samples: dict[str, tuple[float, ...]] = {label: () for label in sorted(measured)}
            for _, visit in sorted(visits.items()):
                if visit.contender in measured:
                    samples[visit.contender] += visit.samples
            yield BlockMeasured(
                threads=threads, sequence_length=length, samples=samples, source=source
            )


def _measured(begin: Begin, events: Sequence[Event], source: Source) -> set[str]:
    """The contenders that are measured to the end; only artifacts can answer texts."""
    failed = {
        event.failure.contender
        for event in events
        if isinstance(event, Failed) and (source == "text" or event.failure.stage != "text")
    }
    return {
        facts.label
        for facts in begin.contenders
        if facts.label not in failed and (source == "ids" or facts.origin == "artifact")
    }


def _measurements(begin: Begin, events: Sequence[Event], source: Source) -> Iterator[Measurement]:
    for threads, length in product(begin.settings.threads, begin.settings.sequence_lengths):
        here = [
            event
            for event in events
            if isinstance(event, WarmedUp | BlockMeasured)
            and (event.threads, event.sequence_length, event.source) == (threads, length, source)
        ]
        warm_ups = {event.contender: event for event in here if isinstance(event, WarmedUp)}
        flags = tuple(_phone_flags(events, threads, length, source))
        fallen_back = _fallen_back(events)
        samples = [event.samples for event in here if isinstance(event, BlockMeasured)]
        for label, warm_up in warm_ups.items():
            if blocks := tuple(block[label] for block in samples if label in block):
                own: tuple[Flag, ...] = ("CPU fallback",) if label in fallen_back else ()
                yield _measurement(warm_up, blocks, (*flags, *own))


def _phone_flags(
    events: Sequence[Event], threads: int, length: int, source: Source
) -> Iterator[Flag]:
    """Reasons to doubt all figures of a cell: the phone's state changed meanwhile."""
    here = [
        event
        for event in events
        if isinstance(event, Conditioned | Probed)
        and (event.threads, event.sequence_length, event.source) == (threads, length, source)
    ]
    conditions = [event.conditions for event in here if isinstance(event, Conditioned)]
    probes = [event.probe.median_ms for event in here if isinstance(event, Probed)]
    if any(reading.thermal_status for reading in conditions):
        yield "throttled"
    if probes and max(probes) > (1 + _CLOCK_CHANGE) * min(probes):
        yield "clock changed"
    if len({reading.plugged for reading in conditions}) > 1:
        yield "conditions changed"


def _fallen_back(events: Sequence[Event]) -> set[str]:
    """The contenders of which the CPU ran what an accelerator was asked to run."""
    placements = {e.contender: e.answers.placement for e in events if isinstance(e, Answered)}
    return {label for label, placement in placements.items() if placement and not placement.whole}


def _measurement(
    warm_up: WarmedUp, blocks: tuple[tuple[float, ...], ...], flags: tuple[Flag, ...]
) -> Measurement:
    return Measurement(
        contender=warm_up.contender,
        threads=warm_up.threads,
        sequence_length=warm_up.sequence_length,
        warm_up_runs=warm_up.runs,
        warm_up_stable=warm_up.stable,
        latency=stats.latency(blocks),
        drift=stats.drift(blocks),
        flags=(*stats.latency_flags(blocks), *flags),
        blocks=blocks,
    )


def _ratios(
    contenders: Sequence[ContenderFacts], measurements: Sequence[Measurement]
) -> Iterator[Ratio]:
    by_label = {facts.label: facts for facts in contenders}
    for measurement in measurements:
        own = by_label[measurement.contender]
        baselines = [fp32_baseline(own, contenders)]
        if own.role == "contender":
            baselines.insert(0, headline_baseline(own, contenders))
        labels = dict.fromkeys(other.label for other in baselines if other and other != own)
        for label in labels:
            if ratio := ratio_to_baseline(measurements, measurement, baseline=label):
                yield ratio


def ratio_to_baseline(
    measurements: Sequence[Measurement], measurement: Measurement, *, baseline: str
) -> Ratio | None:
    """How many times faster `measurement` is than `baseline`; None if that was not measured."""
    key = (baseline, measurement.threads, measurement.sequence_length)
    for other in measurements:
        if (other.contender, other.threads, other.sequence_length) == key:
            found = stats.speedup(slower=other.blocks, faster=measurement.blocks)
            if "CPU fallback" in (*measurement.flags, *other.flags):
                found = found.model_copy(update={"flags": (*found.flags, "CPU fallback")})
            return Ratio(
                contender=measurement.contender,
                baseline=baseline,
                threads=measurement.threads,
                sequence_length=measurement.sequence_length,
                times_faster=found,
            )
    return None
