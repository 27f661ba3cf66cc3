"""SQuAD 1.1 and 2.0: their JSON, and when two answers are the same.

The normalization is the published one: lower case, no ASCII punctuation, no English article, one
space between words. F1 is over the words that two normalized answers share.
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
    """Whether the file is one JSON object with articles in it."""
    return isinstance(file.json, dict) and isinstance(file.json.get("data"), list)


def read_squad(file: DataFile) -> DataSet:
    """The questions of a SQuAD file; 2.0 is told by its is_impossible.

    Raises:
        InputError: it is another kind of JSON, or something is missing in it.
    """
    whole = file.whole_json()
    if not isinstance(whole, dict) or not isinstance(whole.get("data"), list):
        raise file.wrong("is no SQuAD file: it has no list called 'data'; give train or dev JSON")
    examples, second = [], str(whole.get("version", "")).lower().startswith("v2")
    for question, context, asked in _questions(file, whole["data"]):
        second = second or "is_impossible" in asked
        answers = () if asked.get("is_impossible") else _answers(file, question, asked)
        start = _start(asked) if answers else None
        examples.append(Example(question, (asked["question"], context), answers, start))
    if not examples:
        raise file.wrong("holds no question; give train or dev JSON")
    metrics = ["f1", "exact_match"]
    if not second:
        for example in examples:
            if not example.gold:
                raise file.wrong(f"has no answers to {example.place}; SQuAD 1.1 has one or more")
    else:
        if any(example.gold for example in examples):
            metrics += ["f1_answerable", "exact_match_answerable"]
        if any(not example.gold for example in examples):
            metrics += ["exact_match_unanswerable"]
    name = "squad-2" if second else "squad-1"
    return DataSet(name, "question-answering", tuple(examples), tuple(metrics))


def _questions(file: DataFile, articles: list[Any]) -> Iterator[tuple[str, str, dict[str, Any]]]:
    """Each question's name, its context, and what the file says of it."""
    number = 0
    for article in articles:
        for paragraph in _list(file, article, "paragraphs", "an article"):
            context = paragraph.get("context") if isinstance(paragraph, dict) else None
            if not isinstance(context, str) or not context.strip():
                raise file.wrong(f"has a paragraph without context after question {number}")
            for asked in _list(file, paragraph, "qas", "a paragraph"):
                number += 1
                text = asked.get("question") if isinstance(asked, dict) else None
                if not isinstance(text, str) or not text.strip():
                    raise file.wrong(f"has no text for question {number}; give it a 'question'")
                yield f"question {asked.get('id', number)}", context, asked


def _list(file: DataFile, found: Any, name: str, what: str) -> list[Any]:
    value = found.get(name) if isinstance(found, dict) else None
    if not isinstance(value, list):
        raise file.wrong(f"has {what} without a list called {name!r}; give a SQuAD file")
    return value


def _answers(file: DataFile, question: str, asked: dict[str, Any]) -> tuple[str, ...]:
    found = asked.get("answers")
    answers = found if isinstance(found, list) else [found]
    texts = [answer.get("text") if isinstance(answer, dict) else None for answer in answers]
    if not all(isinstance(text, str) for text in texts):
        raise file.wrong(
            f"has answers={shortened(str(found))} to {question}; give a list of "
            '{"text": ..., "answer_start": ...}'
        )
    return tuple(dict.fromkeys(map(str, texts)))


def _start(asked: dict[str, Any]) -> int | None:
    """Where the first answer begins, which only training needs; None: the file does not say."""
    found = asked["answers"]
    start = (found[0] if isinstance(found, list) else found).get("answer_start")
    return start if isinstance(start, int) else None


# Scores -------------------------------------------------------------------------------------


def normalized(answer: str) -> str:
    """The answer as it is compared."""
    bare = answer.lower().translate(_NO_PUNCTUATION)
    return " ".join(_ARTICLES.sub(" ", bare).split())


def exact_match(answer: str, golds: Sequence[str]) -> float:
    """1 where the answer is one of those that count; no answer is right where there are none."""
    return float(normalized(answer) in _counting(golds))


def word_f1(answer: str, golds: Sequence[str]) -> float:
    """The best F1 with one of the answers that count."""
    words = normalized(answer).split()
    return max(_f1(words, gold.split()) for gold in _counting(golds))


def _counting(golds: Sequence[str]) -> list[str]:
    """The golds, normalized; one of nothing but articles and punctuation does not count."""
    return [gold for gold in map(normalized, golds) if gold] or [""]


def _f1(ours: list[str], theirs: list[str]) -> float:
    if not ours or not theirs:
        return float(ours == theirs)
    shared = (Counter(ours) & Counter(theirs)).total()
    return 2 * shared / (len(ours) + len(theirs))
