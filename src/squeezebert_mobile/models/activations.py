"""The activations for config.hidden_act, by transformers' names: all that have no weights."""

import math
from collections.abc import Callable
from functools import partial

import torch
from torch import Tensor
from torch.nn import functional

__all__ = ["ACTIVATIONS", "Activation"]

Activation = Callable[[Tensor], Tensor]

_SQRT_2_OVER_PI = math.sqrt(2 / math.pi)
_CUBIC = 0.044715  # of the tanh approximation, arXiv 1606.08415


def _gelu_tanh(x: Tensor) -> Tensor:
    return 0.5 * x * (1 + torch.tanh(_SQRT_2_OVER_PI * (x + _CUBIC * x.pow(3))))


def _gelu_fast(x: Tensor) -> Tensor:
    return 0.5 * x * (1 + torch.tanh(_SQRT_2_OVER_PI * x * (1 + _CUBIC * x * x)))


def _gelu_clipped(x: Tensor) -> Tensor:
    return functional.gelu(x).clip(-10, 10)


def _quick_gelu(x: Tensor) -> Tensor:
    return x * torch.sigmoid(1.702 * x)


def _laplace(x: Tensor) -> Tensor:
    mean, deviation = 0.707107, 0.282095  # arXiv 2209.10655: closest to the squared relu
    return 0.5 * (1 + torch.erf((x - mean) / (deviation * math.sqrt(2))))


def _linear(x: Tensor) -> Tensor:
    return x


def _relu_squared(x: Tensor) -> Tensor:
    return functional.relu(x).square()


def _sqrt_softplus(x: Tensor) -> Tensor:
    return functional.softplus(x).sqrt()


ACTIVATIONS: dict[str, Activation] = {
    "gelu": functional.gelu,
    "gelu_10": _gelu_clipped,
    "gelu_accurate": _gelu_tanh,
    "gelu_fast": _gelu_fast,
    "gelu_new": _gelu_tanh,
    "gelu_python": functional.gelu,  # transformers spells it out, with erf
    "gelu_python_tanh": _gelu_tanh,
    "gelu_pytorch_tanh": partial(functional.gelu, approximate="tanh"),
    "hardswish": functional.hardswish,
    "laplace": _laplace,
    "leaky_relu": functional.leaky_relu,
    "linear": _linear,
    "mish": functional.mish,
    "quick_gelu": _quick_gelu,
    "relu": functional.relu,
    "relu2": _relu_squared,
    "relu6": functional.relu6,
    "sigmoid": torch.sigmoid,
    "silu": functional.silu,
    "sqrtsoftplus": _sqrt_softplus,
    "swish": functional.silu,
    "tanh": torch.tanh,
}
