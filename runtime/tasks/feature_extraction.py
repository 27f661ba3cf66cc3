"""Feature extraction: the vector of a text, or the vectors of its tokens."""

from collections.abc import Iterable, Iterator
from typing import Any, TypedDict, Unpack, overload

import numpy as np

from squeezebert_mobile.runtime.sessions.base import FloatArray
from squeezebert_mobile.runtime.tasks.pipeline import (
    BATCH_SIZE,
    ListInput,
    OneInput,
    Pipeline,
    parse_pair,
    tokens_cut,
    with_pair,
)
from squeezebert_mobile.runtime.tasks.results import FeatureExtractionResult

__all__ = ["FeatureExtraction"]


class _Options(TypedDict, total=False):
    token_vectors: bool
    batch_size: int


class FeatureExtraction(Pipeline[FeatureExtractionResult]):
    """Computes the vectors of texts."""

    @overload
    def __call__(
        self, texts: OneInput, text_pair: str | None = None, **options: Unpack[_Options]
    ) -> FeatureExtractionResult: ...
    @overload
    def __call__(  # type: ignore[overload-overlap]
        self,
        texts: ListInput,
        **options: Unpack[_Options],
    ) -> list[FeatureExtractionResult]: ...
    @overload
    def __call__(
        self, texts: Iterable[Any], **options: Unpack[_Options]
    ) -> Iterator[FeatureExtractionResult]: ...
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
        """Compute the vectors of a text, of a list of texts, or of an iterable, read lazily.

        Args:
            texts: a text is a str, ``(text, text_pair)`` inside a list, or
                ``{"text": ..., "text_pair": ...}``.
            text_pair: the second text, if `texts` is a single text.
            token_vectors: whether to return the vector of each token too.
            batch_size: the maximum number of texts in one model call. In int8 they share the
                activation scales, so that a result depends on its batch in about the third digit.

        Returns:
            The sentence vector is the mean over all tokens, special ones included, normalized to
            length 1, so that the cosine similarity of two texts is the dot product.

        Raises:
            InputError: a text or an option is invalid.
        """

        def run(pairs: list[tuple[str, str | None]]) -> list[FeatureExtractionResult]:
            rows = self._rows(pairs)

            def decode(number: int, outputs: dict[str, FloatArray]) -> FeatureExtractionResult:
                row, vectors = rows[number], outputs["last_hidden_state"]  # (S, H)
                return FeatureExtractionResult(
                    sentence=sentence_vector(vectors),
                    tokens=self._tokens(row.ids) if token_vectors else None,
                    # A copy, as a view would keep the outputs of the whole batch.
                    vectors=vectors.copy() if token_vectors else None,
                    tokens_cut=tokens_cut(row),
                )

            return self._run([(row,) for row in rows], decode, batch_size)

        return self._apply(with_pair(texts, text_pair), parse_pair, run, batch_size=batch_size)

    def _tokens(self, ids: list[int]) -> tuple[str, ...]:
        return tuple(str(token) for token in self.tokenizer.convert_ids_to_tokens(ids))


def sentence_vector(vectors: FloatArray) -> FloatArray:
    """The mean of token vectors (S, H), normalized to length 1."""
    mean = vectors.mean(axis=0, dtype=np.float64)
    # The epsilon of torch.nn.functional.normalize, in case the mean is zero.
    unit: FloatArray = (mean / max(np.linalg.norm(mean), 1e-12)).astype(np.float32)
    return unit
