"""The piece of a context that answers a question.

A context longer than the model takes is read in windows that overlap, and the answers of all
windows compete: start and end probabilities are taken over all of them together, so that a window
without an answer does not look sure of itself.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from squeezebert_mobile.errors import InputError
from squeezebert_mobile.runtime.sessions.base import FloatArray
from squeezebert_mobile.runtime.tasks.answer_spans import AnswerOptions, Window, best_answers
from squeezebert_mobile.runtime.tasks.options import check_count, check_top_k
from squeezebert_mobile.runtime.tasks.pipeline import BATCH_SIZE, Pipeline
from squeezebert_mobile.runtime.tasks.results import QuestionAnsweringResult
from squeezebert_mobile.runtime.tokenizer import SqueezeBertTokenizer
from squeezebert_mobile.runtime.tokenizer.input_text import as_text
from squeezebert_mobile.runtime.tokenizer.rows import Row, windows

__all__ = ["DOC_STRIDE", "MAX_LENGTH", "QuestionAnswering", "context_windows"]

MAX_LENGTH = 384  # tokens of a window: what SQuAD models are trained with
DOC_STRIDE = 128  # tokens that a window shares with the one before it


@dataclass(frozen=True)
class _Item:
    question: str
    context: str


class QuestionAnswering(Pipeline[QuestionAnsweringResult]):
    """Finds answers in contexts."""

    def __call__(
        self,
        inputs: Any = None,
        *,
        question: str | None = None,
        context: str | None = None,
        top_k: int | None = 1,
        max_answer_len: int = 15,
        handle_impossible_answer: bool = False,
        max_seq_len: int | None = None,
        doc_stride: int = DOC_STRIDE,
        batch_size: int = BATCH_SIZE,
    ) -> (
        QuestionAnsweringResult | list[QuestionAnsweringResult] | Iterator[QuestionAnsweringResult]
    ):
        """Answer one question, each of a list, or each of an iterable as it comes.

        Args:
            inputs: ``{"question": ..., "context": ...}``, or a list or iterable of those.
            question: the question, instead of `inputs`.
            context: the text that holds its answer.
            top_k: how many answers to give, best first; None gives all that are possible.
            max_answer_len: the most tokens of an answer.
            handle_impossible_answer: whether "no answer" (an empty one) competes with the others.
            max_seq_len: the tokens of one window, question included; None is 384, or what the
                model takes if that is less.
            doc_stride: how many tokens of the context two neighbouring windows share, at most half
                a window.
            batch_size: the most windows of one model call. In int8 these share the scales of their
                activations, and a score changes with its company in about the third digit.

        Returns:
            Whole words of the context with their places in it. A score is the probability of the
            answer's start times that of its end.

        Raises:
            InputError: a text or an option cannot be used.
        """
        check_top_k(top_k)
        length = self._window_length(max_seq_len)
        check_count("max_answer_len", max_answer_len, 1)
        check_count("doc_stride", doc_stride, 0)
        options = AnswerOptions(top_k, max_answer_len, handle_impossible_answer)
        if inputs is None:
            inputs = {"question": question, "context": context}
        elif question is not None or context is not None:
            raise InputError("give either inputs, or question and context")

        def run(items: list[_Item]) -> list[QuestionAnsweringResult]:
            rows = [
                context_windows(self.tokenizer, item.question, item.context, length, doc_stride)
                for item in items
            ]
            read = iter(self._read([row for group in rows for row in group], batch_size))
            results = []
            for item, group in zip(items, rows, strict=True):
                question, context = group[0].segments
                found = [next(read) for _ in group]
                answers = best_answers(found, item.context, context, options)
                cut = len(question) - group[0].spans[0][1]
                results.append(QuestionAnsweringResult(answers, tokens_cut=cut))
            return results

        return self._apply(inputs, _parse, run, batch_size=batch_size)

    def _window_length(self, max_seq_len: int | None) -> int:
        if max_seq_len is None:
            return min(MAX_LENGTH, self.max_length)
        least = 3 + 2  # the special tokens, and one token each of question and context
        check_count("max_seq_len", max_seq_len, least)
        if max_seq_len > self.max_length:
            raise InputError(
                f"max_seq_len={max_seq_len} is more than the {self.max_length} tokens that this "
                "model takes"
            )
        return max_seq_len

    def _read(self, rows: list[Row], batch_size: int) -> list[Window]:
        def decode(number: int, outputs: dict[str, FloatArray]) -> Window:
            row = rows[number]
            first, stop = row.spans[1]
            place = row.first_position(1)
            context = slice(place, place + stop - first)
            starts, ends = (  # (S,)
                outputs[name].astype(np.float64) for name in ("start_logits", "end_logits")
            )
            return Window(first, starts[context], ends[context], no_start=starts[0], no_end=ends[0])

        return self._run([(row,) for row in rows], decode, batch_size)


def context_windows(
    tokenizer: SqueezeBertTokenizer,
    question: str,
    context: str,
    length: int = MAX_LENGTH,
    doc_stride: int = DOC_STRIDE,
) -> list[Row]:
    """The rows of at most `length` tokens in which a model reads a question and its context.

    Raises:
        InputError: there is no word in the context.
    """
    whole = tokenizer.encode_rows(question, context)[0]
    asked, read = whole.segments
    if not len(read):
        raise InputError(f"the context has no word in it: {context!r:.60}")
    # A question that takes more than half of a window would leave the context too little.
    kept = min(len(asked), (length - 3) // 2)
    room = length - 3 - kept
    spans = windows(len(read), min(room, len(read)), min(doc_stride, room // 2))
    return [Row(whole.segments, ((0, kept), span), whole.marks) for span in spans]


def _parse(value: Any) -> _Item:
    if not isinstance(value, Mapping) or value.keys() != {"question", "context"}:
        found = sorted(map(str, value)) if isinstance(value, Mapping) else type(value).__name__
        raise InputError(f"an input must have 'question' and 'context', not {found}")
    return _Item(as_text(value["question"], "question"), as_text(value["context"], "context"))
