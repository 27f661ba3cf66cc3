"""The two architectures, as transformers calls them and as we do."""

from collections.abc import Mapping
from dataclasses import dataclass, field

__all__ = ["FAMILIES", "TASK", "VOCAB_SIZE", "Family"]

TASK = "text-classification"
VOCAB_SIZE = 30522  # of both families' published base models


@dataclass(frozen=True)
class Family:
    """One architecture with random weights."""

    name: str
    prefix: str  # of transformers' class names
    checkpoint: str  # what our export takes
    sizes: Mapping[str, int] = field(default_factory=dict)  # transformers' defaults are base size

    @property
    def vocab_size(self) -> int:
        """How many ids there are."""
        return self.sizes.get("vocab_size", VOCAB_SIZE)


FAMILIES = (
    Family("SqueezeBERT", "SqueezeBert", "preset:squeezebert-base"),
    Family("BERT-base", "Bert", "preset:bert-base"),
)
