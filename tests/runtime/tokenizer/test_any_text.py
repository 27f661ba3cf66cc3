"""Property test: any text gives a valid result or an InputError."""

from typing import Any

import artifacts
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from squeezebert_mobile.errors import InputError
from squeezebert_mobile.tasks import TASKS

ALPHABET = st.one_of(
    st.characters(exclude_categories=[]),  # including lone surrogates
    st.sampled_from([*"aeist .,!?'\"#", "[MASK]", "[SEP]", "[PAD]", " time ", "\u0301", "日", "İ"]),
)
TEXT = st.lists(ALPHABET, max_size=80).map("".join)


@pytest.fixture(scope="module")
def pipelines(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    return {task: artifacts.load_pair(tmp_path_factory.mktemp("any"), task)[1] for task in TASKS}


def check(pipeline: Any, result: Any, text: str) -> None:
    match pipeline.manifest.task:
        case "feature-extraction":
            assert np.isfinite(result.sentence).all()
        case "fill-mask":
            assert all(0 <= fill.score <= 1 for fills in result.masks for fill in fills)
        case "text-classification":
            assert sum(label.score for label in result.labels) == pytest.approx(1)
        case "multiple-choice":
            assert sum(choice.score for choice in result.choices) == pytest.approx(1)
        case "token-classification":
            ends = [0, *(e.end for e in result.entities)]
            for entity, before in zip(result.entities, ends, strict=False):
                assert before <= entity.start <= entity.end <= len(text)
        case "question-answering":
            for answer in result.answers:
                assert text[answer.start : answer.end] == answer.answer
                assert 0 <= answer.score <= 1
    assert str(result)
    assert result.to_dict()


@given(text=TEXT, other=TEXT, strategy=st.sampled_from(["none", "simple", "first", "max"]))
def test_any_text(pipelines: dict[str, Any], text: str, other: str, strategy: str) -> None:
    calls: dict[str, dict[str, Any]] = {
        "feature-extraction": {"texts": [(text, other)]},
        "fill-mask": {"texts": [text + "[MASK]"], "targets": [other] if other.strip() else None},
        "text-classification": {"texts": [text], "top_k": None},
        "multiple-choice": {"texts": [text], "choices": [other, "yes"]},
        "token-classification": {"texts": [text], "aggregation_strategy": strategy},
        "question-answering": {
            "inputs": [{"question": other, "context": text}],
            "top_k": 5,
            "max_seq_len": 12,
            "handle_impossible_answer": True,
        },
    }
    for task, call in calls.items():
        try:
            (result,) = pipelines[task](**call)
        except InputError as error:
            assert "\n" not in str(error)
        else:
            check(pipelines[task], result, text)
