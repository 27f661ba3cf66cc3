"""The learning rate schedule, compared with transformers."""

import pytest
import torch
import transformers

from squeezebert_mobile.training.optimization import learning_rate_factor


@pytest.mark.parametrize("warm_up", [0.1, 0.25])
def test_the_learning_rate_is_that_of_transformers(warm_up: float) -> None:
    steps, warm_up_steps = 40, round(warm_up * 40)
    weight = torch.nn.Parameter(torch.zeros(1))
    optimizer = torch.optim.AdamW([weight], lr=1.0)
    theirs = transformers.get_linear_schedule_with_warmup(optimizer, warm_up_steps, steps)
    expected = []
    for _ in range(steps):
        optimizer.step()
        theirs.step()
        expected.append(theirs.get_last_lr()[0])
    # Theirs begins with a step at rate 0; ours is one step ahead during the warm-up.
    ours = [learning_rate_factor(step, steps, warm_up) for step in range(steps + 1)]
    assert ours[:warm_up_steps] == pytest.approx(expected[:warm_up_steps])
    assert ours[warm_up_steps + 1 :] == pytest.approx(expected[warm_up_steps:])


def test_without_warm_up_the_first_step_has_the_highest_rate() -> None:
    assert learning_rate_factor(0, 10, 0.0) == pytest.approx(1.0)
