"""Feature extraction: the vector of a text, or the vectors of its tokens."""

from collections.abc import Iterable, Iterator
from typing import Any, TypedDict, Unpack, overload

from squeezebert_mobile.errors import InputError, choose
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
from squeezebert_mobile.runtime.tasks.pooling import MEAN, sentence_vector
from squeezebert_mobile.runtime.tasks.results import FeatureExtractionResult

__all__ = ["FeatureExtraction"]


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

        settings = self.spec.sentence_vector or MEAN
        prompt = self._prompt(prompt_name)
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

        return self._apply(with_pair(texts, text_pair), parse_pair, run, batch_size=batch_size)

    def _tokens(self, ids: list[int]) -> tuple[str, ...]:
        return tuple(str(token) for token in self.tokenizer.convert_ids_to_tokens(ids))

    def _prompt(self, name: str | None) -> str:
        """The text of a prompt; empty without one."""
        settings = self.spec.sentence_vector or MEAN
        name = settings.default_prompt if name is None else name
        if name is None:
            return ""
        if name not in settings.prompts:
            if not settings.prompts:
                raise InputError(f"the model has no prompts; leave out prompt_name={name!r}")
            raise InputError(choose("prompt_name", name, settings.prompts))
        return settings.prompts[name]
