"""Results side by side: which ones can be compared, and the section that does it."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from squeezebert_mobile.benchmarks.records.energy import Energy
from squeezebert_mobile.benchmarks.records.results import Results
from squeezebert_mobile.benchmarks.report.conditions import (
    ENERGY_SOURCES,
    energy_cell,
    energy_doubts,
)
from squeezebert_mobile.benchmarks.report.formatting import format_number
from squeezebert_mobile.benchmarks.report.queries import (
    is_stand_in,
    main_workload,
    measurements_at,
)
from squeezebert_mobile.benchmarks.report.writers.page import Block, Listing, Row, Table
from squeezebert_mobile.errors import BenchmarkError

__all__ = [
    "NamedResults",
    "SharedMedians",
    "check_comparable",
    "column_name",
    "comparison_title",
    "differences",
    "shared_medians",
    "side_by_side",
]

NamedResults = tuple[str, Results]  # the name of a results file, and its content


@dataclass(frozen=True)
class SharedMedians:
    """A model at one workload that was measured in the first file and in another."""

    contender: str
    threads: int
    sequence_length: int
    medians: tuple[float | None, ...]  # in ms, one a file; None: not measured there

    @property
    def changes(self) -> tuple[float | None, ...]:
        """The median of each later file divided by that of the first: below 1 is faster.

        Without an interval: the runs were not interleaved, so other differences between them than
        the models are unknown.
        """
        first = self.medians[0]
        return tuple(each / first if each and first else None for each in self.medians[1:])


# What can be compared -----------------------------------------------------------------------


def check_comparable(results: Sequence[NamedResults]) -> None:
    """Check that all results can be compared with the first.

    Raises:
        BenchmarkError: two have the same name, or were measured so differently that their figures
            must not be read as one table.
    """
    first = results[0]
    for index, other in enumerate(results[1:], start=1):
        if other[0] in [name for name, _ in results[:index]]:
            raise BenchmarkError(f"{other[0]!r} is given twice; name each results file once")
        _check_pair(first, other)


def _check_pair(first: NamedResults, second: NamedResults) -> None:
    (_, ours), (_, theirs) = first, second
    a, b = ours.settings, theirs.settings
    separately = "write a separate report of each"
    again = "measure both again with the same version and artifacts of the same task"
    kinds = ["a stand-in" if is_stand_in(each) else "a phone" for each in (ours, theirs)]
    for what, here, there, remedy in (
        ("target", ours.target, theirs.target, separately),
        ("what was measured", *kinds, separately),
        ("preset", a.preset, b.preset, f"measure the second again with --preset {a.preset}"),
        ("batch", a.batch, b.batch, again),
        ("number of choices", a.choices or "none", b.choices or "none", again),
        ("seed of the inputs", a.input_seed, b.input_seed, again),
    ):
        if here != there:
            raise _refusal(
                first, second, f"{what} is {here} in the first and {there} in the second; {remedy}"
            )
    for what, option, mine, other in (
        ("sequence lengths", "--sequence-length", a.sequence_lengths, b.sequence_lengths),
        ("numbers of threads", "--threads", a.threads, b.threads),
    ):
        if not set(mine) & set(other):
            options = " ".join(f"{option} {each}" for each in mine)
            raise _refusal(
                first,
                second,
                f"they have no {what} in common ({_list(mine)} in the first, {_list(other)} in the "
                f"second); measure the second again with {options}",
            )
    if not _medians(ours).keys() & _medians(theirs).keys():
        labels = dict.fromkeys(each.contender for each in ours.measurements)
        raise _refusal(
            first,
            second,
            "no model was measured in both at the same number of threads and length; measure "
            "artifacts with the names of the first: "
            + (", ".join(labels) or "none, it has no figures"),
        )


def _refusal(first: NamedResults, second: NamedResults, reason: str) -> BenchmarkError:
    return BenchmarkError(f"{first[0]!r} and {second[0]!r} cannot be compared: {reason}")


def _list(numbers: Sequence[int]) -> str:
    return ", ".join(map(str, numbers))


def _medians(results: Results) -> dict[tuple[str, int, int], float]:
    return {
        (each.contender, each.threads, each.sequence_length): each.latency.median_ms
        for each in results.measurements
    }


def shared_medians(results: Sequence[NamedResults]) -> list[SharedMedians]:
    """What the first file shares with at least one other, in the order of the first."""
    medians = [_medians(each) for _, each in results]
    return [
        SharedMedians(*key, medians=tuple(each.get(key) for each in medians))
        for key in medians[0]
        if any(key in each for each in medians[1:])
    ]


# The section --------------------------------------------------------------------------------


def column_name(name: str, results: Results) -> str:
    """The name of a file with the phone that it is of."""
    if is_stand_in(results):
        return f"{name} (stand-in)"
    return f"{name} ({results.phone.model})" if results.phone else name


def comparison_title(results: Sequence[NamedResults]) -> str:
    """The medians of the user's models, never of a baseline if any model of the user was measured.

    If all files have one of them, the title is about that one, if possible at the main workload.
    """
    own = {label for _, each in results for label in _own(each)}
    shared = sorted(
        shared_medians(results),
        key=lambda each: (each.threads, each.sequence_length) != main_workload(results[0][1]),
    )
    ours = [each for each in shared if each.contender in own]
    shown = next((each for each in ours if None not in each.medians), None)
    if shown is None:
        fastest = [text for name, each in results if (text := _fastest(name, each))]
        if len(fastest) == len(results):
            return "; ".join(fastest)
        shown = (ours or shared)[0]
    times = [
        f"{format_number(median)} ms in {column_name(name, each)}"
        for median, (name, each) in zip(shown.medians, results, strict=True)
        if median is not None
    ]
    return f"{shown.contender}: {', '.join(times)}"


def _own(results: Results) -> set[str]:
    """The labels of the user's models."""
    return {each.label for each in results.contenders if each.role == "contender"}


def _fastest(name: str, results: Results) -> str | None:
    """The user's fastest model at the main workload, for the title."""
    own = _own(results)
    medians = [
        (each.latency.median_ms, each.contender)
        for each in measurements_at(results, main_workload(results))
        if each.contender in own
    ]
    if not medians:
        return None
    median, label = min(medians)
    return f"{label}: {format_number(median)} ms in {column_name(name, results)}"


def side_by_side(results: Sequence[NamedResults]) -> Iterator[Block]:
    """A table of the medians and their changes, and what else differs between the files."""
    first = results[0][0]
    header = ["model", "threads", "tokens", *(f"{column_name(*each)}, ms" for each in results)]
    header += [f"change in {name}" for name, _ in results[1:]]
    rows: list[Row] = []
    for each in shared_medians(results):
        medians = ["" if median is None else format_number(median) for median in each.medians]
        changes = [_change(ratio) for ratio in each.changes]
        workload = str(each.threads), str(each.sequence_length)
        rows.append((each.contender, *workload, *medians, *changes))
    rows += _alone(results)
    yield Table("Medians, first of what the files have in common", tuple(header), tuple(rows))
    yield (
        f"Change: the median divided by that in {first!r}; below 1 is faster. It has no interval: "
        "the files are of separate runs, and nothing measured says what else differed between them."
    )
    yield from _energies(results)
    if notes := differences(results):
        yield Listing(tuple(notes))


def _alone(results: Sequence[NamedResults]) -> Iterator[Row]:
    """A row for each of the user's models that only one file has."""
    tables = [_medians(each) for _, each in results]
    for index, (_, each) in enumerate(results):
        own = _own(each)
        for key, median in tables[index].items():
            if key[0] in own and sum(key in table for table in tables) == 1:
                cells = [format_number(median) if at == index else "" for at in range(len(tables))]
                yield (key[0], str(key[1]), str(key[2]), *cells, *[""] * (len(tables) - 1))


def _change(ratio: float | None) -> str:
    return f"{format_number(ratio)} ({100 * (ratio - 1):+.1f} %)" if ratio is not None else ""


# Energy -------------------------------------------------------------------------------------


def _energies(results: Sequence[NamedResults]) -> Iterator[Block]:
    """A table of the energies of an answer, with their intervals and doubts, if any has one."""
    tables = [
        {(each.contender, each.threads, each.sequence_length): each for each in found.energy}
        for _, found in results
    ]
    if not any(tables):
        return
    header = ["model", "threads", "tokens", *(f"{column_name(*each)}, mJ" for each in results)]
    header += [f"change in {name}" for name, _ in results[1:]]
    rows: list[Row] = []
    for key in dict.fromkeys(key for table in tables for key in table):
        label, threads, length = key
        found = [table.get(key) for table in tables]
        changes = [_energy_change(found[0], each) for each in found[1:]]
        energies = [energy_cell(each) if each else "" for each in found]
        rows.append((label, str(threads), str(length), *energies, *changes))
    caption = "Energy of an answer, idle taken off, with its 95 % interval"
    yield Table(caption, tuple(header), tuple(rows))
    yield Listing(tuple(_energy_notes(results)))


def _energy_change(first: Energy | None, other: Energy | None) -> str:
    """Empty where the two were measured in different ways: their errors are not alike."""
    if not first or not other or first.source != other.source or first.answer_mj <= 0:
        return ""
    return _change(other.answer_mj / first.answer_mj)


def _energy_notes(results: Sequence[NamedResults]) -> Iterator[str]:
    every = [each for _, found in results for each in found.energy]
    files: dict[str, list[str]] = {}
    for name, found in results:
        if found.energy:
            files.setdefault(ENERGY_SOURCES[found.energy[0].source], []).append(repr(name))
    for source, names in files.items():
        where = f" in {', '.join(names)}" if len(files) > 1 else ""
        yield f"Energy{where} is measured by {source}."
    if len(files) > 1:
        yield "A change is told only between files whose energy was measured in the same way."
    yield from energy_doubts(every)
    for name, found in results:
        for each in found.no_energy:
            yield f"The energy of {each.contender} was not measured in {name!r}: {each.error}"


# Differences that do not forbid a comparison ------------------------------------------------


def differences(results: Sequence[NamedResults]) -> list[str]:
    """A sentence for each difference between the first file and another."""
    (first, ours), notes = results[0], []
    for name, theirs in results[1:]:
        notes += [
            f"{text} in {first!r} and {name!r}."
            for compare in (_machines, _phones, _models)
            for text in compare(ours, theirs)
        ]
        if ours.settings.cores != theirs.settings.cores:
            notes.append(
                f"Cores: {ours.settings.cores} in {first!r}, {theirs.settings.cores} in {name!r}."
            )
    return notes


def _machines(ours: Results, theirs: Results) -> Iterator[str]:
    if not (ours.machine and theirs.machine):
        return
    if ours.machine.cpu != theirs.machine.cpu:
        yield f"The processor is not the same ({ours.machine.cpu} and {theirs.machine.cpu})"
    here, there = ours.machine.versions, theirs.machine.versions
    for name in sorted(here.keys() | there.keys()):
        if (a := here.get(name, "none")) != (b := there.get(name, "none")):
            yield f"The version of {name} is not the same ({a} and {b})"


def _phones(ours: Results, theirs: Results) -> Iterator[str]:
    if not (ours.phone and theirs.phone):
        return
    same = ours.phone.serial == theirs.phone.serial
    if not is_stand_in(ours):
        yield "The same phone was measured" if same else "Different phones were measured"
    here, there = ours.phone.libraries, theirs.phone.libraries
    for library in sorted(here.keys() | there.keys()):
        if (a := here.get(library)) != (b := there.get(library)):
            hashes = f"SHA-256 {_short(a)} and {_short(b)}"
            yield f"The runtime library {library} is not the same ({hashes})"
    if ours.phone.runner_sha256 != theirs.phone.runner_sha256:
        yield "The runner is not the same"
    if same and ours.phone.build != theirs.phone.build:
        yield "The phone's Android build is not the same"


def _models(ours: Results, theirs: Results) -> Iterator[str]:
    hashes = {each.label: each.sha256 for each in ours.contenders}
    for each in theirs.contenders:
        if hashes.get(each.label, each.sha256) != each.sha256:
            yield (
                f"The model file of {each.label} is not the same "
                f"(SHA-256 {_short(hashes[each.label])} and {_short(each.sha256)})"
            )


def _short(sha256: str | None) -> str:
    return f"{sha256[:12]}…" if sha256 else "none"
