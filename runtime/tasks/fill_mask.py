"""Fill-mask: the most likely tokens for each mask."""

from collections.abc import Iterable, Iterator, Sequence
from typing import Any, TypedDict, Unpack, overload

import numpy as np

from squeezebert_mobile.errors import InputError
from squeezebert_mobile.runtime.sessions.base import FloatArray
from squeezebert_mobile.runtime.tasks.options import check_top_k
from squeezebert_mobile.runtime.tasks.pipeline import (
    BATCH_SIZE,
    ListInput,
    OneInput,
    Pipeline,
    tokens_cut,
)
from squeezebert_mobile.runtime.tasks.results import Fill, FillMaskResult
from squeezebert_mobile.runtime.tasks.scores import Numbers, best, softmax
from squeezebert_mobile.runtime.tokenizer.input_text import as_text
from squeezebert_mobile.runtime.tokenizer.rows import Row

__all__ = ["FillMask"]


class _Options(TypedDict, total=False):
    top_k: int | None
    targets: str | Sequence[str] | None
    batch_size: int


class FillMask(Pipeline[FillMaskResult]):
    """Predicts the tokens of the masks in texts."""

    @overload
    def __call__(self, texts: OneInput, **options: Unpack[_Options]) -> FillMaskResult: ...
    @overload
    def __call__(self, texts: ListInput, **options: Unpack[_Options]) -> list[FillMaskResult]: ...  # type: ignore[overload-overlap]
    @overload
    def __call__(
        self, texts: Iterable[Any], **options: Unpack[_Options]
    ) -> Iterator[FillMaskResult]: ...
    def __call__(
        self,
        texts: Any,
        *,
        top_k: int | None = 5,
        targets: str | Sequence[str] | None = None,
        batch_size: int = BATCH_SIZE,
    ) -> FillMaskResult | list[FillMaskResult] | Iterator[FillMaskResult]:
        """Fill the masks of a text, of a list of texts, or of an iterable, read lazily.

        Args:
            texts: texts with at least one mask token (`tokenizer.mask_token`) each.
            top_k: the number of tokens to return per mask, best first; None returns all.
            targets: the candidate words. A word that is not a token is replaced by its first token.
            batch_size: the maximum number of texts in one model call. In int8 they share the
                activation scales, so that a result depends on its batch in about the third digit.

        Returns:
            The tokens of each mask. A score is the probability of the token at this position, with
            the other masks left in place.

        Raises:
            InputError: a text has no mask, or a text or an option is invalid.
        """
        check_top_k(top_k)
        allowed = None if targets is None else self._target_ids(targets)

        def run(pairs: list[tuple[str, None]]) -> list[FillMaskResult]:
            rows = self._rows(pairs)
            places = [self._places(row) for row in rows]

            def decode(number: int, outputs: dict[str, FloatArray]) -> FillMaskResult:
                ids, positions = rows[number].ids, places[number]
                scores = softmax(outputs["logits"][positions])  # (masks, vocab)
                masks = tuple(
                    self._fills(ids, place, row, allowed, top_k, alone=len(positions) == 1)
                    for place, row in zip(positions, scores, strict=True)
                )
                return FillMaskResult(masks, tokens_cut=tokens_cut(rows[number]))

            return self._run([(row,) for row in rows], decode, batch_size)

        return self._apply(texts, self._parse, run, batch_size=batch_size)

    def _parse(self, value: Any) -> tuple[str, None]:
        text, mask = as_text(value), self.tokenizer.mask_token
        # _places checks the tokens; an error raised here names the input.
        if mask.lower() not in text.lower():
            raise InputError(f"the text has no {mask}; put it where a word goes")
        return text, None

    def _places(self, row: Row) -> list[int]:
        mask = self.tokenizer.mask_token_id
        if places := [place for place, number in enumerate(row.ids) if number == mask]:
            return places
        if mask in row.segments[0].ids:
            raise InputError(
                f"the {self.tokenizer.mask_token} is beyond the {self.max_length} tokens that "
                "this model takes; shorten the text before it"
            )
        raise InputError(f"the text has no {self.tokenizer.mask_token}; put it where a word goes")

    def _fills(
        self,
        ids: list[int],
        place: int,
        scores: Numbers,
        allowed: list[int] | None,
        top_k: int | None,
        *,
        alone: bool,
    ) -> tuple[Fill, ...]:
        tokens = np.arange(len(scores)) if allowed is None else np.array(allowed)
        fills = []
        for choice in best(scores[tokens], top_k):
            token = int(tokens[choice])
            filled = [*ids[:place], token, *ids[place + 1 :]]
            shown = [number for number in filled if number != self.tokenizer.pad_token_id]
            fills.append(
                Fill(
                    token_str=self.tokenizer.decode([token]),
                    score=float(scores[token]),
                    token=token,
                    # Other masks are special tokens too, and must stay visible.
                    sequence=self.tokenizer.decode(shown, skip_special_tokens=alone),
                )
            )
        return tuple(fills)

    def _target_ids(self, targets: str | Sequence[str]) -> list[int]:
        words = [targets] if isinstance(targets, str) else list(targets)
        if not words:
            raise InputError("targets is empty; give at least one word, or leave it out")
        vocab = self.tokenizer.get_vocab()
        ids = set()
        for word in words:
            word = as_text(word, "target")
            pieces = (
                [vocab[word]]
                if word in vocab
                else self.tokenizer.convert_tokens_to_ids(self.tokenizer.tokenize(word))
            )
            if not pieces:
                raise InputError(f"the target {word!r} has no token; use a word")
            ids.add(pieces[0])
        return sorted(ids)
