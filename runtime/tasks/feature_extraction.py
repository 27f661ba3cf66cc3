"""Vectors: one for a text, or one for each of its tokens."""

from collections.abc import Iterator
from typing import Any

import numpy as np

from squeezebert_mobile.runtime.sessions.base import FloatArray
from squeezebert_mobile.runtime.tasks.pipeline import (
    BATCH_SIZE,
    Pipeline,
    parse_pair,
    tokens_cut,
    with_pair,
)
from squeezebert_mobile.runtime.tasks.results import FeatureExtractionResult

__all__ = ["FeatureExtraction"]


class FeatureExtraction(Pipeline[FeatureExtractionResult]):
    """Makes vectors of texts."""

    def __call__(
        self,
        texts: Any,
        text_pair: str | None = None,
        *,
        token_vectors: bool = False,
        batch_size: int = BATCH_SIZE,
    ) -> (
        FeatureExtractionResult | list[FeatureExtractionResult] | Iterator[FeatureExtractionResult]
    ):
        """Make the vectors of one text, each of a list, or each of an iterable as it comes.

        Args:
            texts: a text is a str, ``(text, text_pair)`` inside a list, or
                ``{"text": ..., "text_pair": ...}``.
            text_pair: the second text, if `texts` is a single text.
            token_vectors: whether to give the vector of each token too.
            batch_size: the most texts of one model call. In int8 these share the scales of their
                activations, and an answer changes with its company in about the third digit.

        Returns:
            The sentence vector is the mean over the tokens, special ones included, at length 1: the
            cosine of two texts is the product of their vectors.

        Raises:
            InputError: a text or an option cannot be used.
        """

        def run(pairs: list[tuple[str, str | None]]) -> list[FeatureExtractionResult]:
            rows = self._rows(pairs)

            def decode(number: int, outputs: dict[str, FloatArray]) -> FeatureExtractionResult:
                row, vectors = rows[number], outputs["last_hidden_state"]  # (S, H)
                return FeatureExtractionResult(
                    sentence=sentence_vector(vectors),
                    tokens=self._tokens(row.ids) if token_vectors else None,
                    vectors=vectors.copy() if token_vectors else None,  # not the batch it views
                    tokens_cut=tokens_cut(row),
                )

            return self._run([(row,) for row in rows], decode, batch_size)

        return self._apply(with_pair(texts, text_pair), parse_pair, run, batch_size=batch_size)

    def _tokens(self, ids: list[int]) -> tuple[str, ...]:
        return tuple(str(token) for token in self.tokenizer.convert_ids_to_tokens(ids))


def sentence_vector(vectors: FloatArray) -> FloatArray:
    """The mean of a text's token vectors (S, H), at length 1."""
    mean = vectors.mean(axis=0, dtype=np.float64)
    # The same floor as torch.nn.functional.normalize, for the text whose mean is zero.
    unit: FloatArray = (mean / max(np.linalg.norm(mean), 1e-12)).astype(np.float32)
    return unit
