"""The figures of a comparison between an artifact and its checkpoint, and where they break a limit.

max_abs_diff  the largest difference of a number. What is allowed grows with the largest number of
              the checkpoint: a step of float32 is 0.002 at 20000
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
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from squeezebert_mobile.artifact import OutputParity, Parity
from squeezebert_mobile.errors import ParityError
from squeezebert_mobile.export.verify.limits import (
    LIMITS,
    MAX_ERROR,
    MIN_AGREEMENT,
    NEAR,
    Limit,
    rounding,
)
from squeezebert_mobile.models.rewriting import ATOL

__all__ = ["Comparison", "Floats", "OutputDifferences", "compare", "rounded"]

Floats = NDArray[np.float32]

MIN_VECTOR = 64  # numbers
NINE_IN_TEN = 1.645 / 0.674  # the 90th percentile of a normal drift's size, in medians


@dataclass
class OutputDifferences:
    """The differences of one output, gathered by batch: all logits would not fit in memory."""

    largest: float = 0.0
    size: float = 0.0  # the largest absolute value of the checkpoint's
    cosines: list[Floats] = field(default_factory=list)
    margins: list[Floats] = field(default_factory=list)  # of the checkpoint's answers
    differences: list[Floats] = field(default_factory=list)  # the largest of each answer
    agrees: list[NDArray[np.bool_]] = field(default_factory=list)
    #: By how much the checkpoint's logit of our answer is below that of its own answer.
    logit_gaps: list[Floats] = field(default_factory=list)
    numbers: list[tuple[Floats, Floats]] = field(default_factory=list)  # of regression
    _short: list[tuple[Floats, Floats]] = field(default_factory=list)  # waiting to be concatenated

    def add(self, ours: Floats, theirs: Floats) -> None:
        """Compare the same positions (positions, numbers) of both."""
        largest = float(np.abs(ours - theirs).max())
        self.largest = max(self.largest, math.inf if math.isnan(largest) else largest)
        self.size = max(self.size, float(theirs.max()), -float(theirs.min()))
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
        self.logit_gaps.append(first - np.take_along_axis(theirs, choice, -1)[..., 0])

    def add_other_answers(self, problem_type: str | None, ours: Floats, theirs: Floats) -> None:
        """Compare outputs that do not choose a label: numbers, or a yes or no per label (B, N)."""
        if problem_type == "regression":
            self.numbers.append((ours, theirs))
        elif problem_type == "multi_label_classification":
            self.logit_gaps.append(np.where((ours > 0) == (theirs > 0), 0, np.abs(theirs)).ravel())

    def parity(self, limit: Limit) -> OutputParity:
        """The manifest's figures of this output."""
        if self._short and not self.cosines:
            self._concatenate()
        cosines = np.concatenate(self.cosines)
        return OutputParity(
            max_abs_diff=rounded(self.largest),
            mean_cosine=rounded(float(cosines.mean())),
            min_cosine=rounded(float(cosines.min())),
            tolerance=str(self.limit(limit)),
        )

    def limit(self, limit: Limit) -> Limit:
        """The limit that applies to outputs of this size."""
        return limit.applied(rounded(self.largest), self.size)

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
    same = (a == b).all(axis=-1)
    with np.errstate(invalid="ignore"):  # infinite numbers have no cosine
        norms = np.linalg.norm(a, axis=-1) * np.linalg.norm(b, axis=-1)
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
    limits: Mapping[str, Limit]  # of each output
    sizes: Mapping[str, float]  # the largest absolute value of each output of the checkpoint

    def error(self, *, written: bool = False) -> ParityError:
        """The error that names the violations, with all figures in a table as its note.

        Args:
            written: Whether the artifact is there already, and was only compared.
        """
        is_fp32 = self.precision == "fp32"
        remedies = ["report it with the checkpoint" if is_fp32 else "use --precision fp32"]
        if written:
            remedies = ["export the checkpoint again"]
        if allowing := self._allowing():
            remedies.insert(0, f"allow that difference with {allowing} if it is small enough")
        error = ParityError(
            f"the {self.precision} model does not answer as the checkpoint does: "
            f"{', '.join(self.violations)}; {'' if written else 'nothing was written; '}"
            f"{', or '.join(remedies)}"
        )
        header = f"  {'output':20}{'max_abs_diff':>14}{'mean_cosine':>14}{'min_cosine':>14}   limit"
        rows = [
            f"  {name:20}{output.max_abs_diff:>14.3g}{output.mean_cosine:>14.6f}"
            f"{output.min_cosine:>14.6f}   {output.tolerance}"
            for name, output in self.parity.outputs.items()
        ]
        error.add_note("\n".join([header, *rows]))
        return error

    def _allowing(self) -> str | None:
        """The option that allows the differences; None if that is not enough.

        No option allows NaN, nor a cosine or answers beyond their limits.
        """
        outputs = self.parity.outputs
        wrong = [name for name, limit in self.limits.items() if not limit.holds(outputs[name])]
        difference = max((outputs[name].max_abs_diff for name in wrong), default=math.inf)
        only_differences = all(
            replace(self.limits[name], max_abs_diff=math.inf).holds(outputs[name]) for name in wrong
        )
        if not only_differences or len(wrong) < len(self.violations):
            return None
        return f"--atol {2 * difference:.1g}"


def compare(
    differences: Mapping[str, OutputDifferences],
    precision: str,
    texts: int,
    limit: Limit | None = None,
) -> Comparison:
    """Compare the differences of each output with their limit.

    Args:
        differences: Output name -> its differences.
        precision: That of the exported model.
        texts: The number of texts, for the manifest.
        limit: The limit of each output; None for that of the precision.
    """
    limit = limit or LIMITS[precision]
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
    logit_gaps = [gaps for each in differences.values() for gaps in each.logit_gaps]
    numbers = [pair for each in differences.values() for pair in each.numbers]
    limits = {name: each.limit(limit) for name, each in differences.items()}
    sizes = {name: each.size for name, each in differences.items()}
    violations = tuple(_violations(parity, limits, logit_gaps, numbers))
    return Comparison(precision, parity, violations, limits, sizes)


def _violations(
    parity: Parity,
    limits: Mapping[str, Limit],
    logit_gaps: Sequence[Floats],
    numbers: Sequence[tuple[Floats, Floats]],
) -> list[str]:
    violations = [
        name
        if output.max_abs_diff <= limits[name].max_abs_diff
        else f"{name} differ by {output.max_abs_diff:.3g} (at most {limits[name].max_abs_diff:.3g})"
        for name, output in parity.outputs.items()
        if not limits[name].holds(output)
    ]
    agreement = parity.top1_agreement
    if agreement is not None and agreement < MIN_AGREEMENT:
        violations.append(f"top-1 agreement {agreement:.4f} (at least {MIN_AGREEMENT})")
    if logit_gaps and (near := float((np.concatenate(logit_gaps) <= NEAR).mean())) < MIN_AGREEMENT:
        violations.append(f"answers near the checkpoint's {near:.4f} (at least {MIN_AGREEMENT})")
    if numbers and not (error := _relative_error(numbers)) <= MAX_ERROR:
        violations.append(f"an error of {error:.2f} standard deviations (at most {MAX_ERROR})")
    return violations


def _relative_error(numbers: Sequence[tuple[Floats, Floats]]) -> float:
    """The root mean square error in standard deviations of the checkpoint's numbers.

    Where the checkpoint's numbers are all the same, the error itself; 0 if ours are the same, too.
    Where rounding is more than ATOL, because numbers are large, an error of its size is within
    MAX_ERROR however close the numbers are to each other.
    """
    ours, theirs = (np.concatenate(each).astype(np.float64) for each in zip(*numbers, strict=True))
    squares = np.square(ours - theirs).mean(axis=0)  # (outputs)
    spread = theirs.var(axis=0)
    spread = np.where(spread > 0, spread, 1)
    steps = np.array([rounding(float(size)) for size in np.abs(theirs).max(axis=0)])
    spread = np.where(steps > ATOL, np.maximum(spread, np.square(steps / MAX_ERROR)), spread)
    return float(np.sqrt(squares / spread).max())
