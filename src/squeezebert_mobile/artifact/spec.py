"""What a session and a pipeline need to know about a model, in any format."""

from dataclasses import dataclass
from typing import Literal

from squeezebert_mobile.artifact.schema import Record

__all__ = ["ModelSpec", "TensorSpec"]


class TensorSpec(Record):
    """An input or output. A fixed axis is its length, a dynamic axis its name."""

    name: str
    dtype: Literal["int64", "float32"]
    axes: tuple[str | int, ...]


@dataclass(frozen=True)
class ModelSpec:
    """Task, labels, inputs, outputs and lengths of a model."""

    task: str
    labels: tuple[str, ...] | None
    problem_type: str | None  # text-classification only; as in config.json
    inputs: tuple[TensorSpec, ...]
    outputs: tuple[TensorSpec, ...]
    max_sequence_length: int  # tokens
    vocab_size: int
    engine: str | None = None  # kernel backend for int8 TorchScript

    @property
    def sequence_length(self) -> int | None:
        """The fixed sequence length; None if it is dynamic."""
        length = self.inputs[0].axes[-1]
        return length if isinstance(length, int) else None
