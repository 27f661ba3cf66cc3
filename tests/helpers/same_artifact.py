"""Checks that an artifact in the repository is what the exporter writes now.

Another processor adds in another order: floats may differ slightly, and a weight may round the
other way. Everything else must be the same.
"""

import json
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import numpy_helper

from squeezebert_mobile.artifact import GOLDEN_FILE, MANIFEST_FILE

MODEL = "model.onnx"
#: Files without computed numbers.
SAME_BYTES = ("tokenizer.json", "tokenizer_config.json", "vocab.txt")
#: Entries that depend on the machine and the tools: checksums, sizes, measurements.
NOT_COMPARED = ("files", "parity", "versions", "source")
RELATIVE = 1e-3
MAX_STEPS = 1
#: The share of a model's integers that may be a step off.
MAX_OFF_SHARE = 0.01


def assert_same(recorded: Path, exported: Path) -> None:
    names = {path.name for path in exported.iterdir()}
    assert {path.name for path in recorded.iterdir()} == names
    for name in SAME_BYTES:
        assert (recorded / name).read_bytes() == (exported / name).read_bytes(), name
    _assert_same_manifest(*(_read(folder, MANIFEST_FILE) for folder in (recorded, exported)))
    _assert_same_golden(*(_read(folder, GOLDEN_FILE) for folder in (recorded, exported)))
    _assert_same_model(*(onnx.load(folder / MODEL) for folder in (recorded, exported)))


def _read(folder: Path, name: str) -> dict[str, Any]:
    data: dict[str, Any] = json.loads((folder / name).read_text(encoding="utf-8"))
    return data


def _assert_same_manifest(recorded: dict[str, Any], exported: dict[str, Any]) -> None:
    manifests = [
        {key: value for key, value in manifest.items() if key not in NOT_COMPARED}
        for manifest in (recorded, exported)
    ]
    for manifest in manifests:
        if manifest["quantization"]:  # without how far Gelu's approximation moves the outputs
            manifest["quantization"]["approximated"] = [*manifest["quantization"]["approximated"]]
    assert manifests[0] == manifests[1]
    assert recorded["files"].keys() == exported["files"].keys()
    assert recorded["versions"].keys() == exported["versions"].keys()
    for name in ("name", "license"):
        assert recorded["source"][name] == exported["source"][name]
    assert recorded["parity"]["outputs"].keys() == exported["parity"]["outputs"].keys()
    assert recorded["parity"]["texts"] == exported["parity"]["texts"]


def _assert_same_golden(recorded: dict[str, Any], exported: dict[str, Any]) -> None:
    assert recorded["tolerance"].keys() == exported["tolerance"].keys()
    assert len(recorded["texts"]) == len(exported["texts"])
    for one, other in zip(recorded["texts"], exported["texts"], strict=True):
        assert {**one, "outputs": None} == {**other, "outputs": None}
        assert one["outputs"].keys() == other["outputs"].keys()
        for name, output in one["outputs"].items():
            fresh = other["outputs"][name]
            assert all(output[key] == fresh[key] for key in ("shape", "indices"))
            tolerance = recorded["tolerance"][name]
            np.testing.assert_allclose(output["values"], fresh["values"], rtol=0, atol=tolerance)


def _assert_same_model(recorded: onnx.ModelProto, exported: onnx.ModelProto) -> None:
    one, other = (_skeleton(model) for model in (recorded, exported))
    assert one == other
    arrays = [
        {each.name: numpy_helper.to_array(each) for each in model.graph.initializer}
        for model in (recorded, exported)
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
        assert off.max() <= MAX_STEPS
        assert (off > 0).mean() <= MAX_OFF_SHARE


def _steps_of_packed(array: np.ndarray, fresh: np.ndarray) -> np.ndarray:
    """The differences of 4-bit numbers, two per byte."""
    pairs = ((array & 15, fresh & 15), (array >> 4, fresh >> 4))
    return np.concatenate([np.abs(a.astype(int) - b.astype(int)).ravel() for a, b in pairs])


def _assert_close(name: str, array: np.ndarray, fresh: np.ndarray) -> None:
    size = float(np.abs(array.astype(np.float64)).max(initial=0))
    tolerance = RELATIVE * size
    np.testing.assert_allclose(
        array.astype(np.float64), fresh.astype(np.float64), rtol=0, atol=tolerance, err_msg=name
    )


def _skeleton(model: onnx.ModelProto) -> dict[str, Any]:
    """Everything but the stored numbers."""
    copy = onnx.ModelProto()
    copy.CopyFrom(model)
    stored = {each.name: (tuple(each.dims), each.data_type) for each in copy.graph.initializer}
    del copy.graph.initializer[:]
    copy.producer_version = ""
    return {"stored": stored, "rest": onnx.printer.to_text(copy)}
