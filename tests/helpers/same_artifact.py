"""Is an artifact that is checked in what the exporter makes now?

Another processor sums in another order: floats may be off a little, and a rounded weight may fall
to the other side. Everything else is the same.
"""

import json
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import numpy_helper

from squeezebert_mobile.artifact import GOLDEN_FILE, MANIFEST_FILE

MODEL = "model.onnx"
#: Files that hold no computed number.
SAME_BYTES = ("tokenizer.json", "tokenizer_config.json", "vocab.txt")
#: What depends on the machine and the tools that made it: checksums, sizes, what was measured.
NOT_COMPARED = ("files", "parity", "versions", "source")
RELATIVE = 1e-3
MOST_STEPS = 1
#: Of all the whole numbers of a model, how many may be a step off.
MOST_OFF = 0.01


def assert_same(recorded: Path, made: Path) -> None:
    names = {path.name for path in made.iterdir()}
    assert {path.name for path in recorded.iterdir()} == names
    for name in SAME_BYTES:
        assert (recorded / name).read_bytes() == (made / name).read_bytes(), name
    _assert_same_manifest(*(_read(folder, MANIFEST_FILE) for folder in (recorded, made)))
    _assert_same_golden(*(_read(folder, GOLDEN_FILE) for folder in (recorded, made)))
    _assert_same_model(*(onnx.load(folder / MODEL) for folder in (recorded, made)))


def _read(folder: Path, name: str) -> dict[str, Any]:
    data: dict[str, Any] = json.loads((folder / name).read_text(encoding="utf-8"))
    return data


def _assert_same_manifest(recorded: dict[str, Any], made: dict[str, Any]) -> None:
    one, other = ({k: v for k, v in m.items() if k not in NOT_COMPARED} for m in (recorded, made))
    for manifest in (one, other):
        if manifest["quantization"]:  # how far Gelu's approximation moves the outputs
            manifest["quantization"]["approximated"] = [*manifest["quantization"]["approximated"]]
    assert one == other
    assert recorded["files"].keys() == made["files"].keys()
    assert recorded["versions"].keys() == made["versions"].keys()
    for name in ("name", "license"):
        assert recorded["source"][name] == made["source"][name]
    assert recorded["parity"]["outputs"].keys() == made["parity"]["outputs"].keys()
    assert recorded["parity"]["texts"] == made["parity"]["texts"]


def _assert_same_golden(recorded: dict[str, Any], made: dict[str, Any]) -> None:
    assert recorded["tolerance"].keys() == made["tolerance"].keys()
    assert len(recorded["texts"]) == len(made["texts"])
    for one, other in zip(recorded["texts"], made["texts"], strict=True):
        assert {**one, "outputs": None} == {**other, "outputs": None}
        assert one["outputs"].keys() == other["outputs"].keys()
        for name, output in one["outputs"].items():
            fresh = other["outputs"][name]
            assert all(output[key] == fresh[key] for key in ("shape", "indices"))
            tolerance = recorded["tolerance"][name]
            np.testing.assert_allclose(output["values"], fresh["values"], rtol=0, atol=tolerance)


def _assert_same_model(recorded: onnx.ModelProto, made: onnx.ModelProto) -> None:
    one, other = (_skeleton(model) for model in (recorded, made))
    assert one == other
    arrays = [
        {each.name: numpy_helper.to_array(each) for each in model.graph.initializer}
        for model in (recorded, made)
    ]
    steps = []
    for name, array in arrays[0].items():
        fresh = arrays[1][name]
        assert (array.shape, array.dtype) == (fresh.shape, fresh.dtype), name
        if array.dtype == np.int8:
            steps.append(np.abs(array.astype(int) - fresh.astype(int)).ravel())
        elif array.dtype == np.uint8:
            steps.append(_steps_of_packed(array, fresh))
        elif np.issubdtype(array.dtype, np.floating):
            _assert_close(name, array, fresh)
        else:
            np.testing.assert_array_equal(array, fresh, err_msg=name)
    if steps:
        off = np.concatenate(steps)
        assert off.max() <= MOST_STEPS
        assert (off > 0).mean() <= MOST_OFF


def _steps_of_packed(array: np.ndarray, fresh: np.ndarray) -> np.ndarray:
    """Two numbers of 4 bits a byte; a lone byte is a zero point."""
    pairs = ((array & 15, fresh & 15), (array >> 4, fresh >> 4))
    return np.concatenate([np.abs(a.astype(int) - b.astype(int)).ravel() for a, b in pairs])


def _assert_close(name: str, array: np.ndarray, fresh: np.ndarray) -> None:
    size = float(np.abs(array.astype(np.float64)).max(initial=0))
    tolerance = RELATIVE * size
    np.testing.assert_allclose(
        array.astype(np.float64), fresh.astype(np.float64), rtol=0, atol=tolerance, err_msg=name
    )


def _skeleton(model: onnx.ModelProto) -> dict[str, Any]:
    """Everything but the numbers that are stored."""
    copy = onnx.ModelProto()
    copy.CopyFrom(model)
    stored = {each.name: (tuple(each.dims), each.data_type) for each in copy.graph.initializer}
    del copy.graph.initializer[:]
    copy.producer_version = ""
    return {"stored": stored, "rest": onnx.printer.to_text(copy)}
