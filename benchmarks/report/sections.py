"""The parts of a report on one results file, and of one on several side by side."""

import statistics
from collections.abc import Callable, Iterator, Sequence
from functools import partial

from squeezebert_mobile.benchmarks.records.phone import Conditions, PhoneStart
from squeezebert_mobile.benchmarks.records.results import ContenderFacts, Measurement, Results
from squeezebert_mobile.benchmarks.report import figures
from squeezebert_mobile.benchmarks.report.comparing import (
    Named,
    check_comparable,
    differences,
    shared_cells,
)
from squeezebert_mobile.benchmarks.report.parts import (
    Block,
    Listing,
    Page,
    Picture,
    Section,
    Table,
)
from squeezebert_mobile.benchmarks.report.terminal import (
    START_COLUMNS,
    figure,
    start_cells,
    start_note,
    threads_text,
)
from squeezebert_mobile.benchmarks.report.wording import (
    FLAGS,
    Cell,
    answers_text,
    banners,
    between,
    cell_text,
    headlines,
    is_stand_in,
    main_cell,
    measured_cells,
    random_weights,
    subline,
)

__all__ = ["make_page"]

_MIB = 1 << 20
_THERMAL = ("none", "light", "moderate", "severe", "critical", "emergency", "shutdown")
_MORE_HEADLINES = 3
_ALL_WORDS = frozenset({0, 1})
_MEASURED_BY = {
    "host": None,
    "adb": "a process of adb's shell, which Android schedules otherwise than an app",
    "app": "the sample app: figures in an app's scheduling context, not the shell's",
}

#: Of arXiv 2006.11316 (2020), measured by its authors.
_PAPER_BERT_S, _PAPER_RATIO = 1.7, 4.3


def make_page(results: Sequence[Named]) -> Page:
    """The report on one or several results files.

    Raises:
        BenchmarkError: they may not stand side by side.
    """
    if len(results) == 1:
        ((name, only),) = results
        first, *others = headlines(only)
        if len(others) > _MORE_HEADLINES:
            others = [*others[:_MORE_HEADLINES], "More models are in the table"]
        return Page(
            title=first,
            lead=(subline(only), *(f"{each}." for each in others), *random_weights(only)),
            banners=tuple(banners(only, name)),
            sections=tuple(_sections(only, level=2)),
        )
    check_comparable(results)
    sections = [_side_by_side(results)]
    for name, each in results:
        told = headlines(each)[: 1 + _MORE_HEADLINES]
        lead = (*(f"{text}." for text in told), subline(each), *random_weights(each))
        sections += [Section(2, _column(name, each), lead), *_sections(each, level=3)]
    return Page(
        title=_title(results),
        lead=tuple(f"{name}: {headlines(each)[0]}." for name, each in results),
        banners=tuple(text for name, each in results for text in banners(each, name)),
        sections=tuple(sections),
    )


# Side by side -------------------------------------------------------------------------------


def _column(name: str, results: Results) -> str:
    if is_stand_in(results):
        return f"{name} (stand-in)"
    return f"{name} ({results.phone.model})" if results.phone else name


def _title(results: Sequence[Named]) -> str:
    """The first model that all have, in all files."""
    cells = sorted(
        shared_cells(results),
        key=lambda cell: (cell.threads, cell.sequence_length) != main_cell(results[0][1]),
    )
    cell = next((each for each in cells if None not in each.medians), cells[0])
    took = [
        f"{figure(median)} ms in {_column(name, each)}"
        for median, (name, each) in zip(cell.medians, results, strict=True)
        if median is not None
    ]
    return f"{cell.contender}: {', '.join(took)}"


def _side_by_side(results: Sequence[Named]) -> Section:
    first = results[0][0]
    header = ["model", "threads", "tokens", *(f"{_column(*each)}, ms" for each in results)]
    header += [f"change in {name}" for name, _ in results[1:]]
    rows = []
    for cell in shared_cells(results):
        medians = [figure(each) if each is not None else "" for each in cell.medians]
        changes = [_change(each) for each in cell.changes]
        rows.append(
            (cell.contender, str(cell.threads), str(cell.sequence_length), *medians, *changes)
        )
    table = Table("Medians of what the files have in common", tuple(header), tuple(rows))
    explained = (
        f"Change: the median divided by that in {first!r}; below 1 is faster. It has no interval: "
        "the files are of separate runs, and nothing measured says what else differed between them."
    )
    return Section(2, "Side by side", (table, explained, *_listing(differences(results))))


def _change(ratio: float | None) -> str:
    return f"{figure(ratio)} ({100 * (ratio - 1):+.1f} %)" if ratio is not None else ""


def _listing(items: Sequence[str]) -> tuple[Listing, ...]:
    return (Listing(tuple(items)),) if items else ()


# One results file ---------------------------------------------------------------------------


def _sections(results: Results, *, level: int) -> Iterator[Section]:
    contents: dict[str, Callable[[Results], Iterator[Block]]] = {
        "Latency": _latency,
        "Beside the paper": _paper,
        "Start and memory": _starts,
        "Answers": _answers,
        "How the latencies are distributed": _distributions,
        "Temperature and clock": _course,
        "What failed": _failures,
        "The stand-in" if is_stand_in(results) else "The phone": _phone,
        "The machine": _machine,
        "Settings": _settings,
        "Models": _models,
        "Versions": _versions,
    }
    for title, content in contents.items():
        if blocks := tuple(content(results)):
            yield Section(level, title, blocks)


def _latency(results: Results) -> Iterator[Block]:
    for cell in measured_cells(results):
        here = _measured(results, cell)
        done = len(here[0].blocks)
        asked = results.settings.blocks
        some = f" ({done} of {asked} blocks)" if done < asked else ""
        caption = f"Latency in ms, {cell_text(cell)}{some}{_whose(results)}"
        yield _latency_table(results, cell, caption)
    raised = {flag for each in results.measurements for flag in each.flags}
    raised |= {flag for each in results.ratios for flag in each.times_faster.flags}
    yield from _listing(
        [f"Flag {flag!r}: {meaning}." for flag, meaning in FLAGS.items() if flag in raised]
    )
    if results.measurements:
        yield (
            "Each figure is over all recorded runs. Trimmed mean: without the slowest and the "
            "fastest tenth. Stability: 0 to 100, how little the runs differ; 90 is excellent, 80 "
            "good, 60 moderate."
        )
    if results.ratios:
        yield (
            "As fast as: the baseline's median divided by the model's, from the same blocks, with "
            "its 95 % interval (bootstrap over ABBA blocks)."
        )


def _whose(results: Results) -> str:
    """Goes with every table and figure of latencies, which may be cut out and passed on."""
    return " (stand-in, not a phone)" if is_stand_in(results) else ""


def _measured(results: Results, cell: Cell) -> list[Measurement]:
    return [each for each in results.measurements if (each.threads, each.sequence_length) == cell]


def _latency_table(results: Results, cell: Cell, caption: str) -> Table:
    ratios = {
        (each.contender, each.baseline): each.times_faster
        for each in results.ratios
        if (each.threads, each.sequence_length) == cell
    }
    baselines = list(dict.fromkeys(baseline for _, baseline in ratios))
    figures_of = ("median", "P90", "P99", "min", "mean", "trimmed mean", "stability")
    header = ("model", *figures_of, *(f"times as fast as {each}" for each in baselines), "flags")
    rows = []
    for each in _measured(results, cell):
        took = each.latency
        milliseconds = (
            took.median_ms,
            took.p90_ms,
            took.p99_ms,
            took.min_ms,
            took.mean_ms,
            took.trimmed_mean_ms,
        )
        flags: list[str] = list(each.flags)
        times = []
        for baseline in baselines:
            found = ratios.get((each.contender, baseline))
            sure = f" ({between(found)})" if found and between(found) else ""
            own = "baseline" if baseline == each.contender else ""
            times.append(f"{figure(found.ratio)}{sure}" if found else own)
            extra = [flag for flag in found.flags if flag not in each.flags] if found else []
            flags += [f"{flag} (times {baseline})" for flag in extra]
        rows.append(
            (
                each.contender,
                *map(figure, milliseconds),
                f"{took.stability:.0f}",
                *times,
                ", ".join(flags) or "none",
            )
        )
    return Table(caption, header, tuple(rows), frozenset({0, len(header) - 1}))


def _paper(results: Results) -> Iterator[Block]:
    if results.phone is None or is_stand_in(results):
        return
    cell = main_cell(results)
    medians = {each.contender: each.latency.median_ms for each in _measured(results, cell)}
    rows = [
        (
            f"measured here: {each.contender}, {each.baseline}",
            results.phone.model,
            f"{figure(medians[each.baseline] / 1000)} s" if each.baseline in medians else "",
            figure(each.times_faster.ratio),
        )
        for each in results.ratios
        if (each.threads, each.sequence_length) == cell and _is_contender(results, each.contender)
    ]
    if rows:
        paper = (
            "from the paper, not measured here: SqueezeBERT, BERT-base "
            "(PyTorch Mobile, fp32, 2020)",
            "Pixel 3",
            f"{_PAPER_BERT_S} s",
            str(_PAPER_RATIO),
        )
        header = ("the two models", "phone", "second takes", "first is times as fast")
        yield Table(
            f"The paper's figures, and those of {cell_text(cell)}",
            header,
            (paper, *rows),
            _ALL_WORDS,
        )
        yield (
            "The paper: SqueezeBERT, arXiv 2006.11316. Its phone, its runtime and its texts were "
            "others, so its figures say what was found then, not what this phone should reach."
        )


def _is_contender(results: Results, label: str) -> bool:
    return any(each.label == label and each.role == "contender" for each in results.contenders)


# Start and memory ---------------------------------------------------------------------------


def _starts(results: Results) -> Iterator[Block]:
    rows = [
        (facts.label, *start_cells(results.starts[facts.label], facts))
        for facts in results.contenders
        if results.starts.get(facts.label)
    ]
    if rows:
        header = ("model", *(_unit(name) for name in START_COLUMNS))
        yield Table("Start, memory and size", header, tuple(rows))
        yield from start_note(results)
    on_phone = [
        (facts.label, *_phone_start_cells(results.phone_starts[facts.label], facts))
        for facts in results.contenders
        if results.phone_starts.get(facts.label)
    ]
    if on_phone:
        columns = (
            "first load, ms",
            "first run, ms",
            "load again, ms",
            "first run again, ms",
            "resident, MiB",
            "peak, MiB",
            "file, MB",
        )
        caption = f"Start, memory and size{_whose(results)}"
        yield Table(caption, ("model", *columns), tuple(on_phone))
        settings = results.settings
        yield (
            "Each start is a fresh process that loads the runtime library and the model. First: "
            "the first of this model, whose file may not be in memory yet. Again: the median of "
            "those after it. Memory: medians of the whole process, once the model has run and at "
            f"its highest. {threads_text(settings.start_threads).capitalize()}, "
            f"{settings.start_sequence_length} tokens."
        )


def _unit(column: str) -> str:
    """load, ms: of a column of the terminal's table, which has two lines."""
    return column.replace("\n", ", ")


def _phone_start_cells(starts: Sequence[PhoneStart], facts: ContenderFacts) -> list[str]:
    first = [each for each in starts if each.first]
    again = [each for each in starts if not each.first]
    return [
        _median([each.load_ms for each in first]),
        _median([each.first_run_ms for each in first]),
        _median([each.load_ms for each in again]),
        _median([each.first_run_ms for each in again]),
        _median([None if e.resident_bytes is None else e.resident_bytes / _MIB for e in starts]),
        _median([None if e.peak_bytes is None else e.peak_bytes / _MIB for e in starts]),
        figure(facts.file_bytes / 1e6),
    ]


def _median(values: Sequence[float | None]) -> str:
    there = [value for value in values if value is not None]
    return figure(statistics.median(there)) if there else ""


# Answers, distributions, the course of the run ----------------------------------------------


def _answers(results: Results) -> Iterator[Block]:
    yield from _listing([answers_text(results, label) for label in results.answers])


def _distributions(results: Results) -> Iterator[Block]:
    for cell in measured_cells(results):
        here = [each for each in _measured(results, cell) if figures.has_samples(each)]
        if not here:
            continue
        told = "; ".join(
            f"{each.contender}: median {figure(each.latency.median_ms)} ms, "
            f"P99 {figure(each.latency.p99_ms)} ms"
            for each in here
        )
        yield Picture(
            alt=f"Distribution of latencies at {cell_text(cell)}{_whose(results)}. {told}.",
            caption=(
                f"{cell_text(cell)}{_whose(results)}: where the runs of each model lie around "
                "its own median. Thick line: the median; thin line: P90. The slowest and the "
                "fastest hundredth are not drawn."
            ),
            draw=partial(figures.distributions, here),
        )


def _course(results: Results) -> Iterator[Block]:
    if rows := [
        (name, *cells)
        for name, cells in {
            "temperature of the hottest sensor, °C": _range(results.conditions, _hottest),
            "temperature of the battery, °C": _range(
                results.conditions, lambda each: each.battery_celsius
            ),
            "highest clock of a core, GHz": _range(
                results.conditions,
                lambda each: max(each.cpu_khz.values()) / 1e6 if each.cpu_khz else None,
            ),
            "battery, %": _range(results.conditions, lambda each: each.battery_percent),
            "fixed arithmetic between blocks, ms": _spread([p.median_ms for p in results.probes]),
        }.items()
        if cells
    ]:
        yield Table("Over the run", ("", "at first", "lowest", "highest", "at last"), tuple(rows))
    if told := list(_told(results)):
        yield Listing(tuple(told))
    if figures.panels(results) and max(len(results.conditions), len(results.probes)) > 1:
        shown = figures.shown_sensors(results)
        count = len({name for each in results.conditions for name in each.celsius})
        some = f" The {len(shown)} hottest of {count} sensors." if count > len(shown) else ""
        yield Picture(
            alt="Temperature, thermal status, clock and fixed arithmetic over time; "
            "the table above has their ranges.",
            caption=f"Over time; a grey line where a block began.{some}",
            draw=partial(figures.course, results),
        )


def _hottest(conditions: Conditions) -> float | None:
    return max(conditions.celsius.values(), default=None)


def _range(
    conditions: Sequence[Conditions], of: Callable[[Conditions], float | None]
) -> tuple[str, ...]:
    return _spread([value for each in conditions if (value := of(each)) is not None])


def _spread(values: Sequence[float]) -> tuple[str, ...]:
    if not values:
        return ()
    return tuple(map(figure, (values[0], min(values), max(values), values[-1])))


def _told(results: Results) -> Iterator[str]:
    statuses = [c.thermal_status for c in results.conditions if c.thermal_status is not None]
    if statuses:
        worst = max(statuses)
        name = _THERMAL[worst] if 0 <= worst < len(_THERMAL) else str(worst)
        yield f"Thermal status: {name} at worst."
    if plugs := list(dict.fromkeys(c.plugged for c in results.conditions if c.plugged)):
        yield f"Power: {', then '.join(plugs)}."
    loads = [each.load_average for each in results.conditions if each.load_average is not None]
    if loads:
        yield f"Load average over a minute: {loads[0]:.2f} at first, {loads[-1]:.2f} at last."


def _failures(results: Results) -> Iterator[Block]:
    yield from _listing(
        [f"{each.contender} failed ({each.stage}): {each.error}" for each in results.failures]
    )


# Facts --------------------------------------------------------------------------------------


def _facts(caption: str, facts: dict[str, object]) -> Iterator[Block]:
    rows = tuple((name, str(value)) for name, value in facts.items() if value not in (None, ""))
    if rows:
        yield Table(caption, ("", ""), rows, _ALL_WORDS)


def _phone(results: Results) -> Iterator[Block]:
    phone = results.phone
    if phone is None:
        return
    named: dict[str, object] = {
        "model": phone.model,
        "manufacturer": phone.manufacturer,
        "processor": phone.soc,
        "build": phone.build,
        "security patch": phone.security_patch,
    }
    facts: dict[str, object] = {
        # What a stand-in calls itself is the name of a phone that nobody measured.
        **({} if phone.stand_in else named),
        "serial": phone.serial,
        "connection": phone.connection,
        "Android": phone.android and f"{phone.android} (SDK {phone.sdk or 'unknown'})",
        "ABI": phone.abi,
        "memory": _gib(phone.memory_bytes),
    }
    for each in phone.clusters:
        cores = f"core{'s' * (len(each.cores) > 1)} {', '.join(map(str, each.cores))}"
        clock = f"up to {figure(each.max_khz / 1e6)} GHz" if each.max_khz else "clock unknown"
        facts[cores] = f"{clock}, governor {each.governor or 'unknown'}"
    yield from _facts("What it says of itself", facts)


def _machine(results: Results) -> Iterator[Block]:
    machine = results.machine
    if machine is None:
        return
    of = f" of {machine.logical_cores}" if machine.usable_cores != machine.logical_cores else ""
    before, after = results.load_before, results.load_after
    facts: dict[str, object] = {
        "processor": machine.cpu,
        "architecture": machine.architecture,
        "cores": f"{machine.usable_cores}{of}",
        "quota": machine.cpu_quota and f"{machine.cpu_quota:g} cores",
        "features": " ".join(machine.features),
        "memory": _gib(machine.memory_bytes),
        "governor": machine.governor,
        "virtual machine": {True: "yes", False: "no", None: None}[machine.virtual],
        "system": machine.os,
        "load average before": before and f"{before[0]:.2f}",
        "load average after": after and f"{after[0]:.2f}",
    }
    yield from _facts("What it is", facts)


def _gib(size: int | None) -> str | None:
    return f"{size / (1 << 30):.1f} GiB" if size else None


def _settings(results: Results) -> Iterator[Block]:
    settings = results.settings
    facts: dict[str, object] = {
        "measured": results.created,
        "measured by": _MEASURED_BY[results.target],
        "preset": settings.preset,
        "runs of each model, at least": settings.runs,
        "seconds of each model, at least": f"{settings.seconds:g}",
        "blocks, at least": settings.blocks,
        "fresh starts": settings.starts,
        "threads": ", ".join(map(str, settings.threads)),
        "lengths in tokens": ", ".join(map(str, settings.sequence_lengths)),
        "threads of a fresh start": settings.start_threads,
        "tokens of a fresh start": settings.start_sequence_length,
        "batch": settings.batch,
        "choices": settings.choices,
        "unrecorded runs before each visit": settings.lead_in_runs,
        "seed of the inputs": settings.input_seed,
        "ids of the inputs lie below": settings.input_vocab_size,
        "cores": settings.cores if results.phone else None,
    }
    yield from _facts("How it was measured", facts)


def _models(results: Results) -> Iterator[Block]:
    header = ("model", "role", "format", "precision", "task", "weights", "length", "MB", "SHA-256")
    rows = tuple(
        (
            each.label,
            each.role,
            each.format,
            each.precision,
            each.task or "",
            each.weights,
            str(each.sequence_length or "any"),
            figure(each.file_bytes / 1e6),
            each.sha256,
        )
        for each in results.contenders
    )
    yield Table("What was measured", header, rows, frozenset({0, 1, 2, 3, 4, 5, 8}))


def _versions(results: Results) -> Iterator[Block]:
    facts: dict[str, object] = {}
    if results.machine:
        facts |= {"Python": results.machine.python, **results.machine.versions}
    if results.phone:
        facts |= {f"{name}, SHA-256": each for name, each in results.phone.libraries.items()}
        runner = "the app's APK" if results.target == "app" else "runner"
        facts[f"{runner}, SHA-256"] = results.phone.runner_sha256
    yield from _facts("What it was measured with", facts)
