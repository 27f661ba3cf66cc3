"""Results of the pipelines: one dataclass per task.

`str(result)` is a line of text with the answer, and `repr(result)` its start with the name of the
class; `result.to_dict()` can be written as JSON.
"""

import dataclasses
from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Any

import numpy as np

from squeezebert_mobile.errors import printable
from squeezebert_mobile.runtime.sessions.base import FloatArray

__all__ = [
    "Answer",
    "Choice",
    "Entity",
    "FeatureExtractionResult",
    "Fill",
    "FillMaskResult",
    "Hit",
    "Label",
    "MultipleChoiceResult",
    "QuestionAnsweringResult",
    "Result",
    "SearchResult",
    "TextClassificationResult",
    "TokenClassificationResult",
    "ZeroShotResult",
]


_REPR = 200  # characters of a result; a text's answers can be thousands


@dataclass(frozen=True, kw_only=True, repr=False)
class Result(ABC):
    """Base class: the result for one input."""

    tokens_cut: int = 0  # number of tokens that truncation removed

    @property
    def truncated(self) -> bool:
        """Whether the input was truncated to the model's maximum length."""
        return self.tokens_cut > 0

    @property
    def notice(self) -> str | None:
        """A one-line warning if the input was truncated."""
        if not self.truncated:
            return None
        return (
            "the input is longer than this model takes: its last "
            f"{self.tokens_cut} tokens were not read"
        )

    @abstractmethod
    def __str__(self) -> str:
        """The answer."""

    def __repr__(self) -> str:
        """The class, and the answer in one line."""
        answer = " ".join(str(self).split())
        if len(answer) > _REPR:
            answer = f"{answer[:_REPR]}…"
        return f"<{type(self).__name__} {answer}>"

    def to_dict(self) -> dict[str, Any]:
        """The fields and `truncated`, as numbers, strings, lists and dicts."""
        fields = _plain(dataclasses.asdict(self))
        tokens_cut = fields.pop("tokens_cut")
        return {**fields, "truncated": self.truncated, "tokens_cut": tokens_cut}


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    return value.tolist() if isinstance(value, np.ndarray) else value


@dataclass(frozen=True)
class Label:
    """A label and its score: a probability, or for regression the value itself."""

    label: str
    score: float

    def __str__(self) -> str:
        """Label and score."""
        return f"{printable(self.label)} {self.score:.4f}"


@dataclass(frozen=True, repr=False)
class TextClassificationResult(Result):
    """The best labels of a text, best first."""

    labels: tuple[Label, ...]

    @property
    def label(self) -> str:
        """The best label."""
        return self.labels[0].label

    @property
    def score(self) -> float:
        """The best label's score."""
        return self.labels[0].score

    def __str__(self) -> str:
        """The labels with their scores."""
        return ", ".join(map(str, self.labels))


@dataclass(frozen=True, repr=False)
class ZeroShotResult(TextClassificationResult):
    """The candidate labels of a text, best first."""


@dataclass(frozen=True)
class Fill:
    """A token for a mask."""

    token_str: str
    score: float
    token: int
    sequence: str  # the text with the token in it

    def __str__(self) -> str:
        """Token and score."""
        return f"{printable(self.token_str)} {self.score:.4f}"


@dataclass(frozen=True, repr=False)
class FillMaskResult(Result):
    """The best tokens for each mask of a text, best first."""

    masks: tuple[tuple[Fill, ...], ...]

    @property
    def fills(self) -> tuple[Fill, ...]:
        """The best tokens of the first mask."""
        return self.masks[0]

    def __str__(self) -> str:
        """The tokens with their scores, separated by mask."""
        return " | ".join(", ".join(map(str, fills)) for fills in self.masks)


@dataclass(frozen=True)
class Entity:
    """A token, or with an aggregation strategy several tokens, and the label."""

    label: str
    score: float
    word: str
    start: int  # in characters of the text
    end: int
    index: int | None = None  # the token's position in the row; None for several tokens

    def __str__(self) -> str:
        """Word, label and score."""
        return f"{self.word}: {printable(self.label)} {self.score:.4f}"


@dataclass(frozen=True, repr=False)
class TokenClassificationResult(Result):
    """The entities of a text, in order."""

    entities: tuple[Entity, ...]

    def __str__(self) -> str:
        """The entities with their labels and scores."""
        return ", ".join(map(str, self.entities)) or "no entities"


@dataclass(frozen=True)
class Answer:
    """A span of the context; empty, from 0 to 0, for "no answer"."""

    answer: str
    score: float
    start: int  # in characters of the context
    end: int

    def __str__(self) -> str:
        """Answer and score."""
        return f"{self.answer or 'no answer'} {self.score:.4f}"


@dataclass(frozen=True, repr=False)
class QuestionAnsweringResult(Result):
    """The best answers to a question, best first."""

    answers: tuple[Answer, ...]

    @property
    def answer(self) -> str:
        """The best answer."""
        return self.answers[0].answer

    @property
    def score(self) -> float:
        """The best answer's score."""
        return self.answers[0].score

    def __str__(self) -> str:
        """The answers with their scores."""
        return ", ".join(map(str, self.answers))


@dataclass(frozen=True)
class Choice:
    """One of the choices given."""

    choice: str
    score: float
    index: int  # its position in the caller's list

    def __str__(self) -> str:
        """Choice and score."""
        return f"{self.choice} {self.score:.4f}"


@dataclass(frozen=True, repr=False)
class MultipleChoiceResult(Result):
    """All choices, best first."""

    choices: tuple[Choice, ...]

    @property
    def choice(self) -> str:
        """The best choice."""
        return self.choices[0].choice

    @property
    def index(self) -> int:
        """The best choice's position in the caller's list."""
        return self.choices[0].index

    def __str__(self) -> str:
        """The choices with their scores."""
        return ", ".join(map(str, self.choices))


@dataclass(frozen=True, eq=False, repr=False)  # arrays have no single answer to ==
class FeatureExtractionResult(Result):
    """The vector of a text, and optionally of its tokens."""

    sentence: FloatArray  # (H,), or (modes * H,) if several poolings are concatenated
    tokens: tuple[str, ...] | None = None  # with token_vectors: all tokens, special ones included
    vectors: FloatArray | None = None  # (S, H): the vectors of `tokens`

    def __str__(self) -> str:
        """The first numbers of the sentence vector."""
        first = " ".join(f"{number:.4f}" for number in self.sentence[:4])
        return f"[{first} …] {len(self.sentence)} numbers"


@dataclass(frozen=True)
class Hit:
    """A text that a search found."""

    corpus_id: int  # its position among the texts, from 0
    score: float  # the similarity of its vector with that of the query
    text: str

    def __str__(self) -> str:
        """The score and the text."""
        return f"{self.score:.4f}  {self.text}"


@dataclass(frozen=True, repr=False)
class SearchResult(Result):
    """The texts that are nearest to a query, best first."""

    hits: tuple[Hit, ...]
    texts_truncated: int = 0  # number of texts that were truncated to the model's maximum length

    @property
    def notice(self) -> str | None:
        """A one-line warning if the query or texts were truncated."""
        if not self.texts_truncated:
            return super().notice
        texts = "text is" if self.texts_truncated == 1 else "texts are"
        query = f"{super().notice}; " if self.truncated else ""
        return f"{query}{self.texts_truncated} {texts} longer than this model takes, and cut there"

    def __str__(self) -> str:
        """A line for each text."""
        return "\n".join(map(str, self.hits))
