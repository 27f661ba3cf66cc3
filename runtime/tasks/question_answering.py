"""Extractive question answering: the span of a context that answers a question.

A long context is split into overlapping windows. Start and end probabilities are normalized over
all windows together, so that a window without an answer does not get a high score.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, TypedDict, Unpack, overload

import numpy as np

from squeezebert_mobile.errors import InputError
from squeezebert_mobile.runtime.sessions.base import FloatArray
from squeezebert_mobile.runtime.tasks.answer_spans import AnswerOptions, Window, best_answers
from squeezebert_mobile.runtime.tasks.options import check_count, check_top_k
from squeezebert_mobile.runtime.tasks.pipeline import BATCH_SIZE, ListInput, OneInput, Pipeline
from squeezebert_mobile.runtime.tasks.results import QuestionAnsweringResult
from squeezebert_mobile.runtime.tokenizer import SqueezeBertTokenizer
from squeezebert_mobile.runtime.tokenizer.input_text import as_text
from squeezebert_mobile.runtime.tokenizer.rows import Row, windows

__all__ = ["DOC_STRIDE", "MAX_LENGTH", "QuestionAnswering", "context_windows"]

MAX_LENGTH = 384  # tokens in a window; SQuAD models are trained with this length
DOC_STRIDE = 128  # tokens that a window shares with the one before


@dataclass(frozen=True)
class _Item:
    question: str
    context: str


class _Options(TypedDict, total=False):
    question: str | None
    context: str | None
    top_k: int | None
    max_answer_len: int
    handle_impossible_answer: bool
    max_seq_len: int | None
    doc_stride: int
    batch_size: int


class QuestionAnswering(Pipeline[QuestionAnsweringResult]):
    """Finds answers in contexts."""

    @overload
    def __call__(
        self, inputs: OneInput | None = None, **options: Unpack[_Options]
    ) -> QuestionAnsweringResult: ...
    @overload
    def __call__(  # type: ignore[overload-overlap]
        self,
        inputs: ListInput,
        **options: Unpack[_Options],
    ) -> list[QuestionAnsweringResult]: ...
    @overload
    def __call__(
        self, inputs: Iterable[Any], **options: Unpack[_Options]
    ) -> Iterator[QuestionAnsweringResult]: ...
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
        """Answer a question, a list of questions, or an iterable of questions, read lazily.

        Args:
            inputs: ``{"question": ..., "context": ...}``, or a list or an iterable of these.
            question: the question, instead of `inputs`.
            context: the text to find the answer in.
            top_k: the number of answers to return, best first; None returns all.
            max_answer_len: the maximum number of tokens in an answer.
            handle_impossible_answer: whether "no answer" (an empty string) is a possible answer.
            max_seq_len: the number of tokens in a window, question included; None is 384, or the
                model's maximum if that is smaller.
            doc_stride: the number of context tokens that two consecutive windows share; at most
                half a window.
            batch_size: the maximum number of windows in one model call. In int8 they share the
                activation scales, so that a score depends on its batch in about the third digit.

        Returns:
            Answers of whole words with their positions in the context. A score is the product of
            the probabilities of the answer's start and end.

        Raises:
            InputError: a text or an option is invalid.
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
            decoded = iter(self._windows([row for group in rows for row in group], batch_size))
            results = []
            for item, group in zip(items, rows, strict=True):
                question, context = group[0].segments
                read = [next(decoded) for _ in group]
                answers = best_answers(read, item.context, context, options)
                cut = len(question) - group[0].spans[0][1]
                results.append(QuestionAnsweringResult(answers, tokens_cut=cut))
            return results

        return self._apply(inputs, _parse, run, batch_size=batch_size)

    def _window_length(self, max_seq_len: int | None) -> int:
        if max_seq_len is None:
            return min(MAX_LENGTH, self.max_length)
        least = 3 + 2  # special tokens, and one token of question and context each
        check_count("max_seq_len", max_seq_len, least)
        if max_seq_len > self.max_length:
            raise InputError(
                f"max_seq_len={max_seq_len} is more than the {self.max_length} tokens that this "
                "model takes"
            )
        return max_seq_len

    def _windows(self, rows: list[Row], batch_size: int) -> list[Window]:
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
    """The rows of at most `length` tokens that cover a question and its context.

    Raises:
        InputError: the context has no words.
    """
    whole = tokenizer.encode_rows(question, context)[0]
    question_tokens, context_tokens = whole.segments
    if not len(context_tokens):
        raise InputError(f"the context contains no words: {context!r:.60}")
    # A question longer than half a window is cut, as it would leave too little context.
    kept = min(len(question_tokens), (length - 3) // 2)
    room = length - 3 - kept
    size = min(room, len(context_tokens))
    spans = windows(len(context_tokens), size, min(doc_stride, room // 2))
    return [Row(whole.segments, ((0, kept), span), whole.special_ids) for span in spans]


def _parse(value: Any) -> _Item:
    if not isinstance(value, Mapping) or value.keys() != {"question", "context"}:
        fields = sorted(map(str, value)) if isinstance(value, Mapping) else type(value).__name__
        raise InputError(f"an input must have 'question' and 'context', not {fields}")
    return _Item(as_text(value["question"], "question"), as_text(value["context"], "context"))
