"""Feature extraction: the vector of a text, or the vectors of its tokens."""

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, TypedDict, Unpack, overload

import numpy as np

from squeezebert_mobile.artifact import SentenceVector
from squeezebert_mobile.errors import InputError, choose
from squeezebert_mobile.runtime.sessions.base import FloatArray
from squeezebert_mobile.runtime.tasks.options import check_top_k
from squeezebert_mobile.runtime.tasks.pipeline import (
    BATCH_SIZE,
    ListInput,
    OneInput,
    Pipeline,
    parse_pair,
    tokens_cut,
    with_pair,
)
from squeezebert_mobile.runtime.tasks.pooling import MEAN, sentence_vector
from squeezebert_mobile.runtime.tasks.results import FeatureExtractionResult, SearchResult
from squeezebert_mobile.runtime.tasks.similarity import nearest, similarities
from squeezebert_mobile.runtime.tokenizer.input_text import as_text

__all__ = ["FeatureExtraction"]

#: The prompts of a search, by the names that sentence-transformers looks for, in this order.
QUERY_PROMPTS = ("query",)
DOCUMENT_PROMPTS = ("document", "passage", "corpus")


class _Options(TypedDict, total=False):
    token_vectors: bool
    prompt_name: str | None
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
        prompt_name: str | None = None,
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
            prompt_name: the prompt of the checkpoint that is put before each text, such as
                "query"; None takes its default prompt, if it has one.
            batch_size: the maximum number of texts in one model call. In int8 they share the
                activation scales, so that a result depends on its batch in about the third digit.

        Returns:
            The sentence vector as the checkpoint's modules.json says (sentence-transformers):
            pooled over all tokens, special ones included, and normalized if it has a Normalize
            module. Without modules.json, the mean normalized to length 1. Of normalized vectors the
            dot product is the cosine similarity.

        Raises:
            InputError: a text or an option is invalid.
        """
        results: (
            FeatureExtractionResult
            | list[FeatureExtractionResult]
            | Iterator[FeatureExtractionResult]
        ) = self._extract(
            with_pair(texts, text_pair),
            parse_pair,
            prompt=self._prompt(prompt_name),
            token_vectors=token_vectors,
            batch_size=batch_size,
        )
        return results

    def similarity(
        self,
        first: OneInput | ListInput | FeatureExtractionResult | FloatArray,
        second: OneInput | ListInput | FeatureExtractionResult | FloatArray,
        *,
        batch_size: int = BATCH_SIZE,
    ) -> FloatArray:
        """The similarity of texts, as `SentenceTransformer.similarity`.

        Args:
            first: N texts or results of a call: one, a list, or an array of sentence vectors
                (N, H); one text gives N = 1.
            second: the M texts to compare them with.
            batch_size: the maximum number of texts in one model call.

        Returns:
            (N, M): by the function that the checkpoint names (similarity_fn_name of
            sentence-transformers): the cosine, which is the default, the dot product, or the
            negative Euclidean or Manhattan distance. ``.item()`` is the number for two texts.

        Raises:
            InputError: a text is invalid, or the vectors have different lengths.
        """
        vectors = [self._vectors(value, batch_size) for value in (first, second)]
        if vectors[0].shape[1:] != vectors[1].shape[1:] and all(map(len, vectors)):
            raise InputError(
                f"vectors of {vectors[0].shape[1]} numbers cannot be compared with vectors of "
                f"{vectors[1].shape[1]}; compute both with the same model"
            )
        return similarities(self._settings.similarity, *vectors)

    def search(
        self,
        query: str,
        texts: Iterable[str],
        *,
        top_k: int | None = 10,
        batch_size: int = BATCH_SIZE,
    ) -> SearchResult:
        """Find the texts that are most similar to a query.

        As `encode_query` and `encode_document` of sentence-transformers it puts the prompt "query"
        of the checkpoint before the query, and the first of "document", "passage" and "corpus"
        before each text, where the checkpoint has them.

        Args:
            query: the text to search with.
            texts: the texts to search in, read lazily.
            top_k: the number of texts to return; None returns all.
            batch_size: the maximum number of texts in one model call.

        Raises:
            InputError: a text or an option is invalid.
        """
        check_top_k(top_k)
        if isinstance(texts, str | bytes | Mapping) or not isinstance(texts, Iterable):
            raise InputError(f"texts={texts!r:.60} must be a list or an iterable of texts")
        prompt = self._named_prompt(QUERY_PROMPTS)
        asked = self._extract(as_text(query, "query"), _parse_text, prompt=prompt, batch_size=1)
        waiting: deque[str] = deque()  # read, but not answered
        truncated = 0

        def inputs() -> Iterator[str]:
            for text in texts:
                waiting.append(text)
                yield text

        def scored() -> Iterator[tuple[str, float]]:
            nonlocal truncated
            prompt = self._named_prompt(DOCUMENT_PROMPTS)
            for result in self._extract(
                inputs(), _parse_text, prompt=prompt, batch_size=batch_size
            ):
                truncated += result.truncated
                yield as_text(waiting.popleft()), self.similarity(asked, result).item()

        hits = nearest(scored(), top_k)
        return SearchResult(hits, texts_truncated=truncated, tokens_cut=asked.tokens_cut)

    @property
    def _settings(self) -> SentenceVector:
        return self.spec.sentence_vector or MEAN

    def _extract(
        self,
        texts: Any,
        parse: Callable[[Any], tuple[str, str | None]],
        *,
        prompt: str,
        token_vectors: bool = False,
        batch_size: int,
    ) -> Any:
        """The results for one input, a list or an iterable, with `prompt` before each text."""
        settings = self._settings
        # As in sentence-transformers the tokens of a prompt count from [CLS] on, without [SEP].
        skipped = 0
        if prompt and not settings.include_prompt:
            skipped = len(self._rows([(prompt, None)])[0]) - 1

        def run(pairs: list[tuple[str, str | None]]) -> list[FeatureExtractionResult]:
            rows = self._rows([(prompt + text, pair) for text, pair in pairs])

            def decode(number: int, outputs: dict[str, FloatArray]) -> FeatureExtractionResult:
                row, vectors = rows[number], outputs["last_hidden_state"]  # (S, H)
                return FeatureExtractionResult(
                    sentence=sentence_vector(
                        vectors,
                        pooling=settings.pooling,
                        normalize=settings.normalize,
                        first=min(skipped, len(vectors) - 1),
                    ),
                    tokens=self._tokens(row.ids) if token_vectors else None,
                    # A copy, as a view would keep the outputs of the whole batch.
                    vectors=vectors.copy() if token_vectors else None,
                    tokens_cut=tokens_cut(row),
                )

            return self._run([(row,) for row in rows], decode, batch_size)

        return self._apply(texts, parse, run, batch_size=batch_size)

    def _vectors(self, value: Any, batch_size: int) -> FloatArray:
        """The vectors (N, H) of texts, of results, or of an array of them."""
        if isinstance(value, np.ndarray):
            return np.atleast_2d(value)
        if isinstance(value, str | bytes | Mapping | FeatureExtractionResult):
            value = [value]
        known = (FeatureExtractionResult, np.ndarray)
        is_list = isinstance(value, list | tuple)
        if not is_list or not all(isinstance(item, known) for item in value):
            value = list(self(value, batch_size=batch_size))
        vectors = [item if isinstance(item, np.ndarray) else item.sentence for item in value]
        return np.stack(vectors) if vectors else np.empty((0, 0), np.float32)

    def _tokens(self, ids: list[int]) -> tuple[str, ...]:
        return tuple(str(token) for token in self.tokenizer.convert_ids_to_tokens(ids))

    def _prompt(self, name: str | None) -> str:
        """The text of a prompt; empty without one."""
        settings = self._settings
        name = settings.default_prompt if name is None else name
        if name is None:
            return ""
        if name not in settings.prompts:
            if not settings.prompts:
                raise InputError(f"the model has no prompts; leave out the prompt name {name!r}")
            raise InputError(choose("prompt name", name, settings.prompts))
        return settings.prompts[name]

    def _named_prompt(self, names: tuple[str, ...]) -> str:
        """The first of these prompts that the checkpoint has; empty if it has none of them."""
        prompts = self._settings.prompts
        return next((prompts[name] for name in names if prompts.get(name)), "")


def _parse_text(value: Any) -> tuple[str, None]:
    return as_text(value), None
