"""What a session and a pipeline need to know about a model, in any format."""

from dataclasses import dataclass
from typing import Annotated, Literal

from pydantic import Field

from squeezebert_mobile.artifact.schema import Record

__all__ = ["ModelSpec", "PoolingMode", "SentenceVector", "SimilarityFunction", "TensorSpec"]

PoolingMode = Literal["cls", "max", "mean", "mean_sqrt_len_tokens", "weightedmean", "lasttoken"]
#: How two sentence vectors are compared; the two distances are negative, so that more is nearer.
SimilarityFunction = Literal["cosine", "dot", "euclidean", "manhattan"]


class TensorSpec(Record):
    """An input or output. A fixed axis is its length, a dynamic axis its name."""

    name: str
    dtype: Literal["int64", "int32", "float32"]
    axes: tuple[str | int, ...]


class SentenceVector(Record):
    """How the vector of a text follows from those of its tokens; as in sentence-transformers."""

    pooling: Annotated[tuple[PoolingMode, ...], Field(min_length=1)]  # concatenated in this order
    normalize: bool  # to length 1
    prompts: dict[str, str] = {}  # name -> text before every input
    default_prompt: str | None = None  # the name of the one used if the caller names none
    include_prompt: bool = True  # whether the prompt's tokens are pooled too
    similarity: SimilarityFunction = "cosine"


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
    sentence_vector: SentenceVector | None = None  # None: the normalized mean over the tokens
    #: Where shapes are fixed, the lengths in tokens that the model takes, ascending; a shorter
    #: input is padded.
    sequence_lengths: tuple[int, ...] | None = None

    @property
    def sequence_length(self) -> int | None:
        """The fixed sequence length; None if it is dynamic."""
        length = self.inputs[0].axes[-1]
        return length if isinstance(length, int) else None
