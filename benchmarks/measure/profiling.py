"""A profiled block of each contender, after the timed ones: ONNX Runtime's own profiler.

The models are opened again, so that nothing of the profiler is in the timed runs.
"""

import json
import re
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

from squeezebert_mobile.artifact import read_manifest
from squeezebert_mobile.benchmarks.measure.contenders import Contender, InputFeed
from squeezebert_mobile.benchmarks.measure.plain_files import open_onnx
from squeezebert_mobile.benchmarks.measure.schedule import LEAD_IN_RUNS
from squeezebert_mobile.benchmarks.records.profile import Profile, RunRecord, Share
from squeezebert_mobile.errors import BenchmarkError

__all__ = [
    "RUNS",
    "Operator",
    "ProfiledRun",
    "check_profilable",
    "layer_of",
    "profile_contender",
    "profiled_runs",
    "summarized",
]

RUNS = 20
_FORMAT = "onnx"
_SUFFIX = "_kernel_time"
_FATAL = 4  # log severity; errors are raised anyway

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

    @property
    def layer(self) -> str:
        """The layer of the model that it belongs to."""
        return layer_of(self.name)


@dataclass(frozen=True)
class ProfiledRun:
    """One profiled run; times in µs since the session began."""

    begin: int
    duration: int
    operators: tuple[Operator, ...]

    @property
    def record(self) -> RunRecord:
        """What a journal has of it."""
        operators = tuple((o.name, o.type, o.begin, o.duration) for o in self.operators)
        return RunRecord(begin=self.begin, duration=self.duration, operators=operators)

    @classmethod
    def of(cls, record: RunRecord) -> Self:
        """The run that a journal has."""
        return cls(record.begin, record.duration, tuple(Operator(*o) for o in record.operators))


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


def check_profilable(contenders: Sequence[Contender]) -> None:
    """Check that all contenders are in a format that has a profiler.

    Raises:
        BenchmarkError: one is not; the message names it.
    """
    for contender in contenders:
        if contender.format != _FORMAT:
            raise BenchmarkError(
                f"--profile needs ONNX Runtime's profiler, and {contender.label!r} is "
                f"{contender.format}; export it with --format onnx, or leave --profile out"
            )


def profile_contender(
    contender: Contender, feeds: Mapping[int, InputFeed], *, threads: int
) -> dict[int, list[ProfiledRun]]:
    """Run a model under the profiler with each feed.

    Args:
        contender: An ONNX model.
        feeds: The inputs by their length in tokens.
        threads: The number of threads.

    Returns:
        The profiled runs by length.

    Raises:
        BenchmarkError: the profiler has not recorded every run.
    """
    with tempfile.TemporaryDirectory() as folder:
        session = _session(contender, threads, Path(folder))
        names = [node.name for node in session.get_inputs()]
        for feed in feeds.values():
            arrays = {name: feed[name] for name in names}
            for _ in range(LEAD_IN_RUNS + RUNS):
                session.run(None, arrays)
        events = json.loads(Path(session.end_profiling()).read_text(encoding="utf-8"))
    runs = profiled_runs(events)
    each = LEAD_IN_RUNS + RUNS
    if len(runs) != each * len(feeds):
        raise BenchmarkError(
            f"ONNX Runtime's profiler recorded {len(runs)} of {each * len(feeds)} runs"
        )
    return {
        length: runs[index * each + LEAD_IN_RUNS : (index + 1) * each]
        for index, length in enumerate(feeds)
    }


def _session(contender: Contender, threads: int, folder: Path) -> Any:
    path = Path(contender.path)
    if contender.origin == "artifact":
        path /= read_manifest(path).model_file
    return open_onnx(
        path,
        threads,
        log_severity_level=_FATAL,
        enable_profiling=True,
        profile_file_prefix=str(folder / "profile"),
    )


def profiled_runs(events: Sequence[Mapping[str, Any]]) -> list[ProfiledRun]:
    """The runs in a profile of ONNX Runtime: events in the format of Chrome's traces.

    An operator within another one, such as in the body of a Loop, is a part of that one.
    """
    runs = [event for event in events if event["name"] == "model_run"]
    nodes = sorted(
        (event for event in events if event["cat"] == "Node" and event["name"].endswith(_SUFFIX)),
        key=lambda event: (event["ts"], -event["dur"]),
    )
    found, place = [], 0
    for run in sorted(runs, key=lambda event: event["ts"]):
        begin, end = run["ts"], run["ts"] + run["dur"]
        operators: list[Operator] = []
        covered = begin  # until the end of the last operator
        while place < len(nodes) and nodes[place]["ts"] <= end:
            node = nodes[place]
            place += 1
            node_end = node["ts"] + node["dur"]
            if node["ts"] >= covered:
                name, kind = node["name"].removesuffix(_SUFFIX), node["args"]["op_name"]
                operators.append(Operator(name, kind, node["ts"], node["dur"]))
                covered = node_end
        found.append(ProfiledRun(begin, run["dur"], tuple(operators)))
    return found


def summarized(
    runs: Sequence[ProfiledRun], contender: str, threads: int, sequence_length: int
) -> Profile:
    """The means over the faster half of the runs, as other load on the machine only adds time."""
    faster = sorted(runs, key=lambda run: run.duration)[: (len(runs) + 1) // 2]
    operators, layers = _Tallies(), _Tallies()
    for run in faster:
        for operator in run.operators:
            operators.add(operator.type, operator.duration)
            layers.add(operator.layer, operator.duration)
    by_time = sorted(operators.shares(len(faster)), key=lambda share: -share.ms)
    return Profile(
        contender=contender,
        threads=threads,
        sequence_length=sequence_length,
        runs=len(runs),
        run_ms=sum(run.duration for run in faster) / len(faster) / 1000,
        operators=tuple(by_time),
        layers=tuple(layers.shares(len(faster))),
    )


def layer_of(node: str) -> str:
    """The layer of a node: a name such as embeddings, encoder.3.attention or classifier.

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
