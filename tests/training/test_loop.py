"""The training loop: it learns, it is the same each time, and it goes on where it broke off."""

import io
import math
from typing import Any

import pytest
import tiny
import torch
import transformers
from torch import Tensor

from squeezebert_mobile.errors import TrainingError
from squeezebert_mobile.evaluation import Example
from squeezebert_mobile.models.heads import initialize
from squeezebert_mobile.models.modeling import PretrainedModel
from squeezebert_mobile.runtime.tokenizer import SqueezeBertTokenizer
from squeezebert_mobile.training import loop as module
from squeezebert_mobile.training.examples import Lesson, Reader, make_lessons
from squeezebert_mobile.training.loop import History, Progress, Score, Training, finetune

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
QUICK = Training(epochs=25, batch_size=4, learning_rate=1e-2)
SHORT = Training(epochs=2, batch_size=4, learning_rate=1e-3)


class Stopped(Exception):
    """The plug was pulled."""


def a_tokenizer() -> SqueezeBertTokenizer:
    vocab = {token: number for number, token in enumerate(tiny.VOCABULARY)}
    return SqueezeBertTokenizer(vocab, model_max_length=32)


def a_model() -> PretrainedModel:
    return initialize("text-classification", tiny.tiny_config(num_labels=2))


def lessons() -> list[Lesson]:
    reader = Reader(a_tokenizer(), 32, {"alarm": 0, "weather": 1})
    return make_lessons("text-classification", reader, EXAMPLES)


def trained(training: Training, **options: Any) -> tuple[dict[str, Tensor], History]:
    model = options.pop("model", None) or a_model()
    history = finetune(model, a_tokenizer(), lessons(), training, **options)
    assert not model.training
    return model.state_dict(), history


def same(a: dict[str, Tensor], b: dict[str, Tensor]) -> bool:
    return all(torch.equal(a[key], b[key]) for key in a)


def saved_and_read(state: dict[str, Any]) -> dict[str, Any]:
    """The state as it is after it was on disk, where nothing but tensors and values is read."""
    file = io.BytesIO()
    torch.save(state, file)
    file.seek(0)
    found: dict[str, Any] = torch.load(file, weights_only=True)
    return found


def test_a_few_steps_lower_the_loss_and_the_answers_come_right() -> None:
    model = a_model()
    losses = trained(QUICK, model=model)[1].losses
    first, last = sum(losses[:4]) / 4, sum(losses[-4:]) / 4
    print(f"loss {first:.3f} -> {last:.3f}")
    assert last < first / 2
    inputs = a_tokenizer()([e.texts[0] for e in EXAMPLES], padding=True, return_tensors="pt")
    assert model(**inputs).logits.argmax(-1).tolist() == [0] * 4 + [1] * 4


def test_the_same_seed_gives_the_same_weights_and_another_seed_others() -> None:
    once, again = trained(SHORT)[0], trained(SHORT)[0]
    other = trained(Training(epochs=2, batch_size=4, learning_rate=1e-3, seed=1))[0]
    assert same(once, again)
    assert not same(once, other)


def test_the_callers_random_state_is_left_alone() -> None:
    before = torch.get_rng_state()
    trained(Training(epochs=1, batch_size=4))
    assert torch.equal(torch.get_rng_state(), before)


def test_progress_counts_every_step_of_every_epoch() -> None:
    progress = list[Progress]()
    trained(Training(epochs=2, batch_size=3), report=progress.append)
    assert [p.step for p in progress] == [1, 2, 3, 4, 5, 6]
    assert [p.epoch for p in progress] == [1, 1, 1, 2, 2, 2]
    assert {p.steps for p in progress} == {6}


# Going on -----------------------------------------------------------------------------------


@pytest.mark.parametrize("stop", [1, 3, 4, 6, 7])  # within an epoch of three steps, and at its end
def test_one_that_broke_off_ends_with_the_same_weights(
    stop: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "SAVE_EVERY", 1)
    training = Training(epochs=3, batch_size=3, learning_rate=1e-3)
    values = iter((0.5, 0.4, 0.3))
    whole, expected = trained(training, measure=lambda: Score("x", *(next(values),) * 2))
    states: list[dict[str, Any]] = []

    def report(progress: Progress) -> None:
        if progress.step > stop:
            raise Stopped

    values = iter((0.5, 0.4, 0.3))
    measure = lambda: Score("x", *(next(values),) * 2)  # noqa: E731
    with pytest.raises(Stopped):
        trained(
            training,
            measure=measure,
            report=report,
            save=lambda s: states.append(saved_and_read(s)),
        )
    assert states[-1]["step"] == stop
    found, history = trained(training, measure=measure, state=states[-1])
    assert same(found, whole)
    assert history == expected
    assert history.best.epoch == 1


def test_a_state_says_where_every_generator_was() -> None:
    states: list[dict[str, Any]] = []
    trained(SHORT, save=states.append)
    assert [state["epoch"] for state in states] == [2, 3]
    assert not torch.equal(*(state["random_now"] for state in states))


# The development set ------------------------------------------------------------------------


def test_the_best_weights_are_kept_and_waiting_ends_it() -> None:
    training = Training(epochs=20, batch_size=8, learning_rate=1e-2, patience=2)
    model, seen = a_model(), list[dict[str, Tensor]]()

    def measure() -> Score:
        assert not model.training
        seen.append({name: x.clone() for name, x in model.state_dict().items()})
        return Score("loss", (3, 1, 2, 1, 9)[len(seen) - 1], -(3, 1, 2, 1, 9)[len(seen) - 1])

    weights, history = trained(training, model=model, measure=measure)
    assert [epoch.epoch for epoch in history.epochs] == [1, 2, 3, 4]
    assert history.best.epoch == 2
    assert same(weights, seen[1]) and not same(weights, seen[3])


def test_without_a_development_set_the_last_weights_are_kept() -> None:
    history = trained(SHORT)[1]
    assert history.best == history.epochs[-1] and history.best.score is None


# Order, rate, optimizer ---------------------------------------------------------------------


def batches(sizes: list[int], size: int) -> list[list[int]]:
    return module._batches(sizes, size, lambda drawn: drawn)


def test_every_epoch_shows_every_lesson_once_in_another_order() -> None:
    sizes = [*range(60)]  # chance repeats no such order
    epochs = [[place for batch in batches(sizes, 3) for place in batch] for _ in range(2)]
    assert [sorted(epoch) for epoch in epochs] == [sizes, sizes]
    assert epochs[0] != epochs[1]


def test_lessons_of_like_size_share_a_batch() -> None:
    sizes = [1 + i % 40 for i in range(400)]
    spread = [
        max(found) - min(found) for b in batches(sizes, 8) for found in [[sizes[i] for i in b]]
    ]
    assert max(spread) <= 1


@pytest.mark.parametrize("warm_up", [0.1, 0.25])
def test_the_learning_rate_is_that_of_transformers(warm_up: float) -> None:
    steps, rising = 40, round(warm_up * 40)
    weight = torch.nn.Parameter(torch.zeros(1))
    optimizer = torch.optim.AdamW([weight], lr=1.0)
    theirs = transformers.get_linear_schedule_with_warmup(optimizer, rising, steps)
    expected = []
    for _ in range(steps):
        optimizer.step()
        theirs.step()
        expected.append(theirs.get_last_lr()[0])
    # Theirs begins with a step at 0, which learns nothing; ours is one step ahead while it rises.
    ours = [module._rate(step, steps, warm_up) for step in range(steps + 1)]
    assert ours[:rising] == pytest.approx(expected[:rising])
    assert ours[rising + 1 :] == pytest.approx(expected[rising:])


def test_without_warm_up_the_first_step_has_the_highest_rate() -> None:
    assert module._rate(0, 10, 0.0) == pytest.approx(1.0)


def test_only_matrices_decay() -> None:
    # Gradients shortened to nothing leave decay as the only change.
    training = Training(
        epochs=1, batch_size=8, learning_rate=0.1, weight_decay=0.5, largest_gradient=0.0
    )
    before, after = a_model().state_dict(), trained(training)[0]
    for name, weight in before.items():
        shrunk = weight * (1 - 0.1 * 0.5) if weight.dim() > 1 else weight
        torch.testing.assert_close(after[name], shrunk, msg=name)


def test_a_training_that_diverges_says_so() -> None:
    model = a_model()
    with torch.no_grad():
        model.classifier.bias[0] = math.inf  # type: ignore[union-attr, index, operator]
    with pytest.raises(
        TrainingError, match=r"the loss is (nan|inf) at step 1: .* --learning-rate be"
    ):
        trained(SHORT, model=model)
