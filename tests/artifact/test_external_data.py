"""Weights of an ONNX model in other files: only files that the manifest lists are read."""

import contextlib
import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from onnx import TensorProto, helper, numpy_helper
from onnx.external_data_helper import set_external_data
from small_artifact import write_small_artifact

from squeezebert_mobile.artifact import file_facts, read_artifact
from squeezebert_mobile.artifact.external_data import check_external_data
from squeezebert_mobile.errors import ArtifactError

Place = Callable[[TensorProto], onnx.ModelProto]  # a model with the tensor at some place


def _tensor(location: str) -> TensorProto:
    tensor = numpy_helper.from_array(np.zeros(4, np.float32), "weights")
    set_external_data(tensor, location, offset=0, length=16)
    tensor.ClearField("raw_data")
    tensor.data_location = TensorProto.EXTERNAL
    return tensor


def _model(nodes: list[onnx.NodeProto], *tensors: TensorProto) -> onnx.ModelProto:
    inside = numpy_helper.from_array(np.arange(5000, dtype=np.float32), "inside")
    graph = helper.make_graph(nodes, "graph", [], [], [inside, *tensors])
    return helper.make_model(graph)


def _initializer(tensor: TensorProto) -> onnx.ModelProto:
    return _model([], tensor)


def _constant(tensor: TensorProto) -> onnx.ModelProto:
    return _model([helper.make_node("Constant", [], ["c"], value=tensor)])


def _list(tensor: TensorProto) -> onnx.ModelProto:
    node = helper.make_node("Some", [], ["c"])
    node.attribute.add(name="tensors", type=onnx.AttributeProto.TENSORS).tensors.append(tensor)
    return _model([node])


def _branch(tensor: TensorProto) -> onnx.ModelProto:
    graph = helper.make_graph([], "branch", [], [], [tensor])
    return _model([helper.make_node("If", ["b"], ["c"], then_branch=graph, else_branch=graph)])


def _loop_in_a_branch(tensor: TensorProto) -> onnx.ModelProto:
    inner = helper.make_graph([], "inner", [], [], [tensor])
    loop = helper.make_graph([helper.make_node("Loop", [], ["c"], body=inner)], "outer", [], [])
    return _model([helper.make_node("If", ["b"], ["c"], then_branch=loop)])


def _sparse(tensor: TensorProto) -> onnx.ModelProto:
    model = _model([])
    model.graph.sparse_initializer.add().values.CopyFrom(tensor)
    return model


def _function(tensor: TensorProto) -> onnx.ModelProto:
    node = helper.make_node("Constant", [], ["c"], value=tensor)
    model = _model([])
    model.functions.append(helper.make_function("d", "f", [], ["c"], [node], []))
    return model


def _training(tensor: TensorProto) -> onnx.ModelProto:
    model = _model([])
    model.training_info.add().algorithm.initializer.append(tensor)
    return model


PLACES: tuple[Place, ...] = (
    *(_initializer, _constant, _list, _branch, _loop_in_a_branch, _sparse, _function, _training),
)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    write_small_artifact(tmp_path / "artifact")
    return tmp_path / "artifact"


def _list_files(folder: Path, *names: str) -> None:
    path = folder / "manifest.json"
    manifest = json.loads(path.read_text(encoding="utf-8"))
    for name in names:
        manifest["files"][name] = file_facts(folder / name).model_dump()
    path.write_text(json.dumps(manifest), encoding="utf-8")


@pytest.mark.parametrize("place", PLACES)
def test_weights_in_an_unlisted_file_are_refused(folder: Path, place: Place) -> None:
    onnx.save(place(_tensor("extra.data")), folder / "model.onnx")
    (folder / "extra.data").write_bytes(bytes(16))
    _list_files(folder, "model.onnx")
    with pytest.raises(ArtifactError) as caught:
        read_artifact(folder)
    assert str(caught.value) == (
        f"the model {str(folder / 'model.onnx')!r} reads weights from 'extra.data', which its "
        "manifest does not list; export the checkpoint again"
    )
    _list_files(folder, "extra.data")
    assert read_artifact(folder)


@pytest.mark.parametrize(
    "location", ["../outside.data", "/etc/hostname", "sub/extra.data", "./model.onnx", ""]
)
def test_weights_in_other_folders_are_refused(folder: Path, location: str) -> None:
    onnx.save(_initializer(_tensor(location)), folder / "model.onnx")
    _list_files(folder, "model.onnx")
    with pytest.raises(ArtifactError, match="reads weights from .* which its manifest does not"):
        read_artifact(folder)


def test_one_of_many_tensors(folder: Path) -> None:
    tensors = [_tensor("model.onnx.data") for _ in range(50)] + [_tensor("other.data")]
    onnx.save(_model([], *tensors), folder / "model.onnx")
    (folder / "model.onnx.data").write_bytes(bytes(16))
    _list_files(folder, "model.onnx", "model.onnx.data")
    with pytest.raises(ArtifactError, match=r"reads weights from 'other\.data'"):
        read_artifact(folder)


@pytest.mark.parametrize(
    "hidden",
    [
        b"\x0b\x0a\x01x\x0c",  # a group that has a field 1, after the key
        b"\x18\x01",  # an unknown number
        b"\x1a\x03abc",  # an unknown text
    ],
)
def test_unknown_fields_hide_nothing(tmp_path: Path, hidden: bytes) -> None:
    entry = b"\x0a\x08location" + hidden + b"\x12\x05other"
    tensor = b"\x6a" + bytes([len(entry)]) + entry
    graph = b"\x2a" + bytes([len(tensor)]) + tensor
    (tmp_path / "model.onnx").write_bytes(b"\x3a" + bytes([len(graph)]) + graph)
    with pytest.raises(ArtifactError, match="reads weights from 'other'"):
        check_external_data(tmp_path / "model.onnx", {})


@given(st.binary(max_size=200), st.integers(0, 60), st.booleans())
def test_damaged_models_end(
    tmp_path_factory: pytest.TempPathFactory, noise: bytes, place: int, whole: bool
) -> None:
    path = tmp_path_factory.mktemp("damaged") / "model.onnx"
    data = b"" if whole else _constant(_tensor("model.onnx")).SerializeToString()[-150:]
    path.write_bytes(data[:place] + noise + data[place:])
    with contextlib.suppress(ArtifactError):
        check_external_data(path, {"model.onnx": None})


def test_a_field_that_readers_number_differently(tmp_path: Path) -> None:
    """protobuf's C++ reader drops the bits of a field's number above the 32nd."""
    path = tmp_path / "model.onnx"
    graph = _initializer(_tensor("elsewhere")).graph.SerializeToString()
    path.write_bytes(_varint((7 << 3 | 2) + (1 << 32)) + _varint(len(graph)) + graph)
    with pytest.raises(ArtifactError, match="is damaged: a field has a number out of range"):
        check_external_data(path, {})


def _varint(value: int) -> bytes:
    content = []
    while value >= 0x80:
        content.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*content, value])
