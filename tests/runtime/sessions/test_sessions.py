import dataclasses
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import artifacts
import numpy as np
import onnx
import pytest

from squeezebert_mobile.artifact import read_manifest
from squeezebert_mobile.errors import ArtifactError, InputError
from squeezebert_mobile.runtime import OnnxSession, load_artifact, open_session
from squeezebert_mobile.tasks import TASKS

IDS = np.array([[2, 9, 10, 11, 3], [2, 12, 3, 0, 0]])
MASK = np.array([[1, 1, 1, 1, 1], [1, 1, 1, 0, 0]])


@pytest.fixture(scope="module")
def exported(tmp_path_factory: pytest.TempPathFactory) -> tuple[Any, Path]:
    return artifacts.write_artifact(tmp_path_factory.mktemp("session"), "text-classification")


@pytest.fixture(scope="module")
def session(exported: tuple[Any, Path]) -> Any:
    return open_session(exported[1], read_manifest(exported[1]), threads=1)


@pytest.mark.parametrize("task", TASKS)
def test_same_as_the_model(task: str, tmp_path: Path) -> None:
    """Sessions of all six tasks, with padding."""
    theirs, folder = artifacts.write_artifact(tmp_path, task)
    shape = (1, 2, 5) if TASKS[task].has_choices else (2, 5)
    feed = {
        "input_ids": IDS.reshape(shape),
        "attention_mask": MASK.reshape(shape),
        "token_type_ids": np.array([[0, 0, 1, 1, 1], [0, 1, 1, 0, 0]]).reshape(shape),
    }
    want = artifacts.outputs_of(theirs, feed)
    with open_session(folder, read_manifest(folder), threads=2) as session:
        outputs = session.run(feed)
    assert list(outputs) == list(TASKS[task].outputs)
    for name, array in outputs.items():
        assert array.dtype == np.float32
        np.testing.assert_allclose(array, want[name], atol=1e-5)


def test_optional_inputs(session: Any) -> None:
    full = {"input_ids": IDS, "attention_mask": IDS * 0 + 1, "token_type_ids": IDS * 0}
    want = session.run(full)["logits"]
    for name in ("attention_mask", "token_type_ids"):
        some = {key: value for key, value in full.items() if key != name}
        np.testing.assert_array_equal(session.run(some)["logits"], want)
    np.testing.assert_array_equal(session.run({"input_ids": IDS.tolist()})["logits"], want)
    for dtype in (np.int32, np.uint8):
        np.testing.assert_array_equal(session.run({"input_ids": IDS.astype(dtype)})["logits"], want)


@pytest.mark.parametrize(
    ("feed", "message"),
    [
        ({}, "the feed has no 'input_ids'"),
        ({"input_id": IDS}, "unknown input 'input_id'; did you mean 'input_ids'"),
        ({"input_ids": IDS * 1.0}, r"'input_ids' must hold integers \(int64\), not float64"),
        ({"input_ids": [["a"]]}, r"'input_ids' must hold integers \(int64\), not <U1"),
        ({"input_ids": [[1, 2], [3]]}, "'input_ids' has rows of different lengths"),
        ({"input_ids": IDS[0]}, r"has shape \(5,\), but this model takes \[batch, sequence\]"),
        ({"input_ids": IDS[None]}, r"has shape \(1, 2, 5\), but this model takes"),
        ({"input_ids": IDS[:0]}, r"has shape \(0, 5\), but this model takes"),
        ({"input_ids": IDS[:, :0]}, r"has shape \(2, 0\), but this model takes"),
        ({"input_ids": np.ones((1, 41), int)}, "has 41 tokens per row, .* takes at most 40"),
        ({"input_ids": IDS + 60}, "'input_ids' holds 72, but this model takes 0 to 63"),
        ({"input_ids": IDS - 1}, "'input_ids' holds -1, but this model takes 0 to 63"),
        (
            {"input_ids": IDS, "attention_mask": MASK[:1]},
            r"'attention_mask' has shape \(1, 5\), but 'input_ids' has \(2, 5\)",
        ),
        ({"input_ids": IDS, "attention_mask": IDS}, "'attention_mask' holds 12, .* 0 to 1"),
        ({"input_ids": IDS, "token_type_ids": MASK * 1.5}, "'token_type_ids' must hold integers"),
        ({"input_ids": IDS, "token_type_ids": IDS}, "the model cannot run this input: "),
    ],
)
def test_bad_feeds(session: Any, feed: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message) as raised:
        session.run(feed)
    assert "\n" not in str(raised.value)


def test_a_fixed_shape(tmp_path: Path) -> None:
    fixed = {"batch": 1, "sequence": 7}
    _, folder = artifacts.write_artifact(tmp_path, "text-classification", fixed=fixed)
    with open_session(folder, read_manifest(folder), threads=1) as session:
        assert session.run({"input_ids": [[1] * 7]})["logits"].shape == (1, 5)
        with pytest.raises(InputError, match=r"has shape \(1, 6\), but this model takes \[1, 7\]"):
            session.run({"input_ids": [[1] * 6]})
        with pytest.raises(InputError, match=r"has shape \(2, 7\), but this model takes \[1, 7\]"):
            session.run({"input_ids": [[1] * 7] * 2})


def test_closed(exported: tuple[Any, Path]) -> None:
    session = open_session(exported[1], read_manifest(exported[1]))
    session.run({"input_ids": IDS})
    session.close()
    session.close()
    with pytest.raises(InputError, match="this session is closed"):
        session.run({"input_ids": IDS})


@pytest.mark.parametrize("threads", [0, -1, True, "2", 2.0])
def test_bad_threads(exported: tuple[Any, Path], threads: Any) -> None:
    message = re.escape(f"threads={threads!r} must be a whole number of at least 1, or None")
    with pytest.raises(InputError, match=message):
        open_session(exported[1], read_manifest(exported[1]), threads=threads)
    with pytest.raises(InputError, match=message):  # before anything is read
        load_artifact(exported[1] / "none", threads=threads)


@pytest.mark.parametrize("damage", [b"not a model", b"Mat\xb2ul"])
def test_a_model_that_does_not_load(
    exported: tuple[Any, Path],
    tmp_path: Path,
    damage: bytes,
    capfd: pytest.CaptureFixture[str],
) -> None:
    folder = tmp_path / "broken"
    shutil.copytree(exported[1], folder)
    model = (folder / "model.onnx").read_bytes()
    # An operator whose name is not UTF-8: ONNX Runtime would print its error, and try again.
    data = model.replace(b"MatMul", damage) if len(damage) == 6 else damage
    (folder / "model.onnx").write_bytes(data)
    with pytest.raises(ArtifactError, match="onnxruntime .* cannot load .*model.onnx'") as raised:
        OnnxSession(folder / "model.onnx", read_manifest(folder).spec, threads=None)
    assert "\n" not in str(raised.value)
    assert capfd.readouterr() == ("", "")


def test_a_model_with_other_inputs_or_outputs(exported: tuple[Any, Path], tmp_path: Path) -> None:
    folder = tmp_path / "renamed"
    shutil.copytree(exported[1], folder)
    model = onnx.load(folder / "model.onnx")
    model.graph.node.add(op_type="Identity", input=["logits"], output=["scores"])
    model.graph.output[0].name = "scores"
    onnx.save(model, folder / "model.onnx")
    message = r"has the outputs \['scores'\], but its manifest says \['logits'\]"
    with pytest.raises(ArtifactError, match=message):
        OnnxSession(folder / "model.onnx", read_manifest(folder).spec, threads=None)
    spec = read_manifest(folder).spec
    one_input = dataclasses.replace(spec, inputs=spec.inputs[:1])
    with pytest.raises(ArtifactError, match="has the inputs"):
        OnnxSession(folder / "model.onnx", one_input, threads=None)


def test_importing_the_runtime_is_light() -> None:
    code = (
        "import sys, squeezebert_mobile.runtime\n"
        "heavy = {'torch', 'onnx', 'onnxruntime', 'transformers', 'huggingface_hub'}\n"
        "sys.exit(', '.join(heavy & set(sys.modules)) or 0)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stderr) == (0, "")


def test_running_an_artifact_imports_no_torch(exported: tuple[Any, Path]) -> None:
    code = (
        "import sys\n"
        "from squeezebert_mobile.runtime import load_artifact\n"
        "print(load_artifact(sys.argv[1])('wake me'))\n"
        "heavy = {'torch', 'onnx', 'transformers', 'huggingface_hub'}\n"
        "sys.exit(', '.join(heavy & set(sys.modules)) or 0)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(exported[1])], capture_output=True, text=True, timeout=60
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.strip()
