"""The model formats of an artifact, and what every consumer needs to know about them.

A new format is a row here, a backend in export/backends/, a session in runtime/sessions/ and a
Kotlin session.
"""

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, get_args

__all__ = [
    "FORMATS",
    "MANIFEST_FILE",
    "MAX_THREADS",
    "OPERATORS_HEADER",
    "Engine",
    "Format",
    "FormatFacts",
    "Precision",
    "is_artifact",
    "signature",
]

#: The file that makes a folder an artifact.
MANIFEST_FILE = "manifest.json"
#: The first words of a list of operators, in a comment.
OPERATORS_HEADER = "# Operators of "
#: The largest number of threads of a session; the runner and the app have the same limit.
MAX_THREADS = 64

Format = Literal["onnx", "executorch", "litert", "torchscript"]
Precision = Literal["fp32", "fp16", "int8", "int4"]
#: torch's kernel backends for int8 TorchScript; the first one is the default.
Engine = Literal["qnnpack", "x86"]


@dataclass(frozen=True)
class FormatFacts:
    """What a consumer of a format needs to know; how it is written is up to its export backend."""

    name: str  # for readers
    file: str  # name of the model file in the artifact
    precisions: tuple[str, ...]
    library: str  # Python package that runs it
    extra: str | None  # extra that installs the library; None: the base install
    single_row: bool = False  # whether the batch size is always 1
    #: Lengths in tokens that a file of fixed shapes takes, if shorter than the longest input; it
    #: takes the longest one too. None: any length.
    lengths: tuple[int, ...] | None = None
    integers: str = "int64"  # dtype of the inputs
    engines: tuple[str, ...] = ()  # kernel backends for int8; the first is the default


FORMATS: dict[str, FormatFacts] = {
    "onnx": FormatFacts("ONNX", "model.onnx", get_args(Precision), "onnxruntime", None),
    "executorch": FormatFacts(
        "ExecuTorch",
        "model.pte",
        ("fp32", "int8"),
        "executorch",
        "executorch",
        single_row=True,
    ),
    "litert": FormatFacts(
        "LiteRT",
        "model.tflite",
        ("fp32", "int8"),
        "ai_edge_litert",
        "litert",
        single_row=True,
        lengths=(16, 32, 64, 128, 256, 384),
        integers="int32",
    ),
    "torchscript": FormatFacts(
        "TorchScript",
        "model.pt",
        ("fp32", "int8"),
        "torch",
        "export",
        engines=get_args(Engine),
    ),
}


def signature(length: int) -> str:
    """The name that a file of fixed shapes has for inputs of this many tokens."""
    return f"length_{length}"


def is_artifact(folder: Path) -> bool:
    """Whether `folder` has a manifest, readable or not; False if it cannot be a folder's name."""
    return os.path.lexists(folder / MANIFEST_FILE)
