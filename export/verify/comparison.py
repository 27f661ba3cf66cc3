"""The figures of a comparison between an artifact and its checkpoint, and where they break a limit.

max_abs_diff  the largest difference of a number
error         for numbers (regression): the root mean square error, in standard deviations of
              the checkpoint's own outputs. A cosine does not show that all are the same
cosine        of each token's vector. Outputs with fewer than 64 numbers per token (labels,
              positions) are concatenated until there are 64: a cosine of two numbers says
              nothing
agreement     how often the answer (the largest logit) is the same. Only answers count that the
              checkpoint gives with a margin above the drift: twice the largest difference that
              nine in ten answers stay within, one logit up and another down. A tie decided by
              rounding says nothing. The nine in ten are inferred from the median, which answers
              that are grossly wrong do not widen
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from squeezebert_mobile.artifact import OutputParity, Parity
from squeezebert_mobile.errors import ParityError
from squeezebert_mobile.export.verify.limits import LIMITS, MAX_ERROR, MIN_AGREEMENT, NEAR, Limit

__all__ = ["Comparison", "Floats", "OutputDifferences", "compare", "rounded"]

Floats = NDArray[np.float32]

MIN_VECTOR = 64  # numbers
NINE_IN_TEN = 1.645 / 0.674  # the 90th percentile of a normal drift's size, in medians


@dataclass
class OutputDifferences:
    """The differences of one output, gathered by batch: all logits would not fit in memory."""

    largest: float = 0.0
    cosines: list[Floats] = field(default_factory=list)
    margins: list[Floats] = field(default_factory=list)  # of the checkpoint's answers
    differences: list[Floats] = field(default_factory=list)  # the largest of each answer
    agrees: list[NDArray[np.bool_]] = field(default_factory=list)
    #: By how much the checkpoint's logit of our answer is below that of its own answer.
    regrets: list[Floats] = field(default_factory=list)
    numbers: list[tuple[Floats, Floats]] = field(default_factory=list)  # of regression
    _short: list[tuple[Floats, Floats]] = field(default_factory=list)  # waiting to be concatenated

    def add(self, ours: Floats, theirs: Floats) -> None:
        """Compare the same positions (positions, numbers) of both."""
        largest = float(np.abs(ours - theirs).max())
        self.largest = max(self.largest, math.inf if math.isnan(largest) else largest)
        if ours.shape[-1] >= MIN_VECTOR:
            self.cosines.append(_cosines(ours, theirs))
            return
        self._short.append((ours.ravel(), theirs.ravel()))
        if sum(len(vector) for vector, _ in self._short) >= MIN_VECTOR:
            self._concatenate()

    def _concatenate(self) -> None:
        ours, theirs = (np.concatenate(vectors)[None] for vectors in zip(*self._short, strict=True))
        self.cosines.append(_cosines(ours, theirs))
        self._short.clear()

    def add_answers(self, ours: Floats, theirs: Floats) -> None:
        """Compare the largest logit of each row (answers, choices)."""
        second, first = np.partition(theirs, -2, axis=-1)[:, -2:].T
        self.margins.append(first - second)
        self.differences.append(np.abs(ours - theirs).max(axis=-1))
        choice = ours.argmax(-1)[..., None]
        self.agrees.append(choice[..., 0] == theirs.argmax(-1))
        self.regrets.append(first - np.take_along_axis(theirs, choice, -1)[..., 0])

    def add_other_answers(self, problem_type: str | None, ours: Floats, theirs: Floats) -> None:
        """Compare outputs that do not choose a label: numbers, or a yes or no per label (B, N)."""
        if problem_type == "regression":
            self.numbers.append((ours, theirs))
        elif problem_type == "multi_label_classification":
            self.regrets.append(np.where((ours > 0) == (theirs > 0), 0, np.abs(theirs)).ravel())

    def parity(self, limit: Limit) -> OutputParity:
        """The manifest's figures of this output."""
        if self._short and not self.cosines:
            self._concatenate()
        cosines = np.concatenate(self.cosines)
        return OutputParity(
            max_abs_diff=rounded(self.largest),
            mean_cosine=rounded(float(cosines.mean())),
            min_cosine=rounded(float(cosines.min())),
            tolerance=str(limit),
        )

    def agreement(self) -> tuple[int, int, int]:
        """Answers that agree, answers that count, and answers that do not: margin too small."""
        if not self.margins:
            return 0, 0, 0
        drift = 2 * NINE_IN_TEN * np.median(np.concatenate(self.differences))
        counted = np.concatenate(self.margins) > drift
        agreed = np.concatenate(self.agrees)[counted]
        return int(agreed.sum()), int(counted.sum()), int((~counted).sum())


def _cosines(a: Floats, b: Floats) -> Floats:
    """The cosine of each row; two rows of zeros count as equal."""
    a, b = a.astype(np.float64), b.astype(np.float64)
    norms = np.linalg.norm(a, axis=-1) * np.linalg.norm(b, axis=-1)
    same = (a == b).all(axis=-1)
    products = (a * b).sum(axis=-1)
    return np.where(same, 1.0, products / np.where(norms > 0, norms, 1.0))


def rounded(number: float) -> float:
    """A number with the six digits that a manifest and golden outputs have."""
    return float(f"{number:.6g}")


@dataclass(frozen=True)
class Comparison:
    """What verification measured, and which limits the artifact exceeds."""

    precision: str
    parity: Parity
    violations: tuple[str, ...]

    def error(self) -> ParityError:
        """The error that names the violations, with all figures in a table as its note."""
        remedy = "report it with the checkpoint"
        if self.precision != "fp32":
            remedy = "use --precision fp32"
        error = ParityError(
            f"the {self.precision} model does not answer as the checkpoint does: "
            f"{', '.join(self.violations)}; nothing was written; {remedy}"
        )
        header = f"  {'output':20}{'max_abs_diff':>14}{'mean_cosine':>14}{'min_cosine':>14}   limit"
        rows = [
            f"  {name:20}{output.max_abs_diff:>14.3g}{output.mean_cosine:>14.6f}"
            f"{output.min_cosine:>14.6f}   {output.tolerance}"
            for name, output in self.parity.outputs.items()
        ]
        error.add_note("\n".join([header, *rows]))
        return error


def compare(differences: Mapping[str, OutputDifferences], precision: str, texts: int) -> Comparison:
    """Compare the differences of each output with the limits of a precision.

    Args:
        differences: Output name -> its differences.
        precision: Which limits apply.
        texts: The number of texts, for the manifest.
    """
    limit = LIMITS[precision]
    agreed, counted, undecided = (
        sum(counts) for counts in zip(*(d.agreement() for d in differences.values()), strict=True)
    )
    parity = Parity(
        outputs={name: each.parity(limit) for name, each in differences.items()},
        top1_agreement=rounded(agreed / counted) if counted else None,
        answers=counted,
        answers_undecided=undecided,
        texts=texts,
    )
    regrets = [regret for each in differences.values() for regret in each.regrets]
    numbers = [pair for each in differences.values() for pair in each.numbers]
    return Comparison(precision, parity, tuple(_violations(parity, limit, regrets, numbers)))


def _violations(
    parity: Parity,
    limit: Limit,
    regrets: Sequence[Floats],
    numbers: Sequence[tuple[Floats, Floats]],
) -> list[str]:
    violations = [name for name, output in parity.outputs.items() if not limit.holds(output)]
    agreement = parity.top1_agreement
    if agreement is not None and agreement < MIN_AGREEMENT:
        violations.append(f"top-1 agreement {agreement:.4f} (at least {MIN_AGREEMENT})")
    if regrets and (near := float((np.concatenate(regrets) <= NEAR).mean())) < MIN_AGREEMENT:
        violations.append(f"answers near the checkpoint's {near:.4f} (at least {MIN_AGREEMENT})")
    if numbers and not (error := _relative_error(numbers)) <= MAX_ERROR:
        violations.append(f"an error of {error:.2f} standard deviations (at most {MAX_ERROR})")
    return violations


def _relative_error(numbers: Sequence[tuple[Floats, Floats]]) -> float:
    """The root mean square error in standard deviations of the checkpoint's numbers.

    Where the checkpoint's numbers are all the same, the error itself; 0 if ours are the same, too.
    """
    ours, theirs = (np.concatenate(each).astype(np.float64) for each in zip(*numbers, strict=True))
    squares = np.square(ours - theirs).mean(axis=0)  # (outputs)
    spread = theirs.var(axis=0)
    return float(np.sqrt(squares / np.where(spread > 0, spread, 1)).max())
