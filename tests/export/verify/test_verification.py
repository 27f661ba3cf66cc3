"""What verification measures, and that each of its limits can be exceeded."""

import numpy as np
import pytest
import tiny
import torch

from squeezebert_mobile.artifact import OutputParity
from squeezebert_mobile.errors import ParityError
from squeezebert_mobile.export import initialize
from squeezebert_mobile.export.verify.verification import (
    LIMITS,
    Limit,
    Verification,
    _Drift,
    _feeds,
    verify,
)
from squeezebert_mobile.models.checkpoint import shipped_texts
from squeezebert_mobile.models.rewriting import Traceable
from squeezebert_mobile.runtime import SqueezeBertTokenizer
from squeezebert_mobile.tasks import TASKS

VOCAB = {token: number for number, token in enumerate(tiny.VOCABULARY)}


def _verification(task: str, **changes: int) -> Verification:
    model = initialize(task, tiny.tiny_config(**changes))
    return Verification(model, SqueezeBertTokenizer(VOCAB), 40, None)


class _Session:
    """The model itself as a session, its outputs changed on the way."""

    def __init__(self, verification: Verification, change: object = None) -> None:
        self.model, self.change, self.runs = Traceable(verification.model), change, 0

    def run(self, feed: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        self.runs += 1
        with torch.inference_mode():
            found = self.model(**{name: torch.from_numpy(array) for name, array in feed.items()})
        outputs = {n: a.numpy() for n, a in zip(self.model.task.outputs, found, strict=True)}
        return {n: self.change(a, self.runs) if self.change else a for n, a in outputs.items()}  # type: ignore[operator]

    def close(self) -> None: ...


@pytest.mark.parametrize("task", TASKS)
def test_the_runs_cover_lengths_batches_and_padding(task: str) -> None:
    verification = _verification(task)
    texts = shipped_texts()
    seen, used = set(), 0
    for count, feed in _feeds(verification, texts):
        used += count
        ids, mask = feed["input_ids"], feed["attention_mask"]
        seen.add((ids.shape[0], bool((mask == 0).any())))
        assert ids.shape[-1] <= 40
        assert (ids < 64).all()
        assert (feed["token_type_ids"] < 3).all()
        if task == "fill-mask":
            assert ((ids == VOCAB["[MASK]"]).sum(axis=1) >= 1).all()
    assert seen == {(1, False), (1, True), (3, False), (3, True)}
    assert verification.lengths == [8, 20, 40]
    assert used >= 3 * len(texts)


def test_a_model_with_one_token_type_gets_no_other() -> None:
    feeds = _feeds(_verification("question-answering", type_vocab_size=1), shipped_texts()[:20])
    assert all((feed["token_type_ids"] == 0).all() for _, feed in feeds)


@pytest.mark.parametrize("task", TASKS)
def test_the_same_model_in_batches_and_with_padding_is_perfect(task: str) -> None:
    """The checkpoint runs a text alone, the session (here of the same model) as it is fed."""
    verification = _verification(task, num_labels=3)
    parity = verify(verification, _Session(verification), "fp32", shipped_texts()[:20])  # type: ignore[arg-type]
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
def test_other_outputs_are_refused(precision: str, change: object) -> None:
    verification = _verification("token-classification", num_labels=3)
    with pytest.raises(ParityError, match=rf"^the {precision} model does not answer"):
        verify(verification, _Session(verification, change), precision, shipped_texts()[:20])  # type: ignore[arg-type]


def test_flipped_answers_are_refused_though_their_cosine_is_high() -> None:
    """A large number all logits share hides a flip from the cosine, not from the agreement."""
    drift = _Drift()
    rng = np.random.default_rng(0)
    theirs = (rng.normal(size=(1000, 100)) + 100).astype(np.float32)
    ours = theirs.copy()
    flipped = slice(0, 30)
    ours[flipped, 0] = ours[flipped].max(axis=-1) + 3
    drift.add(ours, theirs)
    drift.answers(ours, theirs)
    assert drift.parity(LIMITS["int8"]).min_cosine > 0.99
    agreed, counted, _ = drift.decided()
    assert agreed / counted < 1


def test_ties_are_not_counted() -> None:
    drift = _Drift()
    theirs = np.tile(np.array([[0.0, 1e-4]], np.float32), (100, 1))
    theirs[:60] = [0.0, 1.0]
    ours = theirs + np.array([[1e-3, -1e-3]], np.float32)
    drift.add(ours, theirs)
    drift.answers(ours, theirs)
    assert drift.decided() == (60, 60, 40)


def test_short_outputs_are_joined_for_their_cosine() -> None:
    """Two logits near 0 point anywhere; 64 together have a direction."""
    drift = _Drift()
    for number in range(40):
        theirs = np.array([[0.001 if number == 3 else 2.0, 1.0]], np.float32)
        drift.add(theirs + 0.01, theirs)
    parity = drift.parity(Limit())
    assert parity.min_cosine > 0.9999


def test_a_limit_is_told_in_words() -> None:
    assert str(LIMITS["fp32"]) == "max_abs_diff <= 0.0001"
    assert str(LIMITS["int8"]) == "mean_cosine >= 0.99, min_cosine >= 0.97"


@pytest.mark.parametrize("wrong", ["max_abs_diff", "mean_cosine", "min_cosine"])
def test_every_figure_of_a_limit_counts(wrong: str) -> None:
    limit = Limit(max_abs_diff=1, mean_cosine=0.9, min_cosine=0.8)
    good = OutputParity(max_abs_diff=1, mean_cosine=0.9, min_cosine=0.8, tolerance="")
    assert limit.holds(good)
    worse = {"max_abs_diff": 1.1, "mean_cosine": 0.89, "min_cosine": 0.79}[wrong]
    assert not limit.holds(good.model_copy(update={wrong: worse}))
    assert not limit.holds(good.model_copy(update={wrong: float("nan")}))


def test_the_shipped_texts() -> None:
    texts = shipped_texts()
    assert len(texts) == len(set(texts)) == 200
    assert all(text.strip() == text != "" for text in texts)
