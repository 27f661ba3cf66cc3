"""How far an artifact may be from its checkpoint, by precision."""

import math
from dataclasses import dataclass, replace

import numpy as np

from squeezebert_mobile.artifact import OutputParity
from squeezebert_mobile.export_options import check_differences
from squeezebert_mobile.models.rewriting import ATOL, RTOL

__all__ = ["LIMITS", "MAX_ERROR", "MIN_AGREEMENT", "NEAR", "Limit", "make_limit", "rounding"]


@dataclass(frozen=True)
class Limit:
    """The limit of every output of a precision."""

    max_abs_diff: float = np.inf
    mean_cosine: float = -1.0
    min_cosine: float = -1.0
    #: max_abs_diff as a fraction of the output's largest absolute value; the larger one applies.
    max_rel_diff: float = 0.0

    def __str__(self) -> str:  # noqa: D105
        words = []
        if (self.mean_cosine, self.min_cosine) != (-1, -1):
            words += [f"mean_cosine >= {self.mean_cosine:g}", f"min_cosine >= {self.min_cosine:g}"]
        if np.isfinite(self.max_abs_diff):
            words.append(f"max_abs_diff <= {self.max_abs_diff:g}")
        return ", ".join(words)

    def applied(self, difference: float, size: float) -> "Limit":
        """The limit of an output whose largest absolute value is `size`.

        It is wider than max_abs_diff only if the largest `difference` does not hold that.
        """
        relative = self.max_rel_diff * size
        if difference <= self.max_abs_diff or not math.isfinite(size):
            return self
        return replace(self, max_abs_diff=max(self.max_abs_diff, relative))

    def holds(self, parity: OutputParity) -> bool:
        """Whether an output is within the limit; NaN is not."""
        return (
            math.isfinite(parity.max_abs_diff)
            and parity.max_abs_diff <= self.max_abs_diff
            and parity.mean_cosine >= self.mean_cosine
            and parity.min_cosine >= self.min_cosine
        )


LIMITS = {
    "fp32": Limit(max_abs_diff=ATOL, max_rel_diff=RTOL),
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

_STEPS = 32  # of float32, which another order of additions may change


def make_limit(precision: str, atol: float | None, rtol: float | None) -> Limit:
    """The limit of a precision, with other limits of the difference if they are not None.

    Raises:
        ExportError: `atol` or `rtol` is negative, infinite or not a number.
    """
    check_differences(atol, rtol)
    limit = LIMITS[precision]
    if atol is rtol is None:
        return limit
    has_limit = math.isfinite(limit.max_abs_diff)
    if atol is None:
        atol = limit.max_abs_diff if has_limit else 0.0
    if rtol is None:
        rtol = limit.max_rel_diff
    return replace(limit, max_abs_diff=atol, max_rel_diff=rtol)


def rounding(size: float) -> float:
    """The difference by rounding between two machines of an output whose values reach `size`.

    At least ATOL.
    """
    return max(ATOL, _STEPS * float(np.finfo(np.float32).eps) * size)
