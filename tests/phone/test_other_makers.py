"""Model files of other makers beside an artifact, on a stand-in for a phone."""

import base64
import json
import os
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper
from phone_run import SHORT, Run
from phone_stand_in import AdbServer, StandIn
from small_artifact import write_small_artifact

from squeezebert_mobile.benchmarks import artifact_contenders
from squeezebert_mobile.benchmarks.inputs.specs import parse_input
from squeezebert_mobile.benchmarks.measure.contenders import Contender
from squeezebert_mobile.benchmarks.phone.adb.errors import PhoneError
from squeezebert_mobile.benchmarks.phone.plain import check_inputs, plain_job
from squeezebert_mobile.benchmarks.profiles.trace import Trace
from squeezebert_mobile.benchmarks.records.events import VisitMeasured
from squeezebert_mobile.benchmarks.records.results import Results
from squeezebert_mobile.benchmarks.report.caveats import notes

pytestmark = [pytest.mark.phone, pytest.mark.timeout(120)]


def _other(path: Path, scale: int = TensorProto.FLOAT, *, runs: bool = True) -> Path:
    """Adds ids and another input, whose sizes do not fit together if it is not to run."""
    nodes = [
        helper.make_node("Cast", ["input_ids"], ["x"], to=scale),
        helper.make_node("Add", ["x", "scale"], ["sum"]),
    ]
    inputs = [
        helper.make_tensor_value_info("input_ids", TensorProto.INT32, (1, "n")),
        helper.make_tensor_value_info("scale", scale, [1] if runs else [7]),
    ]
    outputs = [helper.make_tensor_value_info("sum", scale, [1, "n"])]
    opset = [helper.make_opsetid("", 17)]
    graph = helper.make_graph(nodes, "other", inputs, outputs)
    onnx.save(helper.make_model(graph, opset_imports=opset, ir_version=9), path)
    return path


@pytest.fixture
def contenders(run: Run) -> list[Contender]:
    """An artifact, and a file with a name that a shell would take for something else."""
    write_small_artifact(run.folder / "ours")
    other = _other(run.folder / "other $(reboot) 'q'.onnx")
    return artifact_contenders([run.folder / "ours", other], given=[parse_input("scale=ones")])


@pytest.fixture
def jobs(run: Run, monkeypatch: pytest.MonkeyPatch) -> Iterator[list[dict[str, Any]]]:
    """The jobs that are sent."""
    seen: list[dict[str, Any]] = []
    push = type(run.device).push

    def look(device: Any, local: Any, remote: str, **options: Any) -> None:
        if "/job-" in remote:
            seen.append(json.loads(local.read_text()))
        push(device, local, remote, **options)

    monkeypatch.setattr(type(run.device), "push", look)
    yield seen


def _check(run: Run, results: Results) -> None:
    assert results.complete and not results.failures
    (_, label) = (each.label for each in results.contenders)
    assert label == "other $(reboot) 'q'.onnx"
    assert [each.contender for each in results.measurements] == ["ours", label]
    assert set(results.answers) == {"ours"} and set(results.phone_starts) == {"ours", label}
    (note,) = [each for each in notes(results) if each.startswith("Answers not checked")]
    assert f"({label})" in note
    visits = [event for event in run.events if isinstance(event, VisitMeasured)]
    assert set(Counter((each.block, each.place) for each in visits).values()) == {1}
    assert len(visits) == 2 * 4


def test_a_model_file_beside_an_artifact(
    run: Run, contenders: list[Contender], jobs: list[dict[str, Any]]
) -> None:
    results = run.measure(contenders=contenders)
    _check(run, results)
    job = next(job for job in jobs if "plain" in job)
    assert (job["protocol"], job["golden"], job["inputs"]) == (2, False, {})
    assert job["artifact"].endswith("/model.onnx")
    (inputs,) = job["plain"]["inputs"].values()
    ids, scale = inputs["tensors"]
    assert (ids["name"], ids["type"], ids["shape"]) == ("input_ids", "int32", [1, 8])
    assert (scale["name"], scale["type"], scale["shape"]) == ("scale", "float32", [1])
    assert np.frombuffer(base64.b64decode(scale["data"]), "<f4").tolist() == [1.0]
    assert {job["protocol"] for job in jobs if "plain" not in job} == {1}


def test_the_connection_is_lost_and_the_run_resumed(run: Run, contenders: list[Contender]) -> None:
    with pytest.raises(PhoneError):
        run.measure(
            contenders=contenders, at="1 thread, length 8", nth=2, do=lambda: run.phone.drop()
        )
    before = run.events
    run.server.wait_for(run.phone, "device")
    results = run.measure(contenders=contenders, resume=True)
    assert run.events[: len(before)] == before
    _check(run, results)


def test_with_all_that_only_artifacts_have(run: Run, contenders: list[Contender]) -> None:
    results = run.measure(contenders=contenders, from_text=True, trace=Trace(), preset=SHORT)
    assert [each.contender for each in results.from_text] == ["ours"] == [*results.first_answers]
    label = contenders[1].label
    assert {each.contender: each.error for each in results.not_profiled} == {
        label: "on phones only artifacts are profiled, and this is a model file"
    }


def test_a_file_that_changed_on_the_computer_is_not_resumed(
    run: Run, contenders: list[Contender]
) -> None:
    def stop() -> None:
        raise KeyboardInterrupt

    assert not run.measure(contenders=contenders, at="1 thread, length 8", nth=2, do=stop).complete
    path = _other(Path(contenders[1].path), TensorProto.DOUBLE)
    again = artifact_contenders([run.folder / "ours", path], given=[parse_input("scale=ones")])
    with pytest.raises(PhoneError, match="the artifacts differ from when the run began"):
        run.measure(contenders=again, resume=True)


def test_a_model_that_the_phone_cannot_load_is_left_out(
    run: Run, contenders: list[Contender]
) -> None:
    error = {"at": "load", "kind": "model", "message": "ONNX Runtime cannot load it: too new"}
    run.phone.pretend(error=error)

    def accept() -> None:
        run.phone.pretend(error={"at": "nowhere"})

    results = run.measure(contenders=contenders[::-1], at="check ours", do=accept)
    assert [(each.contender, each.stage) for each in results.failures] == [
        (contenders[1].label, "load")
    ]
    assert [each.contender for each in results.measurements] == ["ours"]


def test_with_the_runners_own_code(adb_server: AdbServer, assistant: Path, tmp_path: Path) -> None:
    """As `make test-phone` has built it, and ONNX Runtime of the desktop."""
    class_path = os.environ["STAND_IN_RUNNER_CLASSPATH"]
    other = _other(tmp_path / "other.onnx")
    wrong = _other(tmp_path / "wrong.onnx", runs=False)
    given = [parse_input("scale=ones")]
    contenders = artifact_contenders([assistant, other, wrong], given=given)
    with StandIn(tmp_path / "phone", "pixel 8", runner_classpath=class_path) as phone:
        adb_server.connect(phone)
        results = Run(tmp_path, adb_server, phone).measure(
            contenders=contenders, from_text=True, sequence_lengths=(16,)
        )
        adb_server.disconnect(phone)
    labels = [contenders[0].label, "other.onnx"]
    assert results.complete
    assert [each.contender for each in results.measurements] == labels
    assert [each.contender for each in results.from_text] == labels[:1] == [*results.first_answers]
    (failure,) = results.failures
    assert failure.contender == "wrong.onnx"
    assert "the model cannot run this input: " in failure.error


def test_types_that_a_runtime_on_phones_does_not_take(tmp_path: Path) -> None:
    path = _other(tmp_path / "other.onnx", TensorProto.DOUBLE)
    (contender,) = artifact_contenders([path], given=[parse_input("scale=ones")])
    check_inputs([contender])
    for format, runtime, types in (
        ("litert", "LiteRT", "float32, int32"),
        ("executorch", "ExecuTorch", "float32, int32, int64"),
    ):
        with pytest.raises(PhoneError) as caught:
            check_inputs([Contender(**{**vars(contender), "format": format})])
        assert str(caught.value) == (
            f"'other.onnx' has the input 'scale' of type float64, and {runtime}'s API for Java "
            f"takes {types}; convert the model with such inputs, or measure it on this computer"
        )


def test_a_litert_file_is_run_by_its_signature(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = _other(tmp_path / "other.onnx")
    (contender,) = artifact_contenders([path], given=[parse_input("scale=ones")])
    from squeezebert_mobile.benchmarks.measure.settings import make_settings
    from squeezebert_mobile.benchmarks.phone import plain

    monkeypatch.setattr(plain, "litert_signature", lambda path, length: (f"length_{length}", ["y"]))
    litert = Contender(**{**vars(contender), "format": "litert"})
    job = plain_job(litert, make_settings([litert], SHORT, (1,), [8, 16]), [8, 16])
    assert job["inputs"]["16"]["signature"] == "length_16"
    assert job["inputs"]["8"]["outputs"] == ["y"] and job["sha256"] == contender.sha256
