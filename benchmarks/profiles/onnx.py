"""The profile that ONNX Runtime writes: events in the format of Chrome's traces."""

from collections.abc import Mapping, Sequence
from typing import Any

from squeezebert_mobile.benchmarks.profiles.runs import Operator, ProfiledRun, layer_of

__all__ = ["profiled_runs"]

_SUFFIX = "_kernel_time"


def profiled_runs(events: Sequence[Mapping[str, Any]]) -> list[ProfiledRun]:
    """The runs in a profile.

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
            if node["ts"] >= covered:
                operators.append(_operator(node))
                covered = node["ts"] + node["dur"]
        found.append(ProfiledRun(begin, run["dur"], tuple(operators)))
    return found


def _operator(node: Mapping[str, Any]) -> Operator:
    name = node["name"].removesuffix(_SUFFIX)
    return Operator(name, node["args"]["op_name"], node["ts"], node["dur"], layer_of(name))
