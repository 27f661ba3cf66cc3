"""The training loop: it learns, is reproducible, and resumes with the same result."""

import io
import math
from typing import Any

import pytest
import tiny
import torch
from torch import Tensor

from squeezebert_mobile.errors import TrainingError
from squeezebert_mobile.evaluation import Example
from squeezebert_mobile.models.heads import initialize
from squeezebert_mobile.models.modeling import PretrainedModel
from squeezebert_mobile.runtime.tokenizer import SqueezeBertTokenizer
from squeezebert_mobile.training import loop as module
from squeezebert_mobile.training.config import TrainingConfig
from squeezebert_mobile.training.examples import Encoder, TrainingExample, encode_examples
from squeezebert_mobile.training.history import DevScore, History, TrainingProgress
from squeezebert_mobile.training.loop import train

EXAMPLES = [
    Example(f"line {number}", (text,), label)
    for number, (text, label) in enumerate(
        (
            ("wake me at six", "alarm"),
            ("wake me at seven", "alarm"),
            ("set the alarm", "alarm"),
            ("alarm at six", "alarm"),
            ("is it cold", "weather"),
            ("how is the weather", "weather"),
            ("is the rain cold", "weather"),
            ("weather tonight", "weather"),
        )
    )
]
QUICK = TrainingConfig(epochs=25, batch_size=4, learning_rate=1e-2)
SHORT = TrainingConfig(epochs=2, batch_size=4, learning_rate=1e-3)


class Interrupted(Exception):
    """Stands for a power failure."""


def a_tokenizer() -> SqueezeBertTokenizer:
    vocab = {token: number for number, token in enumerate(tiny.VOCABULARY)}
    return SqueezeBertTokenizer(vocab, model_max_length=32)


def a_model() -> PretrainedModel:
    return initialize("text-classification", tiny.tiny_config(num_labels=2))


def training_examples() -> list[TrainingExample]:
    encoder = Encoder(a_tokenizer(), 32, {"alarm": 0, "weather": 1})
    return encode_examples("text-classification", encoder, EXAMPLES)


def trained(config: TrainingConfig, **options: Any) -> tuple[dict[str, Tensor], History]:
    model = options.pop("model", None) or a_model()
    history = train(model, a_tokenizer(), training_examples(), config, **options)
    assert not model.training
    return model.state_dict(), history


def same(a: dict[str, Tensor], b: dict[str, Tensor]) -> bool:
    return all(torch.equal(a[key], b[key]) for key in a)


def saved_and_read(state: dict[str, Any]) -> dict[str, Any]:
    """The state after a round trip through a file that is read with weights_only."""
    file = io.BytesIO()
    torch.save(state, file)
    file.seek(0)
    loaded: dict[str, Any] = torch.load(file, weights_only=True)
    return loaded


def test_training_lowers_the_loss_and_corrects_the_answers() -> None:
    model = a_model()
    losses = trained(QUICK, model=model)[1].losses
    first, last = sum(losses[:4]) / 4, sum(losses[-4:]) / 4
    print(f"loss {first:.3f} -> {last:.3f}")
    assert last < first / 2
    inputs = a_tokenizer()([e.texts[0] for e in EXAMPLES], padding=True, return_tensors="pt")
    assert model(**inputs).logits.argmax(-1).tolist() == [0] * 4 + [1] * 4


def test_the_same_seed_gives_the_same_weights_and_another_seed_others() -> None:
    once, again = trained(SHORT)[0], trained(SHORT)[0]
    other = trained(TrainingConfig(epochs=2, batch_size=4, learning_rate=1e-3, seed=1))[0]
    assert same(once, again)
    assert not same(once, other)


def test_the_callers_random_state_is_unchanged() -> None:
    before = torch.get_rng_state()
    trained(TrainingConfig(epochs=1, batch_size=4))
    assert torch.equal(torch.get_rng_state(), before)


def test_progress_counts_every_step_of_every_epoch() -> None:
    progress = list[TrainingProgress]()
    trained(TrainingConfig(epochs=2, batch_size=3), report=progress.append)
    assert [p.step for p in progress] == [1, 2, 3, 4, 5, 6]
    assert [p.epoch for p in progress] == [1, 1, 1, 2, 2, 2]
    assert {p.steps for p in progress} == {6}


# Resuming -----------------------------------------------------------------------------------


@pytest.mark.parametrize("stop", [1, 3, 4, 6, 7])  # within an epoch of three steps, and at its end
def test_a_resumed_training_ends_with_the_same_weights(
    stop: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "SAVE_EVERY", 1)
    training = TrainingConfig(epochs=3, batch_size=3, learning_rate=1e-3)
    values = iter((0.5, 0.4, 0.3))
    whole, expected = trained(training, measure=lambda: DevScore("x", *(next(values),) * 2))
    states: list[dict[str, Any]] = []

    def report(progress: TrainingProgress) -> None:
        if progress.step > stop:
            raise Interrupted

    values = iter((0.5, 0.4, 0.3))
    measure = lambda: DevScore("x", *(next(values),) * 2)  # noqa: E731
    with pytest.raises(Interrupted):
        trained(
            training,
            measure=measure,
            report=report,
            save=lambda s: states.append(saved_and_read(s)),
        )
    assert states[-1]["step"] == stop
    resumed, history = trained(training, measure=measure, state=states[-1])
    assert same(resumed, whole)
    assert history == expected
    assert history.best.epoch == 1


def test_a_state_has_the_states_of_the_generators() -> None:
    states: list[dict[str, Any]] = []
    trained(SHORT, save=states.append)
    assert [state["epoch"] for state in states] == [2, 3]
    assert not torch.equal(*(state["random_now"] for state in states))


# The development set ------------------------------------------------------------------------


def test_the_best_weights_are_kept_and_training_stops_early() -> None:
    training = TrainingConfig(epochs=20, batch_size=8, learning_rate=1e-2, patience=2)
    model, seen = a_model(), list[dict[str, Tensor]]()

    def measure() -> DevScore:
        assert not model.training
        seen.append({name: x.clone() for name, x in model.state_dict().items()})
        return DevScore("loss", (3, 1, 2, 1, 9)[len(seen) - 1], -(3, 1, 2, 1, 9)[len(seen) - 1])

    weights, history = trained(training, model=model, measure=measure)
    assert [epoch.epoch for epoch in history.epochs] == [1, 2, 3, 4]
    assert history.best.epoch == 2
    assert same(weights, seen[1]) and not same(weights, seen[3])


def test_without_a_development_set_the_last_weights_are_kept() -> None:
    history = trained(SHORT)[1]
    assert history.best == history.epochs[-1] and history.best.score is None


# Weight decay and divergence ----------------------------------------------------------------


def test_weight_decay_is_for_matrices_only() -> None:
    # With gradients clipped to 0, weight decay is the only change.
    training = TrainingConfig(
        epochs=1, batch_size=8, learning_rate=0.1, weight_decay=0.5, largest_gradient=0.0
    )
    before, after = a_model().state_dict(), trained(training)[0]
    for name, weight in before.items():
        shrunk = weight * (1 - 0.1 * 0.5) if weight.dim() > 1 else weight
        torch.testing.assert_close(after[name], shrunk, msg=name)


def test_divergence_is_reported() -> None:
    model = a_model()
    with torch.no_grad():
        model.classifier.bias[0] = math.inf  # type: ignore[union-attr, index, operator]
    with pytest.raises(
        TrainingError, match=r"the loss is (nan|inf) at step 1: .* --learning-rate be"
    ):
        trained(SHORT, model=model)
