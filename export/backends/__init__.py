"""Model files: a module or a folder for each format, and the registry of them."""

from squeezebert_mobile.export.backends.base.backend import Backend
from squeezebert_mobile.export.backends.executorch.backend import EXECUTORCH
from squeezebert_mobile.export.backends.litert.backend import LITERT
from squeezebert_mobile.export.backends.onnx.backend import ONNX
from squeezebert_mobile.export.backends.torchscript import TORCHSCRIPT

__all__ = ["BACKENDS"]

#: Every format that can be written.
BACKENDS: dict[str, Backend] = {
    backend.format: backend for backend in (ONNX, EXECUTORCH, LITERT, TORCHSCRIPT)
}
