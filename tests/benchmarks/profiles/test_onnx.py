"""What ONNX Runtime's profiler writes."""

from typing import Any

import pytest

from squeezebert_mobile.benchmarks.profiles.onnx import profiled_runs
from squeezebert_mobile.benchmarks.profiles.runs import summarized


def _node(name: str, kind: str, begin: int, duration: int) -> dict[str, Any]:
    return {
        "cat": "Node",
        "name": f"{name}_kernel_time",
        "ts": begin,
        "dur": duration,
        "args": {"op_name": kind},
    }


def _run(begin: int, duration: int) -> dict[str, Any]:
    return {"cat": "Session", "name": "model_run", "ts": begin, "dur": duration, "args": {}}


EVENTS = [
    {"cat": "Session", "name": "session_initialization", "ts": 0, "dur": 50, "args": {}},
    _node("/layers.0/attention/MatMul", "MatMul", 102, 40),
    {"cat": "Node", "name": "x_fence_before", "ts": 101, "dur": 0, "args": {"op_name": "MatMul"}},
    _node("/loop/Loop", "Loop", 145, 50),
    _node("/loop/body/Add", "Add", 150, 10),  # within the Loop
    _run(100, 100),
    _node("/layers.0/attention/MatMul", "MatMul", 302, 80),
    _node("/loop/Loop", "Loop", 382, 100),
    _node("/loop/body/Add", "Add", 390, 10),
    _run(300, 200),
]


def test_the_runs_of_a_profile() -> None:
    first, second = profiled_runs(EVENTS)
    assert [(each.type, each.duration) for each in first.operators] == [
        ("MatMul", 40),
        ("Loop", 50),
    ]
    assert [(each.type, each.duration) for each in second.operators] == [
        ("MatMul", 80),
        ("Loop", 100),
    ]
    profile = summarized([first, second], "A", 1, 8)
    assert (profile.runs, profile.run_ms, profile.operators_ms) == (2, 0.1, pytest.approx(0.09))
    assert [(each.name, each.calls, each.ms) for each in profile.layers] == [
        ("encoder.0.attention", 1, 0.04),
        ("loop", 1, 0.05),
    ]
    assert [each.name for each in profile.operators] == ["Loop", "MatMul"]
