"""An ONNX model whose weights lie in a file of their own, beside it.

ONNX Runtime maps that file into memory. Weights that it packs for its kernels it reads once, and a
table stays in the file but for the rows that are looked up. Of one large file it makes copies as it
parses it, and gives half of their memory back to nobody: SqueezeBERT-base int8 takes 82 MB and
184 ms that way, and 37 MB and 84 ms with its weights mapped (docs/develop.md).
"""

import hashlib
from pathlib import Path

from onnx import ModelProto, TensorProto
from onnx.external_data_helper import set_external_data

__all__ = ["save"]

#: A smaller model (bytes of weights) has nothing to gain, and is one file.
_LEAST_MODEL = 4_000_000
_LEAST_TENSOR = 1024
_ALIGNMENT = 64  # bytes: of the widest vectors that kernels load


def save(graph: ModelProto, path: Path) -> None:
    """Write a model to `path`, and large ones' weights to the file `path`.data.

    The model's metadata has the SHA-256 of that file, so that the one of the model tells it from
    another of the same architecture.

    Args:
        graph: The model; its large tensors are taken out.
        path: The .onnx file.
    """
    tensors = [each for each in graph.graph.initializer if len(each.raw_data) >= _LEAST_TENSOR]
    if sum(len(each.raw_data) for each in tensors) >= _LEAST_MODEL:
        found = graph.metadata_props.add()
        found.key, found.value = "data_sha256", _write(tensors, path.with_name(f"{path.name}.data"))
    path.write_bytes(graph.SerializeToString(deterministic=True))


def _write(tensors: list[TensorProto], path: Path) -> str:
    """Move the tensors' bytes to `path`; its SHA-256."""
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
