"""Profiled runs, of any runtime, and where their time goes."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Self

from squeezebert_mobile.benchmarks.records.profile import Profile, RunRecord, Share

__all__ = ["Operator", "ProfiledRun", "layer_of", "summarized"]

#: Nodes outside of all modules: masks, and what a runtime has fused across modules.
_OTHER = "other"
_LAYER = re.compile(r"(?:layers?|h|blocks?)[._](\d+)")
#: Modules that hold the others.
_WRAPPERS = frozenset({"model", "base", "encoder", "transformer"})
_FAMILY = re.compile(r"[a-z]*bert", re.IGNORECASE)


@dataclass(frozen=True)
class Operator:
    """One operator of a run; times in µs since the session began."""

    name: str  # of the node
    type: str
    begin: int
    duration: int
    layer: str | None = None  # of the model; None: the profiler does not say
    delegated: bool | None = None  # whether a delegate ran it; None: the runtime has none


@dataclass(frozen=True)
class ProfiledRun:
    """One profiled run; times in µs since the session began. No two operators overlap."""

    begin: int
    duration: int
    operators: tuple[Operator, ...]

    @property
    def record(self) -> RunRecord:
        """What the journal of a phone has of it, where ONNX Runtime alone has a profiler."""
        operators = tuple((o.name, o.type, o.begin, o.duration) for o in self.operators)
        return RunRecord(begin=self.begin, duration=self.duration, operators=operators)

    @classmethod
    def of(cls, record: RunRecord) -> Self:
        """The run that such a journal has."""
        operators = tuple(Operator(*each, layer=layer_of(each[0])) for each in record.operators)
        return cls(record.begin, record.duration, operators)


@dataclass
class _Tallies:
    """Calls and µs by name, in the order in which the names came."""

    calls: dict[str, int] = field(default_factory=dict)
    microseconds: dict[str, int] = field(default_factory=dict)

    def add(self, name: str, duration: int) -> None:
        """Count one call."""
        self.calls[name] = self.calls.get(name, 0) + 1
        self.microseconds[name] = self.microseconds.get(name, 0) + duration

    def shares(self, runs: int) -> list[Share]:
        """The mean over `runs` runs."""
        return [
            Share(name=name, calls=self.calls[name] / runs, ms=total / runs / 1000)
            for name, total in self.microseconds.items()
        ]


def summarized(
    runs: Sequence[ProfiledRun], contender: str, threads: int, sequence_length: int
) -> Profile:
    """The means over the faster half of the runs, as other load on the machine only adds time."""
    faster = sorted(runs, key=lambda run: run.duration)[: (len(runs) + 1) // 2]
    operators, layers = _Tallies(), _Tallies()
    delegated: int | None = None
    for operator in (each for run in faster for each in run.operators):
        operators.add(operator.type, operator.duration)
        if operator.layer is not None:
            layers.add(operator.layer, operator.duration)
        if operator.delegated is not None:
            delegated = (delegated or 0) + operator.delegated * operator.duration
    by_time = sorted(operators.shares(len(faster)), key=lambda share: -share.ms)
    return Profile(
        contender=contender,
        threads=threads,
        sequence_length=sequence_length,
        runs=len(runs),
        run_ms=sum(run.duration for run in faster) / len(faster) / 1000,
        operators=tuple(by_time),
        layers=tuple(layers.shares(len(faster))),
        delegated_ms=None if delegated is None else delegated / len(faster) / 1000,
    )


def layer_of(node: str) -> str:
    """The layer of an ONNX node: a name such as embeddings, encoder.3.attention or classifier.

    Exporters name a node by the path of its module and its operator:
    `/model/base/layers.3/attention/groups.0/MatMul`, or `/bert/encoder/layer.3/attention/MatMul`.
    """
    modules = node.strip("/").split("/")[:-1] if node.startswith("/") else []
    for index, module in enumerate(modules):
        if found := _LAYER.fullmatch(module):
            inside = modules[index + 1 : index + 2]
            return ".".join(["encoder", str(int(found[1])), *inside])
    named = [each for each in modules if each not in _WRAPPERS and not _FAMILY.fullmatch(each)]
    return named[0] if named else _OTHER
