from pathlib import Path
from typing import Any

import artifacts
import pytest
import transformers
from artifacts import LABELS, TEXTS

from squeezebert_mobile.errors import InputError
from squeezebert_mobile.runtime import Label, TextClassificationResult

CASES = {
    "single": {},
    "bert": {"family": "bert"},
    "multi": {"problem_type": "multi_label_classification"},
    "regression": {
        "problem_type": "regression",
        "num_labels": 1,
        "id2label": {0: "score"},
    },
    "one label": {"num_labels": 1, "id2label": {0: "spam"}},
}


@pytest.fixture(scope="module", params=CASES)
def case(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Any:
    folder = tmp_path_factory.mktemp("text")
    theirs, ours = artifacts.load_pair(folder, "text-classification", **CASES[request.param])
    tokenizer = artifacts.their_tokenizer(folder)
    pipeline = transformers.TextClassificationPipeline(model=theirs, tokenizer=tokenizer)
    return ours, pipeline


@pytest.fixture(scope="module")
def ours(tmp_path_factory: pytest.TempPathFactory) -> Any:
    folder: Path = tmp_path_factory.mktemp("text")
    return artifacts.load_pair(folder, "text-classification")[1]


def pairs(result: TextClassificationResult) -> list[tuple[str, float]]:
    return [(label.label, label.score) for label in result.labels]


def expected(theirs: list[dict[str, Any]]) -> list[tuple[str, Any]]:
    return [(item["label"], pytest.approx(item["score"], abs=1e-4)) for item in theirs]


@pytest.mark.parametrize("top_k", [1, 2, None])
def test_same_as_transformers(case: Any, top_k: int | None) -> None:
    ours, theirs = case
    for text, ours_one in zip(TEXTS, ours(TEXTS, top_k=top_k), strict=True):
        assert pairs(ours_one) == expected(theirs(text, top_k=top_k, truncation=True))


@pytest.mark.parametrize("function", ["softmax", "sigmoid", "none"])
def test_function_to_apply(case: Any, function: str) -> None:
    ours, theirs = case
    options = {"top_k": None, "function_to_apply": function}
    assert pairs(ours(TEXTS[0], **options)) == expected(theirs(TEXTS[0], **options))


def test_text_pairs(case: Any) -> None:
    """(text, pair), a dict and text_pair are the same input."""
    ours, theirs = case
    both = [TEXTS[0], TEXTS[2]], [TEXTS[2], TEXTS[1]]
    want = [
        expected(theirs({"text": a, "text_pair": b}, top_k=None, truncation=True))
        for a, b in zip(*both, strict=True)
    ]
    tuples = ours(list(zip(*both, strict=True)), top_k=None)
    assert [pairs(result) for result in tuples] == want
    dicts = [{"text": a, "text_pair": b} for a, b in zip(*both, strict=True)]
    assert ours(dicts, top_k=None) == tuples
    assert pairs(ours(both[0][0], both[1][0], top_k=None)) == want[0]
    mixed = ours([TEXTS[0], (both[0][0], both[1][0])], top_k=None)
    assert pairs(mixed[1]) == want[0] != pairs(mixed[0])


def test_result(ours: Any) -> None:
    result = ours("wake me", top_k=2)
    assert result.label == result.labels[0].label in LABELS
    assert result.score == result.labels[0].score > result.labels[1].score
    assert str(result) == ", ".join(f"{x.label} {x.score:.4f}" for x in result.labels)
    assert result.to_dict() == {
        "labels": [{"label": x.label, "score": x.score} for x in result.labels],
        "truncated": False,
        "tokens_cut": 0,
    }
    assert str(Label("a", 0.5)) == "a 0.5000"


@pytest.mark.parametrize(
    ("call", "message"),
    [
        ({"texts": "a", "top_k": 0}, "top_k=0 must be a whole number of at least 1"),
        ({"texts": "a", "top_k": True}, "top_k=True must be a whole number"),
        ({"texts": "a", "function_to_apply": "relu"}, "unknown function_to_apply 'relu'"),
        ({"texts": ["a"], "text_pair": "b"}, "text_pair goes with one text"),
        ({"texts": {"text": "a", "pair": "b"}}, r"has the fields \['pair', 'text'\]"),
        ({"texts": {"text_pair": "b"}}, r"has the fields \['text_pair'\]"),
        ({"texts": [("a", " ")]}, "input 1: the text_pair is empty"),
        ({"texts": [("a", "b", "c")]}, "input 1: a text must be a str, not tuple"),
    ],
)
def test_bad_input(ours: Any, call: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        ours(**call)
