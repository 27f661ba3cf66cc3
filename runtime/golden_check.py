"""Check that an artifact gives its golden outputs on this machine."""

from dataclasses import dataclass

import numpy as np

from squeezebert_mobile.artifact import Golden, GoldenOutput, GoldenText, ModelSpec
from squeezebert_mobile.errors import ArtifactError, InputError
from squeezebert_mobile.runtime.sessions.base import FloatArray, IntArray, Session
from squeezebert_mobile.tasks import INPUT_NAMES, get_task

__all__ = ["GoldenCheck", "check_golden"]


@dataclass(frozen=True)
class GoldenCheck:
    """The result for one output, over all golden texts."""

    output: str
    max_abs_diff: float  # from the golden values
    tolerance: float
    same_answers: int | None  # texts with the same argmax; None: the output is not an answer
    texts: int

    @property
    def holds(self) -> bool:
        """Whether the difference is within the tolerance; False for NaN."""
        return self.max_abs_diff <= self.tolerance


def check_golden(session: Session, spec: ModelSpec, golden: Golden) -> list[GoldenCheck]:
    """Run the golden inputs, and compare each output with the golden values.

    Raises:
        ArtifactError: golden.json does not match the model.
    """
    names = [output.name for output in spec.outputs]
    complete = all(text.outputs.keys() == set(names) for text in golden.texts)
    if not golden.texts or not complete or golden.tolerance.keys() != set(names):
        raise _mismatch(f"does not have texts with the outputs {', '.join(names)}")
    comparisons: dict[str, list[tuple[float, bool | None]]] = {name: [] for name in names}
    for text in golden.texts:
        try:
            outputs = session.run(_feed(text, spec))
        except (InputError, ValueError) as error:
            raise _mismatch(f"has an input that the model does not take: {error}") from None
        for name in names:
            comparisons[name].append(_compare(name, outputs[name], text.outputs[name]))
    return [
        GoldenCheck(
            output=name,
            max_abs_diff=float(np.max([difference for difference, _ in compared])),  # keeps NaN
            tolerance=golden.tolerance[name],
            same_answers=None
            if compared[0][1] is None
            else sum(bool(same) for _, same in compared),
            texts=len(compared),
        )
        for name, compared in comparisons.items()
    ]


def _mismatch(reason: str) -> ArtifactError:
    return ArtifactError(f"golden.json {reason}; export the checkpoint again")


def _feed(text: GoldenText, spec: ModelSpec) -> dict[str, IntArray]:
    """Arrays of shape (1, S), or (1, N, S) for a model with choices."""
    rows = {name: np.array(getattr(text, name), np.int64) for name in INPUT_NAMES}
    has_choices = get_task(spec.task).has_choices
    return {name: array[None] if has_choices else array for name, array in rows.items()}


def _compare(name: str, ours: FloatArray, stored: GoldenOutput) -> tuple[float, bool | None]:
    """The largest difference from the golden values, and whether the argmax is the same."""
    if ours.shape != stored.shape:
        raise _mismatch(
            f"has {name} with shape {stored.shape}, but the model's has shape {ours.shape}"
        )
    fits = len(stored.indices) == len(stored.values) > 0
    if not fits or not all(index < ours.size for index in stored.indices):
        raise _mismatch(f"has invalid indices or values for the output {name}")
    values = ours.ravel()[list(stored.indices)]
    with np.errstate(invalid="ignore"):  # infinite values, which never agree
        difference = float(np.abs(values - stored.as_float32()).max())
    if not stored.top:
        return difference, None
    return difference, ours.argmax(-1).ravel().tolist() == list(stored.top)
