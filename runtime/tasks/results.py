"""What the pipelines return: one dataclass a task, each of them one result for one input.

`str(result)` is one line to read, `result.to_dict()` is ready for JSON.
"""

import dataclasses
from dataclasses import dataclass
from typing import Any

import numpy as np

from squeezebert_mobile.runtime.sessions.base import FloatArray

__all__ = [
    "Answer",
    "Choice",
    "Entity",
    "FeatureExtractionResult",
    "Fill",
    "FillMaskResult",
    "Label",
    "MultipleChoiceResult",
    "QuestionAnsweringResult",
    "Result",
    "TextClassificationResult",
    "TokenClassificationResult",
]


@dataclass(frozen=True, kw_only=True)
class Result:
    """What every result has."""

    tokens_cut: int = 0  # how many tokens of the input the model did not read

    @property
    def truncated(self) -> bool:
        """Whether the input was longer than the model takes."""
        return self.tokens_cut > 0

    @property
    def notice(self) -> str | None:
        """What the caller of a truncated input should be told, in one line."""
        if not self.truncated:
            return None
        return (
            "the input is longer than this model takes: its last "
            f"{self.tokens_cut} tokens were not read"
        )

    def to_dict(self) -> dict[str, Any]:
        """The fields as plain numbers, strings, lists and dicts, and `truncated`."""
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
        return f"{self.label} {self.score:.4f}"


@dataclass(frozen=True)
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


@dataclass(frozen=True)
class Fill:
    """One token in the place of a mask."""

    token_str: str
    score: float
    token: int
    sequence: str  # the text with the token in it

    def __str__(self) -> str:
        """Token and score."""
        return f"{self.token_str} {self.score:.4f}"


@dataclass(frozen=True)
class FillMaskResult(Result):
    """For each mask of a text its best tokens, best first."""

    masks: tuple[tuple[Fill, ...], ...]

    @property
    def fills(self) -> tuple[Fill, ...]:
        """The best tokens of the first mask."""
        return self.masks[0]

    def __str__(self) -> str:
        """The tokens with their scores, masks apart."""
        return " | ".join(", ".join(map(str, fills)) for fills in self.masks)


@dataclass(frozen=True)
class Entity:
    """A token, or with an aggregation a run of them, and its label."""

    label: str
    score: float
    word: str
    start: int  # in characters of the text
    end: int
    index: int | None = None  # the token's place in the model's row; None for a run

    def __str__(self) -> str:
        """Word, label and score."""
        return f"{self.word}: {self.label} {self.score:.4f}"


@dataclass(frozen=True)
class TokenClassificationResult(Result):
    """The labelled parts of a text, in its order."""

    entities: tuple[Entity, ...]

    def __str__(self) -> str:
        """The parts with their labels and scores."""
        return ", ".join(map(str, self.entities)) or "no entities"


@dataclass(frozen=True)
class Answer:
    """A piece of the context; empty, from 0 to 0, where the context has no answer."""

    answer: str
    score: float
    start: int  # in characters of the context
    end: int

    def __str__(self) -> str:
        """Answer and score."""
        return f"{self.answer or 'no answer'} {self.score:.4f}"


@dataclass(frozen=True)
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
    index: int  # its place in the caller's list

    def __str__(self) -> str:
        """Choice and score."""
        return f"{self.choice} {self.score:.4f}"


@dataclass(frozen=True)
class MultipleChoiceResult(Result):
    """All choices, best first."""

    choices: tuple[Choice, ...]

    @property
    def choice(self) -> str:
        """The best choice."""
        return self.choices[0].choice

    @property
    def index(self) -> int:
        """The best choice's place in the caller's list."""
        return self.choices[0].index

    def __str__(self) -> str:
        """The choices with their scores."""
        return ", ".join(map(str, self.choices))


@dataclass(frozen=True, eq=False)  # arrays have no single answer to ==
class FeatureExtractionResult(Result):
    """The vectors of a text."""

    sentence: FloatArray  # (H,): the mean over the tokens, of length 1
    tokens: tuple[str, ...] | None = None  # with token vectors: the tokens, special ones included
    vectors: FloatArray | None = None  # (S, H): one for each of them

    def __str__(self) -> str:
        """The first numbers of the sentence vector."""
        first = " ".join(f"{number:.4f}" for number in self.sentence[:4])
        return f"[{first} …] {len(self.sentence)} numbers"
