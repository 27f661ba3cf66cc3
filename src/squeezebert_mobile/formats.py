"""The formats an artifact's model file can have: what every consumer must know about each."""

from dataclasses import dataclass
from typing import Literal, get_args

__all__ = ["FORMATS", "Engine", "Format", "FormatFacts", "Precision"]

Format = Literal["onnx", "executorch", "torchscript"]
Precision = Literal["fp32", "fp16", "int8", "int4"]
#: torch's kernel backends for int8 TorchScript; the first one is the default.
Engine = Literal["qnnpack", "x86"]


@dataclass(frozen=True)
class FormatFacts:
    """A format as the contract knows it; how it is written is the exporter's business."""

    file: str  # the model file's name in the artifact
    precisions: tuple[str, ...]
    library: str  # the Python package that runs it
    extra: str | None  # the extra of this package that brings the library; None: the base install
    single_row: bool = False  # whether the model takes a batch of one row only


FORMATS: dict[str, FormatFacts] = {
    "onnx": FormatFacts("model.onnx", get_args(Precision), "onnxruntime", None),
    "executorch": FormatFacts(
        "model.pte", ("fp32", "int8"), "executorch", "executorch", single_row=True
    ),
    "torchscript": FormatFacts("model.pt", ("fp32", "int8"), "torch", "export"),
}
