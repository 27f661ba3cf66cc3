"""The trace: where it is, and what it holds if layers are not known."""

import json
from pathlib import Path

from squeezebert_mobile.benchmarks.profiles.runs import Operator, ProfiledRun
from squeezebert_mobile.benchmarks.profiles.trace import Trace, trace_of


def test_where_the_trace_is(tmp_path: Path) -> None:
    assert trace_of(tmp_path / "r.json") == tmp_path / "r.trace.json"
    assert trace_of(None) is None and trace_of(Path("/dev/null")) is None


def test_without_layers_a_run_holds_its_operators(tmp_path: Path) -> None:
    operators = (Operator("Add #1", "Add", 1, 2), Operator("Add #2", "Add", 3, 4))
    trace = Trace()
    trace.add("A", "1 thread, length 8", [ProfiledRun(0, 10, operators)])
    trace.write(tmp_path / "r.trace.json", results=tmp_path / "r.json")
    events = json.loads((tmp_path / "r.trace.json").read_text())["traceEvents"]
    assert [(each["cat"], each["name"], each["ts"], each["dur"]) for each in events[2:]] == [
        ("run", "run", 0, 10),
        ("operator", "Add", 1, 2),
        ("operator", "Add", 3, 4),
    ]
    assert [each["args"]["node"] for each in events[3:]] == ["Add #1", "Add #2"]
