"""SQuAD 1.1 and 2.0: the JSON format, and the published comparison of answers.

The published normalization: lower case, no ASCII punctuation, no English articles, single spaces.
F1 is computed over the words that two normalized answers share.
"""

import re
import string
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any

from squeezebert_mobile.evaluation.readers.data import DataFile, DataSet, Example, shortened

__all__ = ["exact_match", "looks_like", "normalized", "read_squad", "word_f1"]

_ARTICLES = re.compile(r"\b(a|an|the)\b")
_NO_PUNCTUATION = str.maketrans("", "", string.punctuation)


def looks_like(file: DataFile) -> bool:
    """Whether the file is one JSON object with a list of articles."""
    return isinstance(file.json, dict) and isinstance(file.json.get("data"), list)


def read_squad(file: DataFile) -> DataSet:
    """The questions of a SQuAD file; `is_impossible` or the version identifies 2.0.

    Raises:
        InputError: the JSON has another structure, or lacks something.
    """
    content = file.whole_json()
    if not isinstance(content, dict) or not isinstance(content.get("data"), list):
        raise file.error(
            "is not a SQuAD file: it has no list called 'data'; use the train or dev JSON"
        )
    examples, is_second = [], str(content.get("version", "")).lower().startswith("v2")
    for location, context, question in _questions(file, content["data"]):
        is_second = is_second or "is_impossible" in question
        answers = () if question.get("is_impossible") else _answers(file, location, question)
        start = _start(question) if answers else None
        examples.append(Example(location, (question["question"], context), answers, start))
    if not examples:
        raise file.error("has no questions; use the train or dev JSON")
    metrics = ["f1", "exact_match"]
    if not is_second:
        for example in examples:
            if not example.gold:
                raise file.error(
                    f"has no answers to {example.location}; SQuAD 1.1 needs one or more"
                )
    else:
        if any(example.gold for example in examples):
            metrics += ["f1_answerable", "exact_match_answerable"]
        if any(not example.gold for example in examples):
            metrics += ["exact_match_unanswerable"]
    name = "squad-2" if is_second else "squad-1"
    return DataSet(name, "question-answering", tuple(examples), tuple(metrics))


def _questions(file: DataFile, articles: list[Any]) -> Iterator[tuple[str, str, dict[str, Any]]]:
    """Each question's location, its context, and its JSON object."""
    number = 0
    for article in articles:
        for paragraph in _list(file, article, "paragraphs", "an article"):
            context = paragraph.get("context") if isinstance(paragraph, dict) else None
            if not isinstance(context, str) or not context.strip():
                raise file.error(f"has a paragraph without context after question {number}")
            for question in _list(file, paragraph, "qas", "a paragraph"):
                number += 1
                text = question.get("question") if isinstance(question, dict) else None
                if not isinstance(text, str) or not text.strip():
                    raise file.error(f"has no text for question {number}; add a 'question'")
                yield f"question {question.get('id', number)}", context, question


def _list(file: DataFile, parent: Any, name: str, what: str) -> list[Any]:
    value = parent.get(name) if isinstance(parent, dict) else None
    if not isinstance(value, list):
        raise file.error(f"has {what} without a list called {name!r}; use a SQuAD file")
    return value


def _answers(file: DataFile, location: str, question: dict[str, Any]) -> tuple[str, ...]:
    value = question.get("answers")
    answers = value if isinstance(value, list) else [value]
    texts = [answer.get("text") if isinstance(answer, dict) else None for answer in answers]
    if not all(isinstance(text, str) for text in texts):
        raise file.error(
            f"has answers={shortened(str(value))} to {location}; use a list of "
            '{"text": ..., "answer_start": ...}'
        )
    return tuple(dict.fromkeys(map(str, texts)))


def _start(question: dict[str, Any]) -> int | None:
    """The offset of the first answer, which only training needs; None if the file lacks it."""
    answers = question["answers"]
    start = (answers[0] if isinstance(answers, list) else answers).get("answer_start")
    return start if isinstance(start, int) else None


# Comparing answers --------------------------------------------------------------------------


def normalized(answer: str) -> str:
    """The answer in the form in which answers are compared."""
    bare = answer.lower().translate(_NO_PUNCTUATION)
    return " ".join(_ARTICLES.sub(" ", bare).split())


def exact_match(answer: str, golds: Sequence[str]) -> float:
    """1 if the answer equals a gold answer, or is empty and there are none; else 0."""
    return float(normalized(answer) in _normalized_golds(golds))


def word_f1(answer: str, golds: Sequence[str]) -> float:
    """The highest word F1 with any of the gold answers."""
    words = normalized(answer).split()
    return max(_f1(words, gold.split()) for gold in _normalized_golds(golds))


def _normalized_golds(golds: Sequence[str]) -> list[str]:
    """The normalized gold answers, without those of only articles and punctuation."""
    return [gold for gold in map(normalized, golds) if gold] or [""]


def _f1(ours: list[str], theirs: list[str]) -> float:
    if not ours or not theirs:
        return float(ours == theirs)
    shared = (Counter(ours) & Counter(theirs)).total()
    return 2 * shared / (len(ours) + len(theirs))
