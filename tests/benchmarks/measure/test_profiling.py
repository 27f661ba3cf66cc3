"""Profiles: after the timed blocks, by operator and by layer, and a trace for Perfetto."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from squeezebert_mobile.benchmarks.measure import host
from squeezebert_mobile.benchmarks.measure.contenders import (
    Contender,
    artifact_contenders,
    file_contender,
)
from squeezebert_mobile.benchmarks.measure.host import bench_on_host, measure_host
from squeezebert_mobile.benchmarks.measure.profiling import (
    check_profilable,
    layer_of,
    profile_contender,
    profiled_runs,
    summarized,
)
from squeezebert_mobile.benchmarks.measure.schedule import Preset
from squeezebert_mobile.benchmarks.measure.trace import Trace, trace_of
from squeezebert_mobile.benchmarks.records.reading import read_results
from squeezebert_mobile.errors import BenchmarkError


@pytest.mark.parametrize(
    ("node", "layer"),
    [
        ("/model/base/layers.3/attention/groups.0/MatMul", "encoder.3.attention"),
        ("/model/base/layers.11/Add", "encoder.11"),
        ("/model/base/embeddings/word/Gather.cast", "embeddings"),
        ("/model/base/pooler/Gemm", "pooler"),
        ("/model/classifier/Gemm", "classifier"),
        ("/model/base/Equal", "other"),
        ("norm.tokens", "other"),
        ("", "other"),
        ("/", "other"),
        ("/bert/encoder/layer.7/attention/self/query/MatMul", "encoder.7.attention"),
        ("/distilbert/transformer/layer.0/ffn/lin1/MatMul", "encoder.0.ffn"),
        ("/model/base/layers.2/attention/MatMul/MatmulTransposeFusion/", "encoder.2.attention"),
        ("Attention_0", "other"),
        ("/h.4/mlp/MatMul", "encoder.4.mlp"),
    ],
)
def test_the_layer_of_a_node(node: str, layer: str) -> None:
    assert layer_of(node) == layer


# ONNX Runtime's file ------------------------------------------------------------------------


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


# Real models --------------------------------------------------------------------------------


@pytest.fixture
def large(tmp_path: Path) -> Contender:
    """A chain of products that take milliseconds, in layers."""
    size, layers = 512, 6
    random = np.random.default_rng(0)
    arrays = {"table": random.normal(size=(100, size))}
    nodes = [helper.make_node("Gather", ["table", "input_ids"], ["x0"], "/embeddings/Gather")]
    for layer in range(layers):
        arrays[f"w{layer}"] = random.normal(size=(size, size)) / size
        name = f"/layers.{layer}/feed_forward/MatMul"
        inputs = [f"x{layer}", f"w{layer}"]
        nodes.append(helper.make_node("MatMul", inputs, [f"x{layer + 1}"], name))
    names = ("input_ids", "attention_mask", "token_type_ids")
    axes = ("batch", "sequence")
    graph = helper.make_graph(
        nodes,
        "large",
        [helper.make_tensor_value_info(name, TensorProto.INT64, axes) for name in names],
        [helper.make_tensor_value_info(f"x{layers}", TensorProto.FLOAT, (*axes, size))],
        [numpy_helper.from_array(a.astype(np.float32), name) for name, a in arrays.items()],
    )
    opset = [helper.make_opsetid("", 17)]
    path = tmp_path / "large.onnx"
    onnx.save(helper.make_model(graph, opset_imports=opset, ir_version=9), path)
    return file_contender(path, label="large", precision="fp32", vocab_size=100)


def _feed(length: int) -> dict[str, Any]:
    ids = np.ones((1, length), np.int64)
    return {"input_ids": ids, "attention_mask": ids, "token_type_ids": 0 * ids}


def test_operators_and_layers_add_up_to_the_run(large: Contender) -> None:
    """Within 5 %; another process may take the core between two operators of a single profile."""
    shares = [_share_of_operators(large) for _ in range(3)]
    assert max(shares) == pytest.approx(1, rel=0.05)


def _share_of_operators(large: Contender) -> float:
    profiled = profile_contender(large, {16: _feed(16), 128: _feed(128)}, threads=1)
    short, long = (summarized(profiled[length], "large", 1, length) for length in (16, 128))
    assert short.run_ms < long.run_ms
    for each in (short, long):
        assert each.runs == 20
        assert {share.name: share.calls for share in each.operators} == {"MatMul": 6, "Gather": 1}
        assert sum(share.ms for share in each.layers) == pytest.approx(each.operators_ms)
        assert [share.name for share in each.layers] == [
            "embeddings",
            *(f"encoder.{layer}.feed_forward" for layer in range(6)),
        ]
    return long.operators_ms / long.run_ms


@pytest.fixture
def two(make_artifact: Callable[..., Path]) -> list[Contender]:
    return artifact_contenders([make_artifact("ours")], baselines=[make_artifact("theirs")])


def test_a_profile_follows_the_timed_blocks(
    two: list[Contender], short: Preset, tmp_path: Path
) -> None:
    output = tmp_path / "results.json"
    options: dict[str, Any] = {"preset": short, "threads": (1, 2), "sequence_lengths": (8, 16)}
    results = bench_on_host(two, output=output, profile=True, **options)
    assert read_results(output) == results and results.complete
    cells = [(each.contender, each.threads, each.sequence_length) for each in results.profiles]
    assert cells == [
        (label, threads, length)
        for threads in (1, 2)
        for label in ("ours", "theirs")
        for length in (8, 16)
    ]
    assert {len(each.blocks) for each in results.measurements} == {8}
    trace = json.loads((tmp_path / "results.trace.json").read_text())
    names = [each["args"]["name"] for each in trace["traceEvents"] if each["ph"] == "M"]
    tracks = [f"{threads}, length {length}" for threads in ("1 thread", "2 threads")
              for length in (8, 16)]  # fmt: skip
    assert names == ["ours", *tracks[:2], "theirs", *tracks[:2], *tracks[2:], *tracks[2:]]
    _check_nesting(trace["traceEvents"])
    without = bench_on_host(two, output=tmp_path / "without.json", **options)
    assert not without.profiles and not (tmp_path / "without.trace.json").exists()


def _check_nesting(events: list[dict[str, Any]]) -> None:
    """Each slice is within the one before it, or after it: as Perfetto stacks them."""
    tracks: dict[tuple[int, int], list[dict[str, Any]]] = {}
    for event in events:
        if event["ph"] == "X":
            tracks.setdefault((event["pid"], event["tid"]), []).append(event)
    assert len(tracks) == 8
    for slices in tracks.values():
        assert sum(each["cat"] == "run" for each in slices) == 20
        stack: list[int] = []
        for each in slices:
            end = each["ts"] + each["dur"]
            while stack and each["ts"] >= stack[-1]:
                stack.pop()
            assert not stack or end <= stack[-1]
            stack.append(end)


def test_what_cannot_be_profiled_is_named_and_keeps_its_figures(
    two: list[Contender], short: Preset, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def fails(contender: Contender, *arguments: Any, **options: Any) -> Any:
        if contender.label == "ours":
            raise RuntimeError("no room\nfor the profile")
        return profile_contender(contender, *arguments, **options)

    monkeypatch.setattr(host, "profile_contender", fails)
    journal = tmp_path / "results.json.journal"
    options: dict[str, Any] = {"preset": short, "sequence_lengths": (8,)}
    results = measure_host(two, journal=journal, trace=Trace(), **options)
    assert read_results(journal) == results
    assert [(each.contender, each.error) for each in results.not_profiled] == [("ours", "no room")]
    assert [each.contender for each in results.profiles] == ["theirs"]
    assert len(results.measurements) == 2 and not results.failures and results.complete


def test_a_trace_that_cannot_be_written_leaves_the_results(
    two: list[Contender], short: Preset, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "results.trace.json").mkdir()
    output = tmp_path / "results.json"
    options: dict[str, Any] = {"preset": short, "threads": (1,), "sequence_lengths": (8,)}
    with pytest.raises(BenchmarkError) as caught:
        bench_on_host(two, output=output, profile=True, **options)
    assert str(caught.value) == (
        f"cannot write the trace to {str(tmp_path / 'results.trace.json')!r}: Is a directory; the "
        f"results with the profile are in {str(output)!r}, only the trace would have to be "
        "measured again"
    )
    assert not hasattr(caught.value, "__notes__")
    results = read_results(output)
    assert results.complete and len(results.profiles) == 2
    assert not (tmp_path / "results.json.journal").exists()


def test_only_onnx_is_profiled(pretend: Callable[..., Contender]) -> None:
    other = pretend("A", 0.01)
    check_profilable([other])
    object.__setattr__(other, "format", "executorch")
    with pytest.raises(BenchmarkError) as caught:
        check_profilable([other])
    assert str(caught.value) == (
        "--profile needs ONNX Runtime's profiler, and 'A' is executorch; export it with --format "
        "onnx, or leave --profile out"
    )


def test_where_the_trace_is(tmp_path: Path) -> None:
    assert trace_of(tmp_path / "r.json") == tmp_path / "r.trace.json"
    assert trace_of(None) is None and trace_of(Path("/dev/null")) is None


def test_there_is_no_profile_in_the_app(cli: Any, assistant: Path) -> None:
    code, out, err = cli("bench", assistant, "--target", "app", "--profile", "--baseline", "none")
    assert (code, out) == (1, "")
    assert err == (
        "error: --profile only applies to this computer and --target adb; remove --profile, or "
        "measure with --target adb\n"
    )
