"""Where the time goes: the profiles by operator and by layer, and what could not be profiled."""

import re
import textwrap
from collections.abc import Callable, Iterator, Sequence
from functools import partial

from squeezebert_mobile.benchmarks.records.profile import Profile, Share
from squeezebert_mobile.benchmarks.records.results import Results
from squeezebert_mobile.benchmarks.report import figures
from squeezebert_mobile.benchmarks.report.formatting import format_number, workload_text
from squeezebert_mobile.benchmarks.report.queries import main_workload
from squeezebert_mobile.benchmarks.report.writers.page import (
    Block,
    Cell,
    Listing,
    Picture,
    Row,
    Table,
)

__all__ = ["profiles"]

_NUMBERED = re.compile(r"^encoder\.\d+")
_MOST_ROWS = 9  # the others are one row
_MOST_COLUMNS = 4  # that 80 characters have room for
_COLUMN = 12  # characters of a column there
_BETWEEN = "between operators"
_DELEGATED = "of which delegated"


def profiles(results: Results, *, compact: bool = False) -> Iterator[Block]:
    """Tables for each workload that was profiled, and a figure.

    Args:
        results: The results.
        compact: Only the main workload, without the table of single layers.
    """
    workloads = dict.fromkeys((each.threads, each.sequence_length) for each in results.profiles)
    for workload in workloads:
        if compact and workload != main_workload(results):
            continue
        here = [p for p in results.profiles if (p.threads, p.sequence_length) == workload]
        shown = here[:_MOST_COLUMNS] if compact else here
        title = workload_text(workload)
        if not compact:
            yield _picture(title, here)
        kinds = {"operator": _operators, "part of the model": _parts}
        if not compact:
            kinds["layer"] = _layers
        for kind, shares in kinds.items():
            caption = f"Profile by {kind}, ms of a run, {title}"
            if columns := [profile for profile in shown if shares(profile)]:
                yield _table(caption, kind, columns, shares, compact=compact)
    if workloads:
        yield (
            "Profiled after the timed blocks; means over the faster half of "
            f"{results.profiles[0].runs} runs. A profiler takes time itself, so latencies are "
            "those of the timed blocks."
        )
    if unnamed := dict.fromkeys(each.contender for each in results.profiles if not each.layers):
        yield (
            f"By operator alone: {', '.join(unnamed)}. The runtime's profiler does not say which "
            "layer of the model an operator belongs to."
        )
    if results.not_profiled:
        yield Listing(
            tuple(
                f"{each.contender} was not profiled: {each.error}" for each in results.not_profiled
            )
        )


Shares = Callable[[Profile], Sequence[Share]]


def _operators(profile: Profile) -> Sequence[Share]:
    return profile.operators


def _layers(profile: Profile) -> Sequence[Share]:
    return profile.layers


def _parts(profile: Profile) -> Sequence[Share]:
    """The layers of the encoder added up: encoder.0.attention and encoder.1.attention as one."""
    totals: dict[str, Share] = {}
    for share in profile.layers:
        name = _NUMBERED.sub("encoder.*", share.name)
        so_far = totals.get(name, Share(name=name, calls=0, ms=0))
        totals[name] = Share(name=name, calls=so_far.calls + share.calls, ms=so_far.ms + share.ms)
    return sorted(totals.values(), key=lambda share: -share.ms)


def _table(
    caption: str, kind: str, columns: Sequence[Profile], shares: Shares, *, compact: bool
) -> Table:
    """A column for each profile; a cell has the ms and their share of the run."""
    times = [{share.name: share.ms for share in shares(profile)} for profile in columns]
    names = list(dict.fromkeys(name for column in times for name in column))
    if shares is not _layers:
        names.sort(key=lambda name: -sum(column.get(name, 0) for column in times))
        if len(names) > _MOST_ROWS + 1:
            names = names[:_MOST_ROWS]
    lines: dict[str, list[float | None]] = {
        name: [column.get(name) for column in times] for name in names
    }
    rest = [sum(ms for name, ms in column.items() if name not in names) for column in times]
    if any(rest):
        lines["others"] = [*rest]
    lines[_BETWEEN] = [max(0.0, each.run_ms - each.operators_ms) for each in columns]
    rows: list[Row] = [
        (name, *(_cell(ms, of, compact) for ms, of in zip(line, columns, strict=True)))
        for name, line in lines.items()
    ]
    rows.append(("run", *(Cell(format_number(each.run_ms), style="strong") for each in columns)))
    if any(each.delegated_ms is not None for each in columns):
        rows.append((_DELEGATED, *(_cell(each.delegated_ms, each, compact) for each in columns)))
    labels = [_broken(each.contender) if compact else each.contender for each in columns]
    return Table(caption, (kind, *labels), tuple(rows))


def _broken(label: str) -> str:
    """A label over several lines of a narrow column."""
    return "\n".join(textwrap.wrap(label, _COLUMN)) or label


def _cell(ms: float | None, profile: Profile, compact: bool) -> Cell:
    if ms is None:
        return Cell("")
    share = f"{100 * ms / profile.run_ms:.0f} %" if profile.run_ms else ""
    if compact:  # on one line
        return Cell(f"{format_number(ms)} {share:>5}")
    return Cell(format_number(ms), share)


def _picture(title: str, columns: Sequence[Profile]) -> Picture:
    largest = "; ".join(
        f"{each.contender}: {format_number(each.run_ms)} ms, of which "
        + ", ".join(f"{share.name} {format_number(share.ms)}" for share in each.operators[:3])
        for each in columns
    )
    return Picture(
        alt=f"Time by operator at {title}. {largest}.",
        caption=f"{title}: a profiled run of each model, by operator.",
        draw=partial(figures.profile_bars, columns),
    )
