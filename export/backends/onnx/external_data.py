"""The weights of a large ONNX model go to a file of their own, beside the model.

ONNX Runtime maps that file into memory. It reads the weights that it packs for its kernels once,
and only the looked-up rows of an embedding table. A single large file is copied while it is parsed,
and half of that memory is never freed: SqueezeBERT-base int8 then takes 82 MB and 184 ms to load,
and 37 MB and 84 ms with mapped weights (docs/measurements.md).
"""

import hashlib
from pathlib import Path

from onnx import ModelProto, TensorProto
from onnx.external_data_helper import set_external_data

__all__ = ["save"]

_MIN_MODEL = 4_000_000  # bytes of weights; a smaller model gains nothing and stays one file
_MIN_TENSOR = 1024  # bytes; smaller tensors stay in the model file
_ALIGNMENT = 64  # bytes: the widest vectors that kernels load


def save(graph: ModelProto, path: Path) -> None:
    """Write a model to `path`, and the weights of a large model to the file `path`.data.

    The model's metadata contains the SHA-256 of that file, so that the model files of two
    checkpoints of one architecture have different checksums.

    Args:
        graph: The model; its large tensors are moved out of it.
        path: The .onnx file.
    """
    tensors = [t for t in graph.graph.initializer if len(t.raw_data) >= _MIN_TENSOR]
    if sum(len(tensor.raw_data) for tensor in tensors) >= _MIN_MODEL:
        entry = graph.metadata_props.add()
        entry.key, entry.value = "data_sha256", _write(tensors, path.with_name(f"{path.name}.data"))
    path.write_bytes(graph.SerializeToString(deterministic=True))


def _write(tensors: list[TensorProto], path: Path) -> str:
    """Move the tensors' bytes to `path`, and return its SHA-256."""
    sha256, offset = hashlib.sha256(), 0
    with path.open("wb") as file:
        for tensor in tensors:
            data = bytes(-offset % _ALIGNMENT) + tensor.raw_data
            file.write(data)
            sha256.update(data)
            offset += len(data)
            length = len(tensor.raw_data)
            set_external_data(tensor, path.name, offset=offset - length, length=length)
            tensor.ClearField("raw_data")
    return sha256.hexdigest()
