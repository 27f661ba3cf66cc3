"""ETDump, which ExecuTorch's event tracer writes; the names of operators are the program's.

The numbers beside the names of fields are their places in etdump_schema_flatcc.fbs and program.fbs,
which are in the package executorch.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from squeezebert_mobile.benchmarks.profiles.runs import Operator, ProfiledRun
from squeezebert_mobile.runtime.sessions.flatbuffer_reader import (
    Damaged,
    Ints,
    Reader,
    Tables,
    check,
)

__all__ = ["called_operators", "joined", "operator_type", "profiled_runs"]

_IDENTIFIER = b"ED00"
_ROOT = 4  # after the size of what follows
_METHOD = "forward"
_KERNEL_CALL, _DELEGATE_CALL = 1, 2  # types of an instruction
#: Of the event that ends a run, an operator, or a delegate's call. Those within come before it.
_RUN, _OPERATOR, _DELEGATE = "Method::execute", "OPERATOR_CALL", "DELEGATE_CALL"
#: What a delegate does beside its operators, and what it leaves out as it rounds their times.
_REST = "{}, in no operator"
#: A number that XNNPACK appends to tell operators of one kind apart, and ExecuTorch's prefix.
_NUMBERED = re.compile(r"^native_call_| #\d+$")


def operator_type(name: str) -> str:
    """The kind of an operator that ExecuTorch or XNNPACK names."""
    return _NUMBERED.sub("", name)


def called_operators(program: NDArray[np.uint8]) -> list[str]:
    """The operator or the delegate that each instruction of a program calls; "" for no call.

    Raises:
        ValueError: the program is damaged.
    """
    plans = Reader(program).root().vectors(1).tables()  # execution_plan
    names = plans.strings(0)
    check(_METHOD in names, f"it has no method {_METHOD!r}")
    plan = plans.at(names.index(_METHOD))
    operators = plan.vectors(6).tables()  # operators
    called = {
        _KERNEL_CALL: [
            f"{name.rpartition('::')[2]}.{overload}".rstrip(".")
            for name, overload in zip(operators.strings(0), operators.strings(1), strict=True)
        ],
        _DELEGATE_CALL: plan.vectors(7).tables().strings(0),  # delegates: id
    }
    chains = plan.vectors(5).tables()  # chains
    check(len(chains) == 1, "it has more than one chain")
    instructions = chains.vectors(2).tables()
    kinds = instructions.number(0, "u1")  # instr_args: type
    check(instructions.has_field(1), "an instruction is empty")
    places = instructions.table(1).number(0, "<i4")  # op_index, delegate_index
    return [
        _element(called[kind], place) if kind in called else ""
        for kind, place in zip(kinds.tolist(), places.tolist(), strict=True)
    ]


def _element(names: Sequence[str], place: int) -> str:
    check(0 <= place < len(names), "an instruction calls what is not there")
    return names[place]


@dataclass(frozen=True)
class _Event:
    """An event; times in ns."""

    name: str
    part: str  # name of a delegate's operator
    instruction: int
    begin: int
    end: int


@dataclass
class _Run:
    """The operators of a run, until it ends."""

    called: Sequence[str]
    start: int  # ns: where the times begin
    operators: list[Operator] = field(default_factory=list)
    parts: list[_Event] = field(default_factory=list)  # of a delegate's call, until it ends

    def add(self, event: _Event) -> None:
        """Add an operator, a delegate's call or an operator of a delegate."""
        if event.part:
            self.parts.append(event)
        elif event.name == _OPERATOR:
            self._add(self._called(event), event.begin, event.end, delegated=False)
        elif event.name == _DELEGATE:
            self._add_call(self._called(event), event)
            self.parts.clear()

    def _called(self, event: _Event) -> str:
        return _element(self.called, event.instruction) or event.name

    def _add_call(self, delegate: str, call: _Event) -> None:
        """The operators of a delegate, and the time of its call that is in none of them."""
        if not self.parts:
            self._add(delegate, call.begin, call.end, delegated=True)
            return
        rest = _REST.format(delegate)
        covered = call.begin
        for part in self.parts:
            if part.begin < covered or part.end > call.end:
                continue  # within another one, or not of this call
            if part.begin > covered:
                self._add(rest, covered, part.begin, delegated=True)
            self._add(part.part, part.begin, part.end, delegated=True)
            covered = part.end
        if covered < call.end:
            self._add(rest, covered, call.end, delegated=True)

    def _add(self, name: str, begin: int, end: int, *, delegated: bool) -> None:
        """Both ends are rounded, so that neighbours still meet and sums stay what they are."""
        first, last = self._microseconds(begin), self._microseconds(end)
        kind = operator_type(name)
        self.operators.append(Operator(name, kind, first, last - first, delegated=delegated))

    def ended(self, event: _Event) -> ProfiledRun:
        """The run, which this event ends."""
        first, last = self._microseconds(event.begin), self._microseconds(event.end)
        return ProfiledRun(first, last - first, tuple(self.operators))

    def _microseconds(self, ns: int) -> int:
        return (ns - self.start) // 1000


def profiled_runs(content: NDArray[np.uint8], called: Sequence[str]) -> list[ProfiledRun]:
    """The runs in an ETDump.

    Args:
        content: Of the file.
        called: What each instruction of the program calls, as `called_operators` says.

    Raises:
        ValueError: the file is no ETDump, or is damaged, or of another program.
    """
    if bytes(content[8:12]) != _IDENTIFIER:
        raise Damaged("it is no ETDump")
    check(int.from_bytes(content[:_ROOT], "little") == len(content) - _ROOT, "it is cut off")
    blocks = Reader(content).root(_ROOT).vectors(1).tables()  # run_data
    runs, start = [], None
    for events in _events(blocks):
        if start is None:
            start = min(event.begin for event in events)
        run = _Run(called, start)
        for event in events:
            if event.name == _RUN:
                runs.append(run.ended(event))
                run = _Run(called, start)
            else:
                run.add(event)
    return runs


def _events(blocks: Tables) -> Iterator[list[_Event]]:
    """The events of each block that has some."""
    lists = blocks.vectors(3)  # events
    entries = lists.tables()
    timed = entries.has_field(0)
    profile = entries.table(0)  # profile_event
    begins, ends = profile.number(6, "<u8"), profile.number(7, "<u8")
    check((begins >= 0) & (ends >= begins), "an event ends before it begins")
    found = [
        _Event(*fields)
        for fields in zip(
            profile.strings(0),
            profile.strings(4),  # delegate_debug_id_str
            profile.number(2, "<i4", -1).tolist(),  # instruction_id
            begins.tolist(),
            ends.tolist(),
            strict=True,
        )
    ]
    owners: Ints = lists.owners()[timed]
    limits = np.searchsorted(owners, np.arange(len(blocks) + 1)).tolist()
    for first, last in zip(limits, limits[1:], strict=False):
        if first < last:
            yield found[first:last]


def joined(executions: Sequence[ProfiledRun], size: int) -> list[ProfiledRun]:
    """Runs of `size` executions each, as of the choices of an input, which run one by one."""
    runs = []
    for place in range(0, len(executions), size):
        group = executions[place : place + size]
        begin, end = group[0].begin, group[-1].begin + group[-1].duration
        operators = tuple(operator for each in group for operator in each.operators)
        runs.append(ProfiledRun(begin, end - begin, operators))
    return runs
