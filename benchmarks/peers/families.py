"""The two architectures, with the names that transformers and this package give them."""

from collections.abc import Mapping
from dataclasses import dataclass, field

__all__ = ["FAMILIES", "LENGTHS", "MAX_LENGTH", "MIN_LENGTH", "TASK", "VOCAB_SIZE", "Family"]

TASK = "text-classification"
LENGTHS = (16, 32, 128, 384)  # tokens of the inputs that are measured
MIN_LENGTH = 2  # an ExecuTorch program takes no single token
MAX_LENGTH = 512  # positions of both families' published base models
VOCAB_SIZE = 30522  # of both families' published base models


@dataclass(frozen=True)
class Family:
    """One architecture with random weights."""

    name: str
    prefix: str  # of the class names in transformers
    checkpoint: str  # the CHECKPOINT argument of our export
    sizes: Mapping[str, int] = field(
        default_factory=dict
    )  # changes to the config; default: base size

    @property
    def vocab_size(self) -> int:
        """The number of token ids."""
        return self.sizes.get("vocab_size", VOCAB_SIZE)


FAMILIES = (
    Family("SqueezeBERT", "SqueezeBert", "preset:squeezebert-base"),
    Family("BERT-base", "Bert", "preset:bert-base"),
)
