"""The interface of a format's backend: its properties, its options, and the file it writes."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from squeezebert_mobile.export.quantize.recipe import PER_TENSOR, WITHOUT_WEIGHTS, Activations
from squeezebert_mobile.formats import FORMATS, FormatFacts
from squeezebert_mobile.models.rewriting import Traceable
from squeezebert_mobile.progress import Progress

__all__ = ["Backend", "ExportOptions", "ModelFile"]


@dataclass(frozen=True)
class ExportOptions:
    """The checked options of an export."""

    format: str
    precision: str
    sequence_length: int | None  # tokens; None accepts any length up to the longest
    max_sequence_length: int  # tokens
    engine: str | None = None  # kernel backend for int8, where the format has several
    #: Modules with another precision than `precision`: path in the rewritten model -> precision.
    overrides: Mapping[str, str] = field(default_factory=dict)
    #: The lengths in tokens of a file of fixed shapes, if they are not the format's own.
    several: tuple[int, ...] = ()

    @property
    def sequence_lengths(self) -> tuple[int, ...] | None:
        """The lengths in tokens of a file of fixed shapes; None if it takes only one, or any."""
        if self.several:
            return self.several
        lengths, longest = FORMATS[self.format].lengths, self.max_sequence_length
        if lengths is None or self.sequence_length is not None:
            return None
        return (*(length for length in lengths if length < longest), longest)


@dataclass(frozen=True)
class ModelFile:
    """What a backend reports about the model file it wrote."""

    stored: dict[str, int]  # weight -> bytes
    #: Operator -> count. Calls of a delegate are among them.
    operators: dict[str, int]
    #: Module -> why it stays fp32 in int8 and int4.
    kept: dict[str, str] = field(default_factory=dict)
    #: Operator -> count, of those that a delegate runs.
    delegated: dict[str, int] = field(default_factory=dict)
    planned_bytes: int | None = None  # working memory; None where it is allocated at run time
    #: What has no weights -> the precision it is computed in.
    without_weights: dict[str, str] = field(default_factory=WITHOUT_WEIGHTS.copy)


@dataclass(frozen=True)
class Backend:
    """How the exporter writes one format. What consumers must know is in `formats.FORMATS`."""

    format: str
    #: Packages that write and verify the file; the manifest records their versions.
    tools: tuple[str, ...]
    #: Writes a rewritten model to a path.
    write: Callable[[Traceable, Path, ExportOptions, Progress], ModelFile]
    #: How int8 products of a rewritten model quantize what they read.
    activations: Callable[[Traceable], Activations] = lambda model: PER_TENSOR
    #: Precisions in which a tied fill-mask decoder is stored as a copy of the word table, because
    #: its kernel needs the weights in an order of its own.
    tied_copies: frozenset[str] = frozenset()
    tanh_gelu: bool = False  # whether tanh may replace erf in Gelu (`quantize/gelu.py`)

    @property
    def facts(self) -> FormatFacts:
        """File name, precisions, engines, and the extra that the format needs."""
        return FORMATS[self.format]
