"""Decoding of start and end logits into answer spans."""

from dataclasses import dataclass

import numpy as np

from squeezebert_mobile.runtime.tasks.results import Answer
from squeezebert_mobile.runtime.tasks.scores import Numbers
from squeezebert_mobile.runtime.tokenizer.rows import Segment, Span

__all__ = ["AnswerOptions", "Window", "best_answers"]


@dataclass(frozen=True)
class Window:
    """The logits of one window of the context; "no answer" is an answer at [CLS]."""

    first: int  # index of the window's first token in the context
    start: Numbers  # (tokens of the context,)
    end: Numbers
    no_start: float
    no_end: float


@dataclass(frozen=True)
class AnswerOptions:
    """Which answers are returned."""

    top_k: int | None
    max_answer_len: int  # tokens
    handle_impossible_answer: bool


def best_answers(
    windows: list[Window], context: str, tokens: Segment, options: AnswerOptions
) -> tuple[Answer, ...]:
    """The best answers in a context, best first, without duplicates."""
    # Log of the softmax denominators of the start and the end logits, over all windows.
    total = _log_total([w.start for w in windows], [w.no_start for w in windows])
    total += _log_total([w.end for w in windows], [w.no_end for w in windows])
    spans, scores = _candidates(windows, options.max_answer_len)
    if options.handle_impossible_answer:
        # The context has no answer only if no window has one.
        spans = np.vstack([spans, [[-1, -1]]])
        scores = np.append(scores, min(w.no_start + w.no_end for w in windows))
    answers: dict[Span, Answer] = {}
    for place in np.argsort(-scores, kind="stable"):
        start, end = _characters(tokens, *map(int, spans[place]))
        if (start, end) not in answers:
            score = float(np.exp(scores[place] - total))
            answers[start, end] = Answer(context[start:end], score, start, end)
        if len(answers) == options.top_k:
            break
    return tuple(answers.values())


def _log_total(logits: list[Numbers], no_answer: list[float]) -> float:
    """log(sum(exp(x))) over all logits."""
    flat = np.concatenate([*logits, np.array(no_answer)])
    return float(flat.max() + np.log(np.exp(flat - flat.max()).sum()))


def _candidates(windows: list[Window], max_answer_len: int) -> tuple[Numbers, Numbers]:
    """All (first, last) tokens of answers, (N, 2), and the sums of their logits, (N,)."""
    spans, scores = [], []
    for window in windows:
        count = len(window.start)
        for extra in range(min(max_answer_len, count)):
            firsts = np.arange(count - extra) + window.first
            spans.append(np.stack([firsts, firsts + extra], axis=1))
            scores.append(window.start[: count - extra] + window.end[extra:])
    return np.concatenate(spans), np.concatenate(scores)


def _characters(tokens: Segment, first: int, last: int) -> Span:
    """Start and end of the words that contain the tokens; (0, 0) for no answer."""
    if first < 0:
        return 0, 0
    words = tokens.words
    while first > 0 and words[first] is not None and words[first - 1] == words[first]:
        first -= 1
    while last + 1 < len(words) and words[last] is not None and words[last + 1] == words[last]:
        last += 1
    return tokens.offsets[first][0], tokens.offsets[last][1]
