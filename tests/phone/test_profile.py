"""Profiles on a stand-in: read as on the host, resumed, and missing where there is none."""

import json
from collections import Counter
from pathlib import Path

import pytest
from phone_run import Run
from small_artifact import write_small_artifact

from squeezebert_mobile.benchmarks.measure.schedule import Preset
from squeezebert_mobile.benchmarks.phone.adb.errors import PhoneError
from squeezebert_mobile.benchmarks.profiles.trace import Trace
from squeezebert_mobile.benchmarks.records.events import Profiled
from squeezebert_mobile.benchmarks.records.results import Results

pytestmark = [pytest.mark.phone, pytest.mark.timeout(120)]

PRESET = Preset("short", runs=2, seconds=0, blocks=1, starts=1)


def _slices(trace: Trace, folder: Path) -> Counter[tuple[str, str]]:
    """How often each model has a run, a layer or an operator of a name in the trace."""
    path = folder / "r.trace.json"
    trace.write(path, results=folder / "r.json")
    events = json.loads(path.read_text())["traceEvents"]
    names = {e["pid"]: e["args"]["name"] for e in events if e["name"] == "process_name"}
    return Counter((names[e["pid"]], e["name"]) for e in events if e["ph"] == "X")


def _check(results: Results, trace: Trace, folder: Path) -> None:
    assert results.complete and not results.not_profiled
    assert [each.contender for each in results.profiles] == ["ours", "theirs"]
    for profile in results.profiles:
        assert (profile.threads, profile.sequence_length, profile.runs) == (1, 8, 20)
        assert {share.name for share in profile.operators} == {"MatMul", "Gemm"}
        assert [s.name for s in profile.layers] == ["encoder.0.attention", "classifier"]
        assert profile.operators_ms == pytest.approx(profile.run_ms, rel=0.05)
        assert profile.run_ms == pytest.approx(1.0, rel=0.1)
    slices = _slices(trace, folder)
    assert slices["ours", "run"] == slices["theirs", "run"] == slices["theirs", "MatMul"] == 20


def test_faults_in_the_middle_lose_nothing(run: Run) -> None:
    """Android kills a runner, then the connection is lost while the second model is profiled."""
    run.phone.pretend(latency_ms={"*": 16.0})

    def faults() -> None:
        run.phone.faults.kill_runner(lines=7)

    with pytest.raises(PhoneError, match="disconnected|offline|was lost") as caught:
        run.measure(trace=Trace(), preset=PRESET, at="profile theirs", do=lambda: run.phone.drop())
    assert "with --resume" in "".join(caught.value.__notes__)
    profiled = [e.profile.contender for e in run.events if isinstance(e, Profiled)]
    assert profiled == ["ours"]
    run.server.wait_for(run.phone, "device")
    trace = Trace()
    results = run.measure(trace=trace, preset=PRESET, resume=True, at="profile theirs", do=faults)
    _check(results, trace, run.folder)
    again = Trace()
    assert run.measure(trace=again, preset=PRESET, resume=True) == results
    assert _slices(again, run.folder) == _slices(trace, run.folder)
    assert not [path for path in run.phone.home.rglob("*profile*")]  # removed from the phone


def test_what_has_no_profile(run: Run) -> None:
    """Each is a line; the figures are there all the same."""
    write_small_artifact(run.folder / "ours", format="executorch")
    run.phone.pretend(latency_ms={"*": 16.0}, profile="[1, 2]")
    results = run.measure(trace=Trace(), preset=PRESET)
    assert results.complete and len(results.measurements) == 2 and not results.profiles
    told = {each.contender: each.error for each in results.not_profiled}
    assert told["ours"] == (
        "on phones only ONNX Runtime has a profiler, and this artifact is in the format executorch"
    )
    assert told["theirs"].startswith("the file is no profile of ONNX Runtime (TypeError(")
