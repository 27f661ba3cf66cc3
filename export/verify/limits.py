"""How far an artifact may be from its checkpoint, by precision."""

import math
from dataclasses import dataclass

import numpy as np

from squeezebert_mobile.artifact import OutputParity

__all__ = ["LIMITS", "MAX_ERROR", "MIN_AGREEMENT", "NEAR", "Limit"]


@dataclass(frozen=True)
class Limit:
    """The limit of every output of a precision."""

    max_abs_diff: float = np.inf
    mean_cosine: float = -1.0
    min_cosine: float = -1.0

    def __str__(self) -> str:  # noqa: D105
        if np.isfinite(self.max_abs_diff):
            return f"max_abs_diff <= {self.max_abs_diff:g}"
        return f"mean_cosine >= {self.mean_cosine:g}, min_cosine >= {self.min_cosine:g}"

    def holds(self, parity: OutputParity) -> bool:
        """Whether an output is within the limit; NaN is not."""
        return (
            math.isfinite(parity.max_abs_diff)
            and parity.max_abs_diff <= self.max_abs_diff
            and parity.mean_cosine >= self.mean_cosine
            and parity.min_cosine >= self.min_cosine
        )


LIMITS = {
    "fp32": Limit(max_abs_diff=1e-4),
    "fp16": Limit(mean_cosine=0.9999, min_cosine=0.999),
    "int8": Limit(mean_cosine=0.99, min_cosine=0.97),
    "int4": Limit(mean_cosine=0.95, min_cosine=0.85),
}
#: The lowest top-1 agreement, in every precision.
MIN_AGREEMENT = 0.99
#: The largest error of regression in standard deviations; 0.1 is 1 % of the variance, 0.2 is 4 %.
MAX_ERROR = 0.2
#: An answer is near the checkpoint's own if the checkpoint finds it at least half as likely: the
#: largest difference of the two logits. As many answers must be near as must agree. Drift does not
#: widen this limit. It also works where all logits have a constant in common, which softmax does
#: not see.
NEAR = math.log(2)
