"""The similarity of sentence vectors, by the functions of sentence-transformers."""

import heapq
from collections.abc import Callable, Iterable

import numpy as np
from numpy.typing import NDArray

from squeezebert_mobile.artifact.spec import SimilarityFunction
from squeezebert_mobile.runtime.sessions.base import FloatArray
from squeezebert_mobile.runtime.tasks.results import Hit

__all__ = ["nearest", "similarities"]

_Matrix = NDArray[np.float64]


def _cosine(first: _Matrix, second: _Matrix) -> _Matrix:
    return _unit(first) @ _unit(second).T


def _unit(vectors: _Matrix) -> _Matrix:
    # The epsilon of torch.nn.functional.normalize, in case a vector is zero.
    lengths: _Matrix = np.linalg.norm(vectors, axis=1, keepdims=True)
    return vectors / np.maximum(lengths, 1e-12)


def _distances(order: int) -> Callable[[_Matrix, _Matrix], _Matrix]:
    return lambda first, second: np.stack(
        [np.linalg.norm(second - vector, ord=order, axis=1) for vector in first]
    )


_FUNCTIONS: dict[SimilarityFunction, Callable[[_Matrix, _Matrix], _Matrix]] = {
    "cosine": _cosine,
    "dot": lambda first, second: first @ second.T,
    "euclidean": lambda first, second: -_distances(2)(first, second),
    "manhattan": lambda first, second: -_distances(1)(first, second),
}


def similarities(function: SimilarityFunction, first: FloatArray, second: FloatArray) -> FloatArray:
    """The similarity of each vector of `first` (N, H) with each of `second` (M, H): (N, M)."""
    if not len(first) or not len(second):
        return np.empty((len(first), len(second)), np.float32)
    values = _FUNCTIONS[function](first.astype(np.float64), second.astype(np.float64))
    return values.astype(np.float32)


def nearest(scored: Iterable[tuple[str, float]], top_k: int | None) -> tuple[Hit, ...]:
    """The texts with the highest scores, best first; of equal ones the first. None takes all."""
    hits = (Hit(number, score, text) for number, (text, score) in enumerate(scored))
    if top_k is None:
        return tuple(sorted(hits, key=_rank))
    return tuple(heapq.nsmallest(top_k, hits, key=_rank))  # holds no more than top_k


def _rank(hit: Hit) -> tuple[float, int]:
    return -hit.score, hit.corpus_id
