"""What the writer of a format tells about the file it wrote."""

from dataclasses import dataclass, field

from squeezebert_mobile.artifact import Quantization

__all__ = ["Written"]


@dataclass(frozen=True)
class Written:
    """A model file: the bytes of its weights by name, its operators, and its quantization.

    An operator that a backend runs is delegated; the calls of the backend are among the others.
    """

    stored: dict[str, int]
    operators: dict[str, int]
    quantization: Quantization | None
    delegated: dict[str, int] = field(default_factory=dict)
    planned_bytes: int | None = None  # working memory; None where the runtime decides at run time
