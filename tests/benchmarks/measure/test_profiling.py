"""Profiles: after the timed blocks, by operator and by layer, and a trace for Perfetto."""

import json
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from typing import Any, Self

import numpy as np
import onnx
import pytest
import torch
from etdump_file import write_etdump, write_program
from onnx import TensorProto, helper, numpy_helper

from squeezebert_mobile.benchmarks.measure import host
from squeezebert_mobile.benchmarks.measure.contenders import (
    Contender,
    artifact_contenders,
    file_contender,
)
from squeezebert_mobile.benchmarks.measure.host import bench_on_host, measure_host
from squeezebert_mobile.benchmarks.measure.profiling import check_profilable, profile_contender
from squeezebert_mobile.benchmarks.measure.schedule import Preset
from squeezebert_mobile.benchmarks.profiles.runs import summarized
from squeezebert_mobile.benchmarks.profiles.trace import Trace
from squeezebert_mobile.benchmarks.records.reading import read_results
from squeezebert_mobile.errors import BenchmarkError
from squeezebert_mobile.runtime.sessions import executorch

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


def test_formats_without_a_profiler_are_named(pretend: Callable[..., Contender]) -> None:
    other = pretend("A", 0.01)
    check_profilable([other])
    object.__setattr__(other, "format", "executorch")
    check_profilable([other])
    object.__setattr__(other, "format", "litert")
    with pytest.raises(BenchmarkError) as caught:
        check_profilable([other])
    assert str(caught.value) == (
        "--profile needs a format whose runtime has a profiler in Python, and 'A' is litert; "
        "export it with --format onnx or executorch, or leave --profile out"
    )


# ExecuTorch ---------------------------------------------------------------------------------

_CALLED = "aten::add.out"
_RUN = (("OPERATOR_CALL", "", 0, 2000, 9000), ("Method::execute", "", 0, 1000, 10_000))


class _Program:
    """Writes what it is given; a run is nothing."""

    written: Any = write_etdump(*[_RUN] * 21)  # a lead-in and 20 runs

    def __init__(self, path: str, *, threads: int, etdump: bool) -> None:
        assert etdump

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def execute(self, inputs: list[Any]) -> None:
        assert [each.shape for each in inputs] == [(1, 8)] * 3

    def write_etdump(self, path: Path) -> None:
        if isinstance(self.written, str):
            raise RuntimeError(self.written)
        path.write_bytes(bytes(self.written))


@pytest.fixture
def program(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Contender:
    path = tmp_path / "m.pte"
    path.write_bytes(bytes(write_program(_CALLED)))
    monkeypatch.setattr(executorch, "Program", _Program)
    return file_contender(path, label="m", format="executorch", precision="fp32", vocab_size=100)


def test_the_runs_of_a_program(program: Contender) -> None:
    profiled = profile_contender(program, {8: _feed(8)}, threads=1)
    assert [len(runs) for runs in profiled.values()] == [20]
    assert {each.name for run in profiled[8] for each in run.operators} == {"add.out"}


@pytest.mark.parametrize(
    ("written", "error"),
    [
        (b"", "the ETDump of executorch {} cannot be read: it is no ETDump"),
        (b"\0" * 999, "the ETDump of executorch {} cannot be read: it is no ETDump"),
        (
            bytes(write_etdump(_RUN))[:-9],
            "the ETDump of executorch {} cannot be read: it is damaged: it is cut off",
        ),
        (write_etdump(*[_RUN] * 4), "ExecuTorch's event tracer recorded 4 of 21 runs"),
        (
            "No etdump data found, try rebuilding with the CMake option\nset to ON",
            "executorch {} wrote no ETDump: No etdump data found, try rebuilding with the CMake "
            "option; that needs executorch with an event tracer, as on PyPI, and room in ",
        ),
    ],
)
def test_what_is_no_profile_of_executorch_is_one_line(
    program: Contender, monkeypatch: pytest.MonkeyPatch, written: Any, error: str
) -> None:
    monkeypatch.setattr(_Program, "written", written)
    with pytest.raises(BenchmarkError) as caught:
        profile_contender(program, {8: _feed(8)}, threads=1)
    told = str(caught.value)
    assert told.startswith(error.format(version("executorch"))) and "\n" not in told


class _Chain(torch.nn.Module):
    """Products that take milliseconds."""

    def __init__(self) -> None:
        super().__init__()
        self.table = torch.nn.Embedding(100, 512)
        self.layers = torch.nn.Sequential(*(torch.nn.Linear(512, 512) for _ in range(4)))

    def forward(self, input_ids: Any, attention_mask: Any, token_type_ids: Any) -> Any:
        return self.layers(self.table(input_ids + attention_mask + token_type_ids))


@pytest.mark.executorch
@pytest.mark.filterwarnings("ignore")  # executorch's tools use what is deprecated
def test_operators_of_executorch_add_up_to_the_run(tmp_path: Path) -> None:
    """Within 5 %, as those of ONNX Runtime; XNNPACK runs most of them."""
    from executorch.backends.xnnpack.partition.xnnpack_partitioner import XnnpackPartitioner
    from executorch.exir import to_edge_transform_and_lower

    inputs = tuple(map(torch.from_numpy, _feed(64).values()))
    exported = torch.export.export(_Chain().eval(), inputs)
    lowered = to_edge_transform_and_lower(exported, partitioner=[XnnpackPartitioner()])
    path = tmp_path / "chain.pte"
    path.write_bytes(lowered.to_executorch().buffer)
    contender = file_contender(
        path, label="chain", format="executorch", precision="fp32", vocab_size=100
    )
    runs = profile_contender(contender, {64: _feed(64)}, threads=1)[64]
    profile = summarized(runs, "chain", 1, 64)
    assert profile.runs == 20 and profile.layers == ()
    assert profile.operators_ms == pytest.approx(profile.run_ms, rel=0.05)
    assert profile.delegated_ms is not None
    assert profile.run_ms / 2 < profile.delegated_ms <= profile.operators_ms
    calls = {each.name: each.calls for each in profile.operators}
    assert calls["Fully Connected (NC, F32) GEMM"] == 4 and calls["embedding.out"] == 1


def test_there_is_no_profile_in_the_app(cli: Any, assistant: Path) -> None:
    code, out, err = cli("bench", assistant, "--target", "app", "--profile", "--baseline", "none")
    assert (code, out) == (1, "")
    assert err == (
        "error: --profile only applies to this computer and --target adb; remove --profile, or "
        "measure with --target adb\n"
    )
