"""Scores from logits."""

import numpy as np
from numpy.typing import NDArray

from squeezebert_mobile.runtime.sessions.base import FloatArray

__all__ = ["Numbers", "best", "log_softmax", "sigmoid", "softmax"]

Numbers = NDArray[np.float64]


def log_softmax(logits: FloatArray) -> Numbers:
    """The logarithm of the softmax over the last axis."""
    shifted = logits.astype(np.float64) - logits.max(axis=-1, keepdims=True)
    total: Numbers = shifted - np.log(np.exp(shifted).sum(axis=-1, keepdims=True))
    return total


def softmax(logits: FloatArray) -> Numbers:
    """Probabilities over the last axis."""
    probabilities: Numbers = np.exp(log_softmax(logits))
    return probabilities


def sigmoid(logits: FloatArray) -> Numbers:
    """Independent probabilities."""
    # tanh does not overflow: 1 / (1 + exp(-x)) = (1 + tanh(x / 2)) / 2.
    probabilities: Numbers = (1 + np.tanh(logits.astype(np.float64) / 2)) / 2
    return probabilities


def best(scores: Numbers, top_k: int | None) -> list[int]:
    """The indices of the `top_k` highest scores, highest first; equal scores keep their order."""
    count = len(scores) if top_k is None else min(top_k, len(scores))
    if count < len(scores):  # a vocabulary is long: only sort the candidates
        limit = np.partition(scores, -count)[-count]
        places = np.flatnonzero(scores >= limit)
    else:
        places = np.arange(len(scores))
    order = places[np.argsort(-scores[places], kind="stable")]
    return [int(place) for place in order[:count]]
