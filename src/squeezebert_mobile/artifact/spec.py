"""What a session and a pipeline must know about a model, whatever file it is in."""

from dataclasses import dataclass
from typing import Literal

from squeezebert_mobile.artifact.schema import Record

__all__ = ["ModelSpec", "TensorSpec"]


class TensorSpec(Record):
    """One input or output: an axis is its length, or its name where the length is free."""

    name: str
    dtype: Literal["int64", "float32"]
    axes: tuple[str | int, ...]


@dataclass(frozen=True)
class ModelSpec:
    """A model's task, labels, inputs, outputs and lengths."""

    task: str
    labels: tuple[str, ...] | None
    problem_type: str | None  # of text-classification, as in config.json
    inputs: tuple[TensorSpec, ...]
    outputs: tuple[TensorSpec, ...]
    max_sequence_length: int  # tokens
    vocab_size: int
    engine: str | None = None  # torch's kernel backend for int8 TorchScript

    @property
    def sequence_length(self) -> int | None:
        """The fixed sequence length, or None where it is dynamic."""
        length = self.inputs[0].axes[-1]
        return length if isinstance(length, int) else None
