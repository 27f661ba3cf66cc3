"""The whole comparison of a session with its checkpoint."""

import numpy as np
import pytest
import tiny
import torch

from squeezebert_mobile.export import initialize
from squeezebert_mobile.export.feeds.reference import Reference
from squeezebert_mobile.export.verify.parity import verify
from squeezebert_mobile.models.checkpoint import shipped_texts
from squeezebert_mobile.models.rewriting import Traceable
from squeezebert_mobile.runtime import SqueezeBertTokenizer
from squeezebert_mobile.tasks import TASKS

VOCAB = {token: number for number, token in enumerate(tiny.VOCABULARY)}


def _reference(task: str, **changes: int) -> Reference:
    model = initialize(task, tiny.tiny_config(**changes))
    return Reference(model, SqueezeBertTokenizer(VOCAB), 40, None)


class _Session:
    """The model itself as a session, its outputs changed on the way."""

    def __init__(self, reference: Reference, change: object = None) -> None:
        self.model, self.change, self.runs = Traceable(reference.model), change, 0

    def run(self, feed: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        self.runs += 1
        with torch.inference_mode():
            found = self.model(**{name: torch.from_numpy(array) for name, array in feed.items()})
        outputs = {n: a.numpy() for n, a in zip(self.model.task.outputs, found, strict=True)}
        return {n: self.change(a, self.runs) if self.change else a for n, a in outputs.items()}  # type: ignore[operator]

    def close(self) -> None: ...


@pytest.mark.parametrize("task", TASKS)
def test_the_same_model_in_batches_and_with_padding_is_perfect(task: str) -> None:
    """The checkpoint runs each text alone, the session (here the same model) runs batches."""
    reference = _reference(task, num_labels=3)
    comparison = verify(reference, _Session(reference), "fp32", shipped_texts()[:20])  # type: ignore[arg-type]
    assert comparison.violations == ()
    parity = comparison.parity
    for output in parity.outputs.values():
        assert output.max_abs_diff < 2e-6
        assert (output.mean_cosine, output.min_cosine) == (1, 1)
    assert parity.top1_agreement in {1, None}


@pytest.mark.parametrize(
    ("precision", "change"),
    [
        ("fp32", lambda array, run: array + 2e-4),
        ("fp32", lambda array, run: array * np.nan),
        ("fp32", lambda array, run: np.where(run == 7, array + 1e-3, array)),
        ("int8", lambda array, run: -array),
        ("int8", lambda array, run: array * np.nan),
        ("int8", lambda array, run: array.mean(axis=-1, keepdims=True) + 0 * array),
        ("int8", lambda array, run: np.roll(array, 1, axis=-1)),
    ],
)
def test_different_outputs_are_violations(precision: str, change: object) -> None:
    reference = _reference("token-classification", num_labels=3)
    comparison = verify(reference, _Session(reference, change), precision, shipped_texts()[:20])  # type: ignore[arg-type]
    assert comparison.violations
    assert str(comparison.error()).startswith(f"the {precision} model does not answer")
