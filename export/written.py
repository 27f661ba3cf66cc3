"""What the writer of a format tells about the file it wrote."""

from dataclasses import dataclass

from squeezebert_mobile.artifact import Quantization

__all__ = ["Written"]


@dataclass(frozen=True)
class Written:
    """A model file: the bytes of its weights by name, its operators, and its quantization."""

    stored: dict[str, int]
    operators: dict[str, int]
    quantization: Quantization | None
