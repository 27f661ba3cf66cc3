"""Token classification: labels for tokens, or for words and entities."""

from collections.abc import Callable, Collection, Iterable, Iterator
from dataclasses import dataclass
from typing import Any, TypedDict, Unpack, overload

import numpy as np

from squeezebert_mobile.errors import InputError, choose
from squeezebert_mobile.runtime.sessions.base import FloatArray
from squeezebert_mobile.runtime.tasks.pipeline import (
    BATCH_SIZE,
    ListInput,
    OneInput,
    Pipeline,
    tokens_cut,
)
from squeezebert_mobile.runtime.tasks.results import Entity, TokenClassificationResult
from squeezebert_mobile.runtime.tasks.scores import Numbers, softmax
from squeezebert_mobile.runtime.tokenizer.input_text import as_text
from squeezebert_mobile.runtime.tokenizer.rows import Row
from squeezebert_mobile.tasks import Aggregation

__all__ = ["AGGREGATIONS", "TokenClassification"]


@dataclass(frozen=True)
class _Token:
    word: str
    scores: Numbers  # (labels,)
    start: int
    end: int
    index: int
    continues: bool  # a later token of the same word


#: Strategy -> the scores of a word from those of its tokens, (tokens, labels); None: no words.
AGGREGATIONS: dict[Aggregation, Callable[[Numbers], Numbers] | None] = {
    "none": None,
    "simple": None,
    "first": lambda scores: scores[0],
    "average": lambda scores: scores.mean(axis=0),
    "max": lambda scores: scores[scores.max(axis=1).argmax()],
}


class _Options(TypedDict, total=False):
    aggregation_strategy: Aggregation
    ignore_labels: Collection[str]
    batch_size: int


class TokenClassification(Pipeline[TokenClassificationResult]):
    """Finds the entities in texts."""

    @overload
    def __call__(
        self, texts: OneInput, **options: Unpack[_Options]
    ) -> TokenClassificationResult: ...
    @overload
    def __call__(  # type: ignore[overload-overlap]
        self,
        texts: ListInput,
        **options: Unpack[_Options],
    ) -> list[TokenClassificationResult]: ...
    @overload
    def __call__(
        self, texts: Iterable[Any], **options: Unpack[_Options]
    ) -> Iterator[TokenClassificationResult]: ...
    def __call__(
        self,
        texts: Any,
        *,
        aggregation_strategy: Aggregation = "none",
        ignore_labels: Collection[str] = ("O",),
        batch_size: int = BATCH_SIZE,
    ) -> (
        TokenClassificationResult
        | list[TokenClassificationResult]
        | Iterator[TokenClassificationResult]
    ):
        """Find the entities of a text, of a list of texts, or of an iterable, read lazily.

        Args:
            texts: the texts.
            aggregation_strategy: "none" returns tokens. The others merge adjacent tokens whose
                labels are equal apart from a prefix B- or I-; B- starts a new entity. "simple"
                merges tokens; the others first give all tokens of a word one label: that of its
                "first" token, that of the token with the highest score ("max"), or the label with
                the highest "average" score.
            ignore_labels: labels to leave out.
            batch_size: the maximum number of texts in one model call. In int8 they share the
                activation scales, so that a result depends on its batch in about the third digit.

        Raises:
            InputError: a text or an option is invalid.
        """
        if aggregation_strategy not in AGGREGATIONS:
            raise InputError(choose("aggregation_strategy", aggregation_strategy, AGGREGATIONS))
        if isinstance(ignore_labels, str):
            raise InputError(f"ignore_labels must be a list of labels, not {ignore_labels!r}")

        def run(texts: list[str]) -> list[TokenClassificationResult]:
            rows = self._rows([(text, None) for text in texts])

            def decode(number: int, outputs: dict[str, FloatArray]) -> TokenClassificationResult:
                tokens = self._tokens(texts[number], rows[number], softmax(outputs["logits"]))
                entities = self._entities(tokens, aggregation_strategy, ignore_labels)
                return TokenClassificationResult(
                    tuple(entities), tokens_cut=tokens_cut(rows[number])
                )

            return self._run([(row,) for row in rows], decode, batch_size)

        return self._apply(texts, as_text, run, batch_size=batch_size)

    def _tokens(self, text: str, row: Row, scores: Numbers) -> list[_Token]:
        """The tokens of the text, without special tokens, with their scores (S, labels)."""
        ids, offsets, special = row.ids, row.offsets, row.special_tokens_mask
        tokens = []
        for index, word in enumerate(self.tokenizer.convert_ids_to_tokens(ids)):
            if special[index]:
                continue
            start, end = offsets[index]
            unknown = ids[index] == self.tokenizer.unk_token_id
            word = text[start:end] if unknown else str(word)
            continues = word.startswith("##") and not unknown
            tokens.append(_Token(word, scores[index], start, end, index, continues))
        return tokens

    def _entities(
        self, tokens: list[_Token], strategy: Aggregation, ignored: Collection[str]
    ) -> list[Entity]:
        aggregate = AGGREGATIONS[strategy]
        if aggregate is None:
            entities = [self._entity([token], token.scores, token.index) for token in tokens]
        else:
            entities = [
                self._entity(word, aggregate(np.stack([token.scores for token in word])), None)
                for word in _words(tokens)
            ]
        if strategy != "none":
            entities = [self._join(group) for group in _groups(entities)]
        return [entity for entity in entities if entity.label not in ignored]

    def _entity(self, tokens: list[_Token], scores: Numbers, index: int | None) -> Entity:
        words = [token.word for token in tokens]
        best = int(scores.argmax())
        return Entity(
            label=self.label(best),
            score=float(scores[best]),
            word=words[0] if index is not None else self.tokenizer.convert_tokens_to_string(words),
            start=tokens[0].start,
            end=tokens[-1].end,
            index=index,
        )

    def _join(self, group: list[Entity]) -> Entity:
        return Entity(
            label=group[0].label.split("-", 1)[-1],
            score=float(np.mean([entity.score for entity in group])),
            word=self.tokenizer.convert_tokens_to_string([entity.word for entity in group]),
            start=group[0].start,
            end=group[-1].end,
        )


def _words(tokens: Iterable[_Token]) -> list[list[_Token]]:
    words: list[list[_Token]] = []
    for token in tokens:
        if token.continues and words:
            words[-1].append(token)
        else:
            words.append([token])
    return words


def _groups(entities: Iterable[Entity]) -> list[list[Entity]]:
    groups: list[list[Entity]] = []
    for entity in entities:
        begins = entity.label.startswith("B-")
        if groups and not begins and _tag(entity) == _tag(groups[-1][-1]):
            groups[-1].append(entity)
        else:
            groups.append([entity])
    return groups


def _tag(entity: Entity) -> str:
    return entity.label[2:] if entity.label.startswith(("B-", "I-")) else entity.label
