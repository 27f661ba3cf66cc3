"""Pooling: the vector of a text from the vectors of its tokens."""

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from squeezebert_mobile.artifact import SentenceVector
from squeezebert_mobile.runtime.sessions.base import FloatArray

__all__ = ["MEAN", "sentence_vector"]

#: For a checkpoint that does not say how.
MEAN = SentenceVector(pooling=("mean",), normalize=True)

#: Mode -> function of the tokens' vectors (S, H) and their positions in the row, from 1 (S, 1).
_POOLING: dict[str, Callable[..., NDArray[np.float64]]] = {
    "cls": lambda vectors, positions: vectors[0],
    "max": lambda vectors, positions: vectors.max(axis=0),
    "mean": lambda vectors, positions: vectors.mean(axis=0),
    "mean_sqrt_len_tokens": lambda vectors, positions: vectors.sum(axis=0) / len(vectors) ** 0.5,
    "weightedmean": lambda vectors, positions: (vectors * positions).sum(axis=0) / positions.sum(),
    "lasttoken": lambda vectors, positions: vectors[-1],
}


def sentence_vector(
    vectors: FloatArray, *, pooling: Sequence[str], normalize: bool, first: int = 0
) -> FloatArray:
    """The vector of a text.

    Args:
        vectors: of all tokens, special ones included: (S, H).
        pooling: the modes, of which H numbers each are concatenated.
        normalize: whether the vector gets the length 1.
        first: the position of the first token that is pooled, at most S - 1.

    Returns:
        (len(pooling) * H,)
    """
    positions = np.arange(first + 1, len(vectors) + 1, dtype=np.float64)[:, None]
    pooled = vectors[first:].astype(np.float64)
    vector = np.concatenate([_POOLING[mode](pooled, positions) for mode in pooling])
    if normalize:
        # The epsilon of torch.nn.functional.normalize, in case the vector is zero.
        vector /= max(np.linalg.norm(vector), 1e-12)
    return vector.astype(np.float32)
