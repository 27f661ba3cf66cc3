"""The training configuration: hyperparameters, their defaults, and their valid ranges."""

from dataclasses import dataclass

from squeezebert_mobile.errors import InputError

__all__ = [
    "DEFAULT_BATCH_SIZE",
    "TrainingConfig",
    "check_options",
    "check_precision",
    "default_config",
]

_ROUNDED = ("int8", "int4")

# Defaults; docs/finetune.md reports the experiments behind them.
DEFAULT_BATCH_SIZE = 16
_EPOCHS, _MAX_EPOCHS = 3, 50
_MIN_STEPS = 1000  # with fewer, a new head or a small encoder hardly changes
_RATE, _RATE_WIDTH, _MAX_RATE = 5e-5, 768, 1e-3  # narrower encoders train with a higher rate


@dataclass(frozen=True, kw_only=True)
class TrainingConfig:
    """Hyperparameters; the defaults are common for fine-tuning a pretrained encoder."""

    epochs: int = 3
    batch_size: int = 32  # per process
    learning_rate: float = 5e-5  # the peak, reached after the warm-up; 0 at the end
    warm_up: float = 0.1  # share of all steps
    weight_decay: float = 0.01
    largest_gradient: float = 1.0  # gradients are clipped to this norm over all weights
    patience: int = 3  # epochs without a better score before training stops
    seed: int = 0  # for shuffling and dropout


def default_config(
    examples: int, hidden_size: int, *, batch_size: int | None = None
) -> TrainingConfig:
    """The configuration for a data set and an encoder.

    Args:
        examples: Number of training examples.
        hidden_size: Hidden size of the encoder.
        batch_size: Batch size over all processes; None is the default of one process.
    """
    steps = -(-examples // (batch_size or DEFAULT_BATCH_SIZE))
    return TrainingConfig(
        epochs=min(_MAX_EPOCHS, max(_EPOCHS, -(-_MIN_STEPS // steps))),
        batch_size=DEFAULT_BATCH_SIZE,
        learning_rate=min(_MAX_RATE, _RATE * _RATE_WIDTH / hidden_size),
    )


def check_precision(quantize: str | None) -> None:
    """Check the precision to train for; None trains without rounding.

    Raises:
        InputError: it rounds no weights.
    """
    if quantize is not None and quantize not in _ROUNDED:
        raise InputError(
            f"--quantize {quantize} rounds no weights; give {' or '.join(_ROUNDED)}, or omit it"
        )


def check_options(epochs: int | None, learning_rate: float | None, batch_size: int | None) -> None:
    """Check the values of the command line; None stands for the default.

    Raises:
        InputError: a value is out of range.
    """
    for option, count in (("--epochs", epochs), ("--batch-size", batch_size)):
        if count is not None and count < 1:
            raise InputError(f"{option} {count} is too few; give 1 or more")
    if learning_rate is not None and not 0 < learning_rate <= 1:
        raise InputError(
            f"--learning-rate {learning_rate:g} is out of range; use a small value such as 5e-5, "
            "or omit it"
        )
