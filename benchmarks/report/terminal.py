"""Results as text: 80 columns on a terminal, the same without colours in a pipe."""

import statistics
from collections.abc import Callable, Iterator, Sequence
from itertools import product

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from squeezebert_mobile.benchmarks.records.results import (
    ContenderFacts,
    Flag,
    Interval,
    Machine,
    Measurement,
    Ratio,
    Results,
    Start,
    fp32_baseline,
    headline_baseline,
)
from squeezebert_mobile.benchmarks.report.phone_text import phone_notes
from squeezebert_mobile.benchmarks.report.phone_text import start_cells as phone_start_cells

__all__ = [
    "DOUBT",
    "START_COLUMNS",
    "figure",
    "machine_notes",
    "plain_table",
    "print_table",
    "start_cells",
    "start_note",
    "threads_text",
    "times_faster",
]

_MIB = 1 << 20
_LIBRARIES = {
    "onnx": "onnxruntime",
    "executorch": "executorch",
    "torchscript": "torch",
    "transformers": "transformers",
}
_REMEDY = "Quieten the machine, or measure for longer (--preset normal)."
#: Flags of a whole cell: the phone was not the same all the time.
_PHONE_FLAGS: dict[Flag, str] = {
    "throttled": "the phone throttled",
    "clock changed": "the same arithmetic took another time",
    "conditions changed": "the plug was put in or taken out",
}
DOUBT = "?"  # behind a figure that a note below speaks against
_PHONE_START_COLUMNS = (
    *("first\nload ms", "later\nloads ms", "first run\nms"),
    *("resident\nMiB", "peak\nMiB", "file\nMB"),
)
START_COLUMNS = ("load\nms", "first run\nms", "resident\nMiB", "peak\nMiB", "file\nMB")


def print_table(results: Results, console: Console | None = None) -> None:
    """Print latencies, ratios, start-up and memory, and what has to be known to read them."""
    console = console or Console()
    if not results.complete:
        console.print(Text("INCOMPLETE: interrupted; this is what there was.", style="bold red"))
    for threads, length in product(results.settings.threads, results.settings.sequence_lengths):
        here = [
            each
            for each in results.measurements
            if (each.threads, each.sequence_length) == (threads, length)
        ]
        if here:
            console.print(_latency_table(results, here), "")
    if any(results.starts.values()):
        console.print(_start_table(results), "")
    if results.phone_starts:
        console.print(_phone_start_table(results), "")
    for failure in results.failures:
        text = Text(f"{failure.contender} failed ({failure.stage}): {failure.error}", style="red")
        console.print(text)
    for note in _notes(results):
        console.print(Text(note, style="dim"))


def figure(value: float) -> str:
    """Three significant digits (two below 1), or no decimals from 1000 on."""
    if abs(value) >= 999.5:
        return f"{value:.0f}"
    return (f"{value:#.2g}" if abs(value) < 1 else f"{value:#.3g}").rstrip(".")


def times_faster(interval: Interval) -> Text:
    """A ratio with its interval below it."""
    doubt = DOUBT if interval.flags else ""
    text = Text(f"{figure(interval.ratio)}x{doubt}", style="bold")
    if interval.low is not None and interval.high is not None:
        text.append(f"\n{figure(interval.low)}-{figure(interval.high)}", style="not bold dim")
    return text


# Latency ------------------------------------------------------------------------------------


def _latency_table(results: Results, here: Sequence[Measurement]) -> Table:
    settings = results.settings
    threads, length = here[0].threads, here[0].sequence_length
    title = f"Latency in ms, batch 1, {threads_text(threads)}, sequence length {length}"
    if len(here[0].blocks) < settings.blocks:
        title += f" ({len(here[0].blocks)} of {settings.blocks} blocks)"
    table = plain_table(title)
    for name in ("median", "P90", "P99", "min", "mean", "std"):
        table.add_column(name, justify="right", no_wrap=True)
    pairings = _pairings(results)
    for header in pairings:
        table.add_column(header, justify="right", no_wrap=True)
    ratios = {
        (each.contender, each.baseline): each.times_faster
        for each in results.ratios
        if (each.threads, each.sequence_length) == (threads, length)
    }
    for each in here:
        own = _facts(results, each.contender)
        baselines = [pairing(own, results.contenders) for pairing in pairings.values()]
        row = [_ratio_cell(own, other, ratios) for other in baselines]
        table.add_row(_model_cell(own, settings.choices), *_latency_cells(each), *row)
    return table


def _latency_cells(measurement: Measurement) -> list[Text]:
    took = measurement.latency
    doubt = DOUBT if {"drifting", *_PHONE_FLAGS} & {*measurement.flags} else ""
    rest = (took.p90_ms, took.p99_ms, took.min_ms, took.mean_ms, took.std_ms)
    return [Text(figure(took.median_ms) + doubt, style="bold"), *map(Text, map(figure, rest))]


Pairing = Callable[[ContenderFacts, Sequence[ContenderFacts]], ContenderFacts | None]


def _pairings(results: Results) -> dict[str, Pairing]:
    """The ratio columns: what each contender is compared with."""
    contenders = [each for each in results.contenders if each.role == "contender"]
    pairs = [(each, headline_baseline(each, results.contenders)) for each in contenders]
    if not any(baseline for _, baseline in pairs):
        return {}
    same = all(baseline and baseline.precision == each.precision for each, baseline in pairs)
    columns: dict[str, Pairing] = {
        "vs same\nprecision" if same else "vs\nbaseline": headline_baseline
    }
    if any(baseline != fp32_baseline(each, results.contenders) for each, baseline in pairs):
        columns["vs\nfp32"] = fp32_baseline
    return columns


def _ratio_cell(
    own: ContenderFacts,
    baseline: ContenderFacts | None,
    ratios: dict[tuple[str, str], Interval],
) -> Text:
    if baseline is None:
        return Text("")
    if own == baseline:
        return Text("baseline", style="dim")
    found = ratios.get((own.label, baseline.label))
    return times_faster(found) if found else Text("")


def _model_cell(facts: ContenderFacts, choices: int | None) -> Text:
    detail = f"{facts.precision} {facts.format}"
    if facts.task == "multiple-choice":
        detail += f", {choices} choices"
    return Text.assemble(facts.label, (f"\n{detail}", "dim"))


# Start-up, memory, size ---------------------------------------------------------------------


def _start_table(results: Results) -> Table:
    table = plain_table("Start, memory and size")
    for name in START_COLUMNS:
        table.add_column(name, justify="right", no_wrap=True)
    for facts in results.contenders:
        if starts := results.starts.get(facts.label):
            cells = start_cells(starts, facts)
            table.add_row(_model_cell(facts, results.settings.choices), *cells)
    return table


def _phone_start_table(results: Results) -> Table:
    table = plain_table("Start, memory and size")
    for name in _PHONE_START_COLUMNS:
        table.add_column(name, justify="right", no_wrap=True)
    for facts in results.contenders:
        if starts := results.phone_starts.get(facts.label):
            cells = [*phone_start_cells(starts), facts.file_bytes / 1e6]
            shown = ["" if cell is None else figure(cell) for cell in cells]
            table.add_row(_model_cell(facts, results.settings.choices), *shown)
    return table


def start_cells(starts: Sequence[Start], facts: ContenderFacts) -> list[str]:
    """What START_COLUMNS name, of one contender."""
    return [
        figure(_median(starts, lambda start: start.load_ms)),
        figure(_median(starts, lambda start: start.first_run_ms)),
        figure(_median(starts, lambda start: start.model_bytes / _MIB)),
        _peak(starts),
        figure(facts.file_bytes / 1e6),
    ]


def _median(starts: Sequence[Start], of: Callable[[Start], float]) -> float:
    return statistics.median(of(start) for start in starts)


def _peak(starts: Sequence[Start]) -> str:
    peaks = [start.peak_bytes for start in starts if start.peak_bytes is not None]
    return figure(statistics.median(peaks) / _MIB) if peaks else ""


# Notes --------------------------------------------------------------------------------------


def _notes(results: Results) -> Iterator[str]:
    yield from _doubts(results)
    if results.ratios:
        yield (
            "NNx: times faster than the baseline (ratio of medians), its 95 % interval below "
            "(bootstrap over ABBA blocks)."
        )
    yield from _other_precisions(results)
    if random := [each.label for each in results.contenders if each.weights == "random"]:
        some = len(random) < len(results.contenders)
        who = f" ({', '.join(random)})" if some else ""
        yield f"Random weights{who}: latency is real, answers are not."
    yield from start_note(results)
    yield from machine_notes(results)
    if results.phone:
        yield from _answers_note(results)
        cores, conditions = results.settings.cores, results.conditions
        yield from phone_notes(results.phone, results.target, cores, conditions)


def _answers_note(results: Results) -> Iterator[str]:
    """That the phone computed what the artifacts say."""
    if results.answers:
        texts = sum(each.texts for each in results.answers.values())
        share = max(
            each.max_abs_diff[name] / tolerance
            for each in results.answers.values()
            for name, tolerance in each.tolerance.items()
        )
        yield (
            f"Answers: before anything was timed, {len(results.answers)} artifacts answered "
            f"{texts} golden texts rightly; the largest difference is {100 * share:.0f} % of what "
            "is allowed."
        )


def _doubts(results: Results) -> Iterator[str]:
    """Why figures have a question mark, in one note for each number of threads and length."""
    for threads, length in product(results.settings.threads, results.settings.sequence_lengths):
        measured = [
            each
            for each in results.measurements
            if (each.threads, each.sequence_length) == (threads, length)
        ]
        ratios = [
            each
            for each in results.ratios
            if (each.threads, each.sequence_length) == (threads, length)
        ]
        if reasons := [*_changes(measured), *_uncertainties(ratios)]:
            where = f"{threads_text(threads)}, length {length}"
            yield f"{DOUBT} {where}: {'; '.join(reasons)}. {_REMEDY}"


def _changes(measured: Sequence[Measurement]) -> Iterator[str]:
    drifts = [(each.contender, each.drift) for each in measured if "drifting" in each.flags]
    if named := [f"{label} ({100 * drift:+.0f} %)" for label, drift in drifts if drift]:
        yield f"latency changed on the way: {', '.join(named)}"
    raised = {flag for each in measured for flag in each.flags}
    yield from (text for flag, text in _PHONE_FLAGS.items() if flag in raised)


def _uncertainties(ratios: Sequence[Ratio]) -> Iterator[str]:
    raised: dict[Flag, str] = {
        "few blocks": "too few blocks for an interval",
        "wide": "interval wider than 10 % of the ratio",
        "drifting": "ratio changed by more than 5 % on the way",
    }
    for flag, text in raised.items():
        if count := sum(flag in each.times_faster.flags for each in ratios):
            yield f"{text} ({count} of {len(ratios)} ratios)"


def _other_precisions(results: Results) -> Iterator[str]:
    for each in results.contenders:
        baseline = headline_baseline(each, results.contenders)
        if each.role == "contender" and baseline and baseline.precision != each.precision:
            yield (
                f"{each.label} is {each.precision}, its baseline {baseline.label} is "
                f"{baseline.precision}."
            )


def start_note(results: Results) -> Iterator[str]:
    """How the figures of START_COLUMNS were taken, where there are any."""
    settings = results.settings
    formats: dict[str, list[Start]] = {}
    for facts in results.contenders:
        formats.setdefault(facts.format, []).extend(results.starts.get(facts.label, ()))
    libraries = [
        (name, figure(_median(starts, lambda start: start.after_import_bytes) / _MIB))
        for name, starts in formats.items()
        if starts
    ]
    if libraries:
        runs = next(start for starts in formats.values() for start in starts).runs
        processes = f"{settings.starts} fresh process{'es' * (settings.starts > 1)}"
        alone = len(libraries) == 1
        taken = ", ".join(size if alone else f"{name} {size}" for name, size in libraries)
        yield (
            f"Start: medians over {processes}, file in the system's cache, "
            f"{threads_text(settings.start_threads)}, length {settings.start_sequence_length}. "
            f"Resident: after {runs} runs, less what the process took with the library "
            f"imported ({taken} MiB). Peak: of the whole process."
        )


def machine_notes(results: Results) -> Iterator[str]:
    """What was measured on, and with."""
    machine = results.machine
    if machine is None:
        return  # a phone's are phone_notes
    parts = [
        f"{machine.cpu}, {_cores(machine)}",
        " ".join(machine.features),
        "virtual machine" if machine.virtual else "",
        f"governor {machine.governor}" if machine.governor else "",
        _load(results),
    ]
    yield f"Machine: {'; '.join(part for part in parts if part)}."
    used = {"squeezebert-mobile", *(_LIBRARIES.get(each.format) for each in results.contenders)}
    versions = [f"{name} {each}" for name, each in machine.versions.items() if name in used]
    yield f"Software: {', '.join([*versions, machine.os])}."


def _cores(machine: Machine) -> str:
    usable, logical = machine.usable_cores, machine.logical_cores
    text = f"{usable} cores" if usable == logical else f"{usable} of {logical} cores"
    return text + (f", {machine.cpu_quota:g} by quota" if machine.cpu_quota else "")


def _load(results: Results) -> str:
    if results.load_before is None:
        return ""
    after = f", {results.load_after[0]:.2f} after" if results.load_after else ""
    return f"load average {results.load_before[0]:.2f} before{after}"


# Shared -------------------------------------------------------------------------------------


def plain_table(title: str, *, first: str = "model") -> Table:
    """A table for 80 columns, whose first column is called `first`."""
    table = Table(
        title=title,
        title_justify="left",
        title_style="bold",
        box=box.SIMPLE_HEAD,
        padding=0,
        show_edge=False,
        pad_edge=False,
    )
    table.add_column(first, overflow="fold", min_width=16)
    return table


def threads_text(count: int) -> str:
    """1 thread, 2 threads, ..."""
    return f"{count} thread{'s' * (count > 1)}"


def _facts(results: Results, label: str) -> ContenderFacts:
    return next(each for each in results.contenders if each.label == label)
