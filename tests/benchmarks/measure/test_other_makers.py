"""Model files of other makers, measured beside artifacts."""

import json
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import onnx
import pytest
from commands import Cli
from onnx import TensorProto, helper

from squeezebert_mobile.benchmarks.inputs.specs import parse_input
from squeezebert_mobile.benchmarks.measure import plain_files
from squeezebert_mobile.benchmarks.measure.contenders import (
    artifact_contenders,
    feed_arguments,
    make_feed,
    open_model,
)
from squeezebert_mobile.benchmarks.measure.host import measure_host
from squeezebert_mobile.benchmarks.measure.schedule import Preset
from squeezebert_mobile.benchmarks.measure.settings import make_settings
from squeezebert_mobile.benchmarks.report.caveats import notes
from squeezebert_mobile.errors import BenchmarkError

PRESET = Preset("short", runs=4, seconds=0, blocks=2, starts=1)


def _other(path: Path, name: str = "input_ids", shape: tuple[Any, ...] = (1, "n")) -> Path:
    """Sums up ids of int32, and the numbers of another input."""
    nodes = [
        helper.make_node("Cast", [name], ["x"], to=TensorProto.FLOAT),
        helper.make_node("ReduceSum", ["x"], ["a"], keepdims=0),
        helper.make_node("ReduceSum", ["scale"], ["b"], keepdims=0),
        helper.make_node("Add", ["a", "b"], ["sum"]),
    ]
    graph = helper.make_graph(
        nodes,
        "other",
        [
            helper.make_tensor_value_info(name, TensorProto.INT32, shape),
            helper.make_tensor_value_info("scale", TensorProto.FLOAT, [2, 3]),
        ],
        [helper.make_tensor_value_info("sum", TensorProto.FLOAT, [])],
    )
    opset = [helper.make_opsetid("", 17)]
    onnx.save(helper.make_model(graph, opset_imports=opset, ir_version=9), path)
    return path


def test_a_model_file_beside_an_artifact(
    make_artifact: Callable[..., Path], tmp_path: Path
) -> None:
    models = [make_artifact("ours"), _other(tmp_path / "other.onnx")]
    contenders = artifact_contenders(models, given=[parse_input("scale=ones")])
    assert [each.label for each in contenders] == ["ours", "other.onnx"]
    results = measure_host(contenders, preset=PRESET, sequence_lengths=[8, 12])
    assert results.complete and not results.failures
    assert len(results.measurements) == 4 and set(results.starts) == {"ours", "other.onnx"}
    facts = results.contenders[1]
    assert (facts.origin, facts.weights, facts.task, facts.precision) == (
        "file",
        "unknown",
        None,
        "unknown",
    )
    assert facts.file_bytes == models[1].stat().st_size
    (note,) = [each for each in notes(results) if each.startswith("Answers not checked")]
    assert "(other.onnx)" in note


def test_the_inputs_are_what_the_file_declares(tmp_path: Path) -> None:
    (contender,) = artifact_contenders(
        [_other(tmp_path / "other.onnx")], given=[parse_input("scale=ones")]
    )
    settings = make_settings([contender], PRESET, [1], [8])
    arguments = json.loads(json.dumps(feed_arguments(contender, settings, 8)))
    feed = make_feed(**arguments)
    assert {name: (array.dtype.name, array.shape) for name, array in feed.items()} == {
        "input_ids": ("int32", (1, 8)),
        "scale": ("float32", (2, 3)),
    }
    (total,) = open_model(contender, threads=1)(feed)  # type: ignore[misc]
    assert total == feed["input_ids"].sum() + 6 and feed["input_ids"].max() < 1000


def test_a_fixed_length_is_that_of_the_run(tmp_path: Path) -> None:
    path = _other(tmp_path / "fixed.onnx", shape=(1, 24))
    contenders = artifact_contenders([path], given=[parse_input("scale=zeros")])
    assert make_settings(contenders, PRESET, [1], None).sequence_lengths == (24,)
    with pytest.raises(BenchmarkError, match="'fixed.onnx' was exported for sequence length 24"):
        make_settings(contenders, PRESET, [1], [8])


def test_a_litert_file_with_one_signature(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Interpreter:
        def __init__(self, path: str, num_threads: int = 1) -> None:
            pass

        def get_signature_list(self) -> dict[str, Any]:
            return {"serving_default": {}}

        def get_signature_runner(self, name: str) -> Any:
            assert name == "serving_default"

            def runner(**arrays: Any) -> dict[str, Any]:
                return {"sum": arrays["input_ids"].sum()}

            runner.get_input_details = lambda: {  # type: ignore[attr-defined]
                "input_ids": {"dtype": np.int32, "shape": [1, 1], "shape_signature": [1, -1]}
            }
            return runner

    module = ModuleType("ai_edge_litert.interpreter")
    module.Interpreter = Interpreter  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "ai_edge_litert", ModuleType("ai_edge_litert"))
    monkeypatch.setitem(sys.modules, "ai_edge_litert.interpreter", module)
    path = tmp_path / "other.tflite"
    path.write_bytes(b"tflite")
    (contender,) = artifact_contenders([path])
    feed = make_feed(**feed_arguments(contender, make_settings([contender], PRESET, [1], [8]), 8))
    assert feed["input_ids"].dtype == np.int32
    assert open_model(contender, threads=1)(feed) == feed["input_ids"].sum()


def test_the_inputs_of_a_program_have_an_order(monkeypatch: pytest.MonkeyPatch) -> None:
    from squeezebert_mobile.runtime.sessions import executorch

    class Program:
        inputs = ((4, [1, 512]), (6, [1, 512]), (4, [1, 512]), (3, []))

        def __init__(self, path: str, *, threads: int) -> None:
            pass

        def __enter__(self) -> "Program":
            return self

        def __exit__(self, *_: object) -> None:
            pass

    monkeypatch.setattr(executorch, "Program", Program)
    found = plain_files.declared_inputs(Path("m.pte"), "executorch", [parse_input("ids=ids")])
    assert [(each.name, each.dtype, each.shape) for each in found] == [
        ("ids", "int64", (1, None)),
        ("input_ids", "float32", (1, None)),
        ("attention_mask", "int64", (1, None)),
        ("token_type_ids", "int32", ()),
    ]


# What is refused ----------------------------------------------------------------------------


def _error(cli: Cli, *words: object) -> str:
    code, out, err = cli("bench", *words)
    assert (code, out) == (1, "") and err.startswith("error: ") and err.count("\n") == 1, err
    return err


def test_bad_files_are_one_line(cli: Cli, tmp_path: Path, assistant: Path) -> None:
    for name, content in (("damaged.onnx", b"\x08\x07onnx?"), ("empty.onnx", b"")):
        path = tmp_path / name
        path.write_bytes(content)
        assert f"{str(path)!r} cannot be loaded: " in _error(cli, assistant, path)
    assert "no such model file" in _error(cli, tmp_path / "nowhere.onnx")
    other = _other(tmp_path / "other.onnx")
    assert "has an input 'scale' (float32, 2x3), which no name says" in _error(cli, other)
    message = _error(cli, other, "--input", "scale=ones", "--input", "scales=ones")
    assert "unknown input of the model files 'scales'; did you mean 'scale'" in message
    assert "is for model files of other makers" in _error(cli, assistant, "--input", "a=ones")
    assert "is not NAME=FILL" in _error(cli, other, "--input", "scale")


def test_some_options_are_for_artifacts_only(cli: Cli, tmp_path: Path, assistant: Path) -> None:
    other = _other(tmp_path / "other.onnx")
    message = _error(cli, assistant, other, "--target", "app")
    assert "is a model file, and --target app measures artifacts only, whose answers" in message
    message = _error(cli, assistant, other, "--target", "adb", "--accelerator", "gpu")
    assert message.endswith("checks; leave the file or --accelerator out\n")
    message = _error(cli, assistant, "--input", "scale=ones", "--target", "app")
    assert "--input is for model files, not for --target app; remove it" in message
