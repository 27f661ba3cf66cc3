"""The default hyperparameters."""

import pytest

from squeezebert_mobile.training.config import default_config


@pytest.mark.parametrize(
    ("examples", "hidden", "epochs", "rate"),
    [
        (1200, 32, 14, 1e-3),
        (1200, 768, 14, 5e-5),
        (400_000, 768, 3, 5e-5),
        (8, 768, 50, 5e-5),
        (1200, 384, 14, 1e-4),
    ],
)
def test_default_hyperparameters(examples: int, hidden: int, epochs: int, rate: float) -> None:
    config = default_config(examples, hidden)
    assert (config.epochs, config.batch_size) == (epochs, 16)
    assert config.learning_rate == pytest.approx(rate)
