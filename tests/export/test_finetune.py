"""The training loop: it learns, it is the same each time, and it keeps to its options."""

import pytest
import tiny
import torch
from torch import Tensor

from squeezebert_mobile.export import finetune as module
from squeezebert_mobile.export.finetune import Example, Progress, Training, finetune, predict
from squeezebert_mobile.export.model import SqueezeBertForSequenceClassification
from squeezebert_mobile.runtime.tokenizer import SqueezeBertTokenizer

EXAMPLES = [
    Example(text, label)
    for text, label in (
        ("wake me at six", 0),
        ("wake me at seven", 0),
        ("set the alarm", 0),
        ("alarm at six", 0),
        ("is it cold", 1),
        ("how is the weather", 1),
        ("is the rain cold", 1),
        ("weather tonight", 1),
    )
]
QUICK = Training(epochs=25, batch_size=4, learning_rate=1e-2)


def a_tokenizer() -> SqueezeBertTokenizer:
    vocab = {token: number for number, token in enumerate(tiny.VOCABULARY)}
    return SqueezeBertTokenizer(vocab, model_max_length=32)


def a_model() -> SqueezeBertForSequenceClassification:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return SqueezeBertForSequenceClassification(tiny.tiny_config(num_labels=2))


def trained(training: Training) -> tuple[dict[str, Tensor], list[Progress]]:
    model, progress = a_model(), list[Progress]()
    finetune(model, a_tokenizer(), EXAMPLES, training, report=progress.append)
    assert not model.training
    return model.state_dict(), progress


def same(a: dict[str, Tensor], b: dict[str, Tensor]) -> bool:
    return all(torch.equal(a[key], b[key]) for key in a)


def test_a_few_steps_lower_the_loss_and_the_answers_come_right() -> None:
    model, losses = a_model(), list[float]()
    finetune(model, a_tokenizer(), EXAMPLES, QUICK, report=lambda p: losses.append(p.loss))
    first, last = sum(losses[:4]) / 4, sum(losses[-4:]) / 4
    print(f"loss {first:.3f} -> {last:.3f}")
    assert last < first / 2
    texts = [example.text for example in EXAMPLES]
    assert predict(model, a_tokenizer(), texts) == [example.label for example in EXAMPLES]


def test_the_same_seed_gives_the_same_weights_and_another_seed_others() -> None:
    short = Training(epochs=2, batch_size=4, learning_rate=1e-3)
    once, again = trained(short)[0], trained(short)[0]
    other = trained(Training(epochs=2, batch_size=4, learning_rate=1e-3, seed=1))[0]
    assert same(once, again)
    assert not same(once, other)


def test_the_callers_random_state_is_left_alone() -> None:
    before = torch.get_rng_state()
    trained(Training(epochs=1, batch_size=4))
    assert torch.equal(torch.get_rng_state(), before)


def test_progress_counts_every_step_of_every_epoch() -> None:
    progress = trained(Training(epochs=2, batch_size=3))[1]
    assert [p.step for p in progress] == [1, 2, 3, 4, 5, 6]
    assert [p.epoch for p in progress] == [1, 1, 1, 2, 2, 2]
    assert {p.steps for p in progress} == {6}


def test_every_epoch_shows_every_example_once_in_another_order() -> None:
    examples = [Example("a" * length, 0) for length in range(60)]  # chance repeats no such order
    batches = list(module._batches(examples, Training(epochs=2, batch_size=3)))
    seen = [
        [example for e, batch in batches if e == epoch for example in batch] for epoch in (1, 2)
    ]
    for epoch in seen:
        assert sorted(epoch, key=str) == sorted(examples, key=str)
    assert seen[0] != seen[1]


def test_texts_of_like_length_share_a_batch() -> None:
    examples = [Example("a" * (1 + i % 40), 0) for i in range(400)]
    batches = [batch for _, batch in module._batches(examples, Training(epochs=1, batch_size=8))]
    spread = [max(len(e.text) for e in b) - min(len(e.text) for e in b) for b in batches]
    assert max(spread) <= 1


@pytest.mark.parametrize(
    ("step", "share"),
    [(0, 0.1), (4, 0.5), (9, 1.0), (10, 1.0), (55, 0.5), (99, 1 / 90), (100, 0.0)],
)
def test_the_learning_rate_rises_and_falls_in_lines(step: int, share: float) -> None:
    assert module._rate(step, 100, 0.1) == pytest.approx(share)


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
