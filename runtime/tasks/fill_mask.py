"""The tokens that fit in the place of a mask."""

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from squeezebert_mobile.errors import InputError
from squeezebert_mobile.runtime.sessions.base import FloatArray
from squeezebert_mobile.runtime.tasks.options import check_top_k
from squeezebert_mobile.runtime.tasks.pipeline import BATCH_SIZE, Pipeline, tokens_cut
from squeezebert_mobile.runtime.tasks.results import Fill, FillMaskResult
from squeezebert_mobile.runtime.tasks.scores import Numbers, best, softmax
from squeezebert_mobile.runtime.tokenizer.input_text import as_text
from squeezebert_mobile.runtime.tokenizer.rows import Row

__all__ = ["FillMask"]


class FillMask(Pipeline[FillMaskResult]):
    """Fills the masks of texts."""

    def __call__(
        self,
        texts: Any,
        *,
        top_k: int | None = 5,
        targets: str | Sequence[str] | None = None,
        batch_size: int = BATCH_SIZE,
    ) -> FillMaskResult | list[FillMaskResult] | Iterator[FillMaskResult]:
        """Fill the masks of one text, each of a list, or each of an iterable as it comes.

        Args:
            texts: texts with at least one mask token (`tokenizer.mask_token`) each.
            top_k: how many tokens to give for each mask, best first; None gives all.
            targets: the words to choose from. Of a word that is no token its first token counts.
            batch_size: the most texts of one model call. In int8 these share the scales of their
                activations, and an answer changes with its company in about the third digit.

        Returns:
            For each mask its tokens. A score is that token's probability in this place, the other
            masks being masks.

        Raises:
            InputError: a text has no mask, or a text or an option cannot be used.
        """
        check_top_k(top_k)
        allowed = None if targets is None else self._target_ids(targets)

        def run(pairs: list[tuple[str, None]]) -> list[FillMaskResult]:
            rows = self._rows(pairs)
            places = [self._places(row) for row in rows]

            def decode(number: int, outputs: dict[str, FloatArray]) -> FillMaskResult:
                ids, found = rows[number].ids, places[number]
                scores = softmax(outputs["logits"][found])  # (masks, vocab)
                masks = tuple(
                    self._fills(ids, place, row, allowed, top_k, alone=len(found) == 1)
                    for place, row in zip(found, scores, strict=True)
                )
                return FillMaskResult(masks, tokens_cut=tokens_cut(rows[number]))

            return self._run([(row,) for row in rows], decode, batch_size)

        return self._apply(texts, self._parse, run, batch_size=batch_size)

    def _parse(self, value: Any) -> tuple[str, None]:
        text, mask = as_text(value), self.tokenizer.mask_token
        if mask.lower() not in text.lower():  # _places looks closer; here the input has its number
            raise InputError(f"the text has no {mask}; put it where a word goes")
        return text, None

    def _places(self, row: Row) -> list[int]:
        mask = self.tokenizer.mask_token_id
        if places := [place for place, number in enumerate(row.ids) if number == mask]:
            return places
        if mask in row.segments[0].ids:
            raise InputError(
                f"the {self.tokenizer.mask_token} stands beyond the {self.max_length} tokens that "
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
                    # The other masks are special tokens too, and are to be seen.
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
                raise InputError(f"the target {word!r} has no token; give a word")
            ids.add(pieces[0])
        return sorted(ids)
