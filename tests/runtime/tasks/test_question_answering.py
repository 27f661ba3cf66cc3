"""Compared with a reference decoder, as transformers has no pipeline for this task any more."""

import itertools
import math
from typing import Any

import artifacts
import numpy as np
import pytest
from artifacts import TEXTS

from squeezebert_mobile.errors import InputError
from squeezebert_mobile.runtime import Answer

QUESTION = "what time is it?"
SHORT = "The CLOCK is past six, it is sevens."
LONG = (
    "a dog sat on the mat. the small cat is in the sun. wake me at half past six in the night, "
    "one minute past seven. play music to me. the big clocks stop; how long is the weather cold? "
)


@pytest.fixture(scope="module", params=["squeezebert", "bert"])
def case(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Any:
    folder = tmp_path_factory.mktemp("answers")
    theirs, ours = artifacts.load_pair(folder, "question-answering", family=request.param)
    return ours, theirs, artifacts.their_tokenizer(folder)


def reference(
    theirs: Any,
    tokenizer: Any,
    question: str,
    context: str,
    *,
    max_answer_len: int = 15,
    impossible: bool = False,
    max_length: int = 40,
    stride: int | None = None,
) -> list[tuple[str, float, int, int]]:
    """All answers, best first, from plain loops over the outputs of transformers' model."""
    room = max_length - len(tokenizer(question)["input_ids"]) - 1
    encoded = tokenizer(
        question,
        context,
        truncation="only_second",
        max_length=max_length,
        stride=min(128, room // 2) if stride is None else stride,
        return_overflowing_tokens=True,
        return_offsets_mapping=True,
    )
    starts, ends, no_answer = {}, {}, []  # (window, token) -> logit
    for window, ids in enumerate(encoded["input_ids"]):
        names = ("input_ids", "attention_mask", "token_type_ids")
        outputs = artifacts.outputs_of(theirs, {name: [encoded[name][window]] for name in names})
        sides = encoded.encodings[window].sequence_ids
        for token in range(len(ids)):
            if token == 0 or sides[token] == 1:
                starts[window, token] = float(outputs["start_logits"][0, token])
                ends[window, token] = float(outputs["end_logits"][0, token])
        no_answer.append(starts[window, 0] + ends[window, 0])
    start_total = sum(math.exp(x) for x in starts.values())
    end_total = sum(math.exp(x) for x in ends.values())

    scores: dict[tuple[int, int], float] = {}
    if impossible:
        scores[0, 0] = math.exp(min(no_answer))
    for (window, first), (other, last) in itertools.product(starts, ends):
        if window != other or 0 in (first, last) or not 0 <= last - first < max_answer_len:
            continue
        offsets = encoded["offset_mapping"][window]
        begin, end = offsets[first][0], offsets[last][1]
        while begin > 0 and context[begin - 1].isalpha() and context[begin].isalpha():
            begin -= 1
        while end < len(context) and context[end - 1].isalpha() and context[end].isalpha():
            end += 1
        score = math.exp(starts[window, first] + ends[window, last])
        scores[begin, end] = max(scores.get((begin, end), 0), score)
    ranked = sorted(scores.items(), key=lambda item: -item[1])
    return [(context[a:b], s / start_total / end_total, a, b) for (a, b), s in ranked]


def assert_same(answers: tuple[Answer, ...], want: list[Any]) -> None:
    got = [(a.answer, pytest.approx(a.score, abs=1e-4), a.start, a.end) for a in answers]
    assert got == want[: len(got)]


@pytest.mark.parametrize("context", [SHORT, LONG, LONG * 3], ids=["short", "long", "longer"])
@pytest.mark.parametrize(
    "options",
    [
        {"top_k": 1},
        {"top_k": 5},
        {"top_k": None, "max_answer_len": 3},
        {"top_k": 20, "handle_impossible_answer": True, "max_answer_len": 1},
        {"top_k": 3, "max_seq_len": 17, "doc_stride": 4},
        {"top_k": 3, "max_seq_len": 20, "doc_stride": 0},
    ],
    ids=str,
)
def test_same_as_the_reference(case: Any, context: str, options: dict[str, Any]) -> None:
    ours, theirs, tokenizer = case
    result = ours(question=QUESTION, context=context, **options)
    want = reference(
        theirs,
        tokenizer,
        QUESTION,
        context,
        max_answer_len=options.get("max_answer_len", 15),
        impossible=options.get("handle_impossible_answer", False),
        max_length=options.get("max_seq_len", 40),
        stride=options.get("doc_stride"),
    )
    assert len(result.answers) == min(options["top_k"] or len(want), len(want))
    assert_same(result.answers, want)
    assert not result.truncated
    for answer in result.answers:
        assert context[answer.start : answer.end] == answer.answer


def test_one_window_scores_as_the_old_pipeline(case: Any) -> None:
    """Start and end probabilities over the context and [CLS], as in transformers' old pipeline."""
    ours, theirs, tokenizer = case
    encoded = tokenizer(QUESTION, SHORT, return_tensors="pt")
    outputs = artifacts.outputs_of(theirs, encoded)
    keep = np.array([i == 0 or side == 1 for i, side in enumerate(encoded.sequence_ids(0))])
    keep[-1] = False
    best = 0.0
    start, end = (
        np.where(keep, np.exp(outputs[name][0] - outputs[name][0].max()), 0)
        for name in ("start_logits", "end_logits")
    )
    start, end = start / start.sum(), end / end.sum()
    for first in range(1, len(keep)):
        best = max(best, float((start[first] * end[first : first + 15]).max()))
    assert ours(question=QUESTION, context=SHORT).score == pytest.approx(best, abs=1e-4)


def test_the_answer_of_a_late_window_is_found(case: Any) -> None:
    """A long context gives answers wherever their window is."""
    ours, _, _ = case
    filler, answer = "a a a a a a a a a a ", "wake me at half past six in the night. "
    results = ours(
        [
            {"question": QUESTION, "context": filler * 20 + answer + filler * 20},
            {"question": QUESTION, "context": filler * 5 + answer + filler * 5},
        ],
        handle_impossible_answer=True,
    )
    assert len(results) == 2
    for result in results:
        assert 0 < result.score < 1


@pytest.mark.parametrize("context", [SHORT, LONG * 3], ids=["short", "longer"])
def test_impossible(case: Any, context: str) -> None:
    """ "No answer" is as likely as in the window where it is least likely."""
    ours, theirs, tokenizer = case
    options = {"question": QUESTION, "context": context, "top_k": None}
    with_none = ours(**options, handle_impossible_answer=True)
    (none,) = [answer for answer in with_none.answers if not answer.answer]
    assert (none.start, none.end) == (0, 0)
    assert str(none).startswith("no answer 0.")
    want = reference(theirs, tokenizer, QUESTION, context, impossible=True)
    (score,) = [score for answer, score, _, _ in want if not answer]
    assert none.score == pytest.approx(score, rel=1e-3)
    assert [a for a in with_none.answers if a.answer] == list(ours(**options).answers)


def test_answers_are_whole_words(case: Any) -> None:
    ours, _, _ = case
    result = ours(question=QUESTION, context="clocks sevens", top_k=None)
    assert {a.answer for a in result.answers} == {"clocks", "sevens", "clocks sevens"}


def test_a_long_question_is_truncated(case: Any) -> None:
    ours, _, _ = case
    result = ours(question="what time is it " * 20, context=LONG)
    assert result.truncated
    assert result.tokens_cut == 80 - 18  # half of the 37 tokens that are not special
    assert "its last 62 tokens were not read" in str(result.notice)
    assert result.answers[0].answer in LONG


def test_lists(case: Any) -> None:
    """Windows of different inputs share batches; each answer belongs to its own question."""
    ours, _, _ = case
    inputs = [{"question": TEXTS[0], "context": c} for c in (SHORT, LONG * 2, TEXTS[3])]
    alone = [ours(one, top_k=2) for one in inputs]
    for batch_size in (1, 3, 100):
        together = ours(inputs, top_k=2, batch_size=batch_size)
        for one, other in zip(alone, together, strict=True):
            for a, b in zip(one.answers, other.answers, strict=True):
                assert (a.answer, a.start, a.end) == (b.answer, b.start, b.end)
                assert a.score == pytest.approx(b.score, abs=1e-6)
    assert list(ours(iter(inputs), top_k=2)) == ours(inputs, top_k=2)


def test_result(case: Any) -> None:
    ours, _, _ = case
    result = ours(question=QUESTION, context=SHORT, top_k=2)
    first, second = result.answers
    assert (result.answer, result.score) == (first.answer, first.score)
    assert str(result) == f"{first}, {second}"
    assert result.to_dict()["answers"][1] == {
        "answer": second.answer,
        "score": second.score,
        "start": second.start,
        "end": second.end,
    }


GOOD = {"question": "a", "context": "b"}


@pytest.mark.parametrize(
    ("call", "message"),
    [
        ({}, "a question must be a str, not NoneType"),
        ({"question": "a"}, "a context must be a str, not NoneType"),
        ({"question": "", "context": "b"}, "the question is empty"),
        ({"question": "a", "context": b"\xff"}, r"the context is not UTF-8 \(byte 0 is 0xff\)"),
        ({"question": "a", "context": "\x00"}, "the context contains no words"),
        ({"inputs": "text"}, "an input must have 'question' and 'context', not str"),
        ({"inputs": [GOOD, {"question": "a"}]}, r"input 2: .* not \['question'\]"),
        ({"inputs": [GOOD], "question": "a"}, "give either inputs, or question and context"),
        ({**GOOD, "top_k": 0}, "top_k=0 must be a whole number of at least 1"),
        ({**GOOD, "max_answer_len": 0}, "max_answer_len=0 must be a whole number of at least 1"),
        ({**GOOD, "doc_stride": -1}, "doc_stride=-1 must be a whole number of at least 0"),
        ({**GOOD, "max_seq_len": 4}, "max_seq_len=4 must be a whole number of at least 5"),
        ({**GOOD, "max_seq_len": 41}, "max_seq_len=41 is more than the 40 tokens"),
    ],
)
def test_bad_input(case: Any, call: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        case[0](**call)
