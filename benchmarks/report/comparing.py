"""Results side by side: which may stand so, and what they have in common."""

from collections.abc import Sequence
from dataclasses import dataclass

from squeezebert_mobile.benchmarks.records.results import Results
from squeezebert_mobile.benchmarks.report.wording import is_stand_in
from squeezebert_mobile.errors import BenchmarkError

__all__ = ["Named", "Shared", "check_comparable", "differences", "shared_cells"]

Named = tuple[str, Results]  # the name of a file, and what is in it


@dataclass(frozen=True)
class Shared:
    """A model at one number of threads and one length that the first file and another have."""

    contender: str
    threads: int
    sequence_length: int
    medians: tuple[float | None, ...]  # in ms, of each file; None: not measured there

    @property
    def changes(self) -> tuple[float | None, ...]:
        """The median of each file but the first, divided by that of the first: below 1 is faster.

        Without an interval: the runs were not interleaved, so nothing is known of what differed
        between them besides the models.
        """
        first = self.medians[0]
        return tuple(each / first if each and first else None for each in self.medians[1:])


def check_comparable(results: Sequence[Named]) -> None:
    """See that all results may stand beside the first.

    Raises:
        BenchmarkError: two are of the same name, or measured so differently that their figures
            must not be read as one table.
    """
    first = results[0]
    for index, other in enumerate(results[1:], start=1):
        if other[0] in [name for name, _ in results[:index]]:
            raise BenchmarkError(f"{other[0]!r} is given twice; name each results file once")
        _check_pair(first, other)


def _check_pair(first: Named, other: Named) -> None:
    (_, one), (_, two) = first, other
    a, b = one.settings, two.settings
    alone = "write a report of each by itself"
    if one.target != two.target:
        raise _refusal(first, other, "target", one.target, two.target, alone)
    if is_stand_in(one) != is_stand_in(two):
        kinds = ("a stand-in", "a phone") if is_stand_in(one) else ("a phone", "a stand-in")
        raise _refusal(first, other, "what was measured", *kinds, alone)
    if a.preset != b.preset:
        remedy = f"measure the second again with --preset {a.preset}"
        raise _refusal(first, other, "preset", a.preset, b.preset, remedy)
    for name, x, y in (
        ("batch", a.batch, b.batch),
        ("number of choices", a.choices or "none", b.choices or "none"),
        ("seed of the inputs", a.input_seed, b.input_seed),
    ):
        if x != y:
            remedy = "measure both again with the same version and artifacts of the same task"
            raise _refusal(first, other, name, str(x), str(y), remedy)
    for what, option, here, there in (
        ("sequence lengths", "--sequence-length", a.sequence_lengths, b.sequence_lengths),
        ("numbers of threads", "--threads", a.threads, b.threads),
    ):
        if not set(here) & set(there):
            raise BenchmarkError(
                f"{first[0]!r} and {other[0]!r} cannot stand side by side: they have no {what} in "
                f"common ({_list(here)} in the first, {_list(there)} in the second); "
                f"measure the second again with {' '.join(f'{option} {each}' for each in here)}"
            )
    if not _medians(one).keys() & _medians(two).keys():
        raise BenchmarkError(
            f"{first[0]!r} and {other[0]!r} cannot stand side by side: no model was measured in "
            "both at the same number of threads and length; measure artifacts of the same names, "
            "as the first has: " + (", ".join(_labels(one)) or "none, it has no figures")
        )


def _refusal(
    first: Named, other: Named, what: str, here: str, there: str, remedy: str
) -> BenchmarkError:
    return BenchmarkError(
        f"{first[0]!r} and {other[0]!r} cannot stand side by side: {what} is {here} in the first "
        f"and {there} in the second; {remedy}"
    )


def _list(numbers: Sequence[int]) -> str:
    return ", ".join(map(str, numbers))


def _labels(results: Results) -> list[str]:
    return list(dict.fromkeys(each.contender for each in results.measurements))


def _medians(results: Results) -> dict[tuple[str, int, int], float]:
    return {
        (each.contender, each.threads, each.sequence_length): each.latency.median_ms
        for each in results.measurements
    }


def shared_cells(results: Sequence[Named]) -> list[Shared]:
    """What the first file and at least one other have, in the order of the first."""
    found = [_medians(each) for _, each in results]
    return [
        Shared(*key, medians=tuple(each.get(key) for each in found))
        for key in found[0]
        if any(key in each for each in found[1:])
    ]


def differences(results: Sequence[Named]) -> list[str]:
    """What differs between the first file and the others, and may: a sentence each."""
    (first, one), told = results[0], []
    for name, two in results[1:]:
        told += [
            f"{text} in {first!r} and {name!r}."
            for text in (*_machines(one, two), *_phones(one, two), *_models(one, two))
        ]
        if one.settings.cores != two.settings.cores:
            told.append(
                f"Cores: {one.settings.cores} in {first!r}, {two.settings.cores} in {name!r}."
            )
    return told


def _machines(one: Results, two: Results) -> list[str]:
    if not (one.machine and two.machine):
        return []
    told = []
    if one.machine.cpu != two.machine.cpu:
        told.append(f"The processor is not the same ({one.machine.cpu} and {two.machine.cpu})")
    here, there = one.machine.versions, two.machine.versions
    for name in sorted(here.keys() | there.keys()):
        if (a := here.get(name, "none")) != (b := there.get(name, "none")):
            told.append(f"The version of {name} is not the same ({a} and {b})")
    return told


def _phones(one: Results, two: Results) -> list[str]:
    if not (one.phone and two.phone):
        return []
    told = []
    same = one.phone.serial == two.phone.serial
    if not is_stand_in(one):
        told.append("The same phone was measured" if same else "Different phones were measured")
    for library in sorted(one.phone.libraries.keys() | two.phone.libraries.keys()):
        here, there = (each.phone.libraries.get(library) for each in (one, two) if each.phone)
        if here != there:
            hashes = f"SHA-256 {_short(here)} and {_short(there)}"
            told.append(f"The runtime library {library} is not the same ({hashes})")
    if one.phone.runner_sha256 != two.phone.runner_sha256:
        told.append("The runner is not the same")
    if same and one.phone.build != two.phone.build:
        told.append("The phone's Android build is not the same")
    return told


def _models(one: Results, two: Results) -> list[str]:
    hashes = {each.label: each.sha256 for each in one.contenders}
    return [
        f"The model file of {each.label} is not the same "
        f"(SHA-256 {_short(hashes[each.label])} and {_short(each.sha256)})"
        for each in two.contenders
        if each.label in hashes and hashes[each.label] != each.sha256
    ]


def _short(sha256: str | None) -> str:
    return f"{sha256[:12]}…" if sha256 else "none"
