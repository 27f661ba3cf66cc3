"""The weights of a large ONNX model in a file of their own are as safe as in the model."""

from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
import tiny

from squeezebert_mobile.artifact import read_artifact
from squeezebert_mobile.errors import ArtifactError
from squeezebert_mobile.export import export_checkpoint
from squeezebert_mobile.export.backends.onnx import external_data
from squeezebert_mobile.models.checkpoint import shipped_texts
from squeezebert_mobile.runtime import load_artifact

TEXTS = ["what is it, Dog?", "the cat sat on the mat " * 4]


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("checkpoint")
    tiny.write_checkpoint(folder)
    return folder


def _exported(checkpoint: Path, folder: Path, precision: str, least: int) -> Path:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(external_data, "_MIN_MODEL", least)
        patch.setattr(external_data, "_MIN_TENSOR", 64)
        export_checkpoint(checkpoint, folder, precision=precision, texts=shipped_texts()[::8])
    return folder


@pytest.mark.parametrize("precision", ["fp32", "fp16", "int8", "int4"])
def test_outputs_are_those_of_one_file(checkpoint: Path, tmp_path: Path, precision: str) -> None:
    whole = _exported(checkpoint, tmp_path / "whole", precision, least=10**9)
    parted = _exported(checkpoint, tmp_path / "parted", precision, least=0)
    assert not (whole / "model.onnx.data").exists()
    facts = read_artifact(parted).files
    assert facts["model.onnx.data"].bytes > 5_000
    with load_artifact(whole, threads=1) as one, load_artifact(parted, threads=1) as two:
        for text in TEXTS:
            assert np.array_equal(one(text).sentence, two(text).sentence)
    # Alignment leaves gaps.
    assert read_artifact(whole).model_bytes < read_artifact(parted).model_bytes


def test_tensors_are_aligned(checkpoint: Path, tmp_path: Path) -> None:
    folder = _exported(checkpoint, tmp_path / "parted", "int8", least=0)
    graph = onnx.load(folder / "model.onnx", load_external_data=False).graph
    found = [
        {entry.key: entry.value for entry in tensor.external_data}
        for tensor in graph.initializer
        if tensor.data_location == onnx.TensorProto.EXTERNAL
    ]
    assert len(found) > 20
    assert all(int(each["offset"]) % 64 == 0 for each in found)
    assert {each["location"] for each in found} == {"model.onnx.data"}


def test_the_models_checksum_depends_on_the_weights(tmp_path: Path) -> None:
    sums = []
    for seed in (0, 1):
        tiny.write_checkpoint(tmp_path / f"made-{seed}", seed=seed)
        folder = _exported(tmp_path / f"made-{seed}", tmp_path / f"parted-{seed}", "fp32", least=0)
        sums.append(read_artifact(folder).files["model.onnx"].sha256)
    assert sums[0] != sums[1]


def test_changed_weights_are_refused(checkpoint: Path, tmp_path: Path) -> None:
    folder = _exported(checkpoint, tmp_path / "parted", "int8", least=0)
    data = bytearray((folder / "model.onnx.data").read_bytes())
    data[100] ^= 1
    (folder / "model.onnx.data").write_bytes(data)
    with pytest.raises(ArtifactError, match=r"model\.onnx\.data' has changed since the export"):
        load_artifact(folder)


@pytest.mark.parametrize("location", ["../secret.data", "/etc/passwd"])
def test_a_model_reads_no_file_outside_its_folder(
    checkpoint: Path, tmp_path: Path, location: str
) -> None:
    folder = _exported(checkpoint, tmp_path / "parted", "int8", least=0)
    (folder / "model.onnx.data").rename(tmp_path / "secret.data")
    model = onnx.load(folder / "model.onnx", load_external_data=False)
    for tensor in model.graph.initializer:
        for entry in tensor.external_data:
            if entry.key == "location":
                entry.value = location
    (folder / "model.onnx").write_bytes(model.SerializeToString())
    with pytest.raises(Exception, match=r"(?i)external data path|escapes|outside|directory"):
        onnxruntime.InferenceSession(str(folder / "model.onnx"), providers=["CPUExecutionProvider"])


def test_a_small_model_is_one_file(checkpoint: Path, tmp_path: Path) -> None:
    export_checkpoint(checkpoint, tmp_path / "small", texts=shipped_texts()[::8])
    assert set(read_artifact(tmp_path / "small").files) & {"model.onnx", "model.onnx.data"} == {
        "model.onnx"
    }
