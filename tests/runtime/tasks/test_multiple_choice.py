from typing import Any

import artifacts
import numpy as np
import pytest
import torch
from artifacts import TEXTS

from squeezebert_mobile.errors import InputError

CHOICES = [["yes", "no", "at night on the big mat"], ["a dog", "one cat"], ["sun", "rain", "music"]]


@pytest.fixture(scope="module", params=["squeezebert", "bert"])
def case(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Any:
    folder = tmp_path_factory.mktemp("choice")
    theirs, ours = artifacts.load_pair(folder, "multiple-choice", family=request.param)
    return ours, theirs, artifacts.their_tokenizer(folder)


def reference(theirs: Any, tokenizer: Any, text: str, choices: list[str]) -> np.ndarray:
    """Probabilities of the choices, (C,), as transformers' documentation has it."""
    encoded = tokenizer(
        [text] * len(choices), choices, padding=True, truncation=True, return_tensors="pt"
    )
    with torch.no_grad():
        logits = theirs(**{name: value[None] for name, value in encoded.items()})["logits"]
    return np.asarray(logits.softmax(dim=-1)[0])


def test_same_as_the_model(case: Any) -> None:
    """Different numbers of choices in one list; the third text is longer than the model takes."""
    ours, theirs, tokenizer = case
    texts = [TEXTS[0], TEXTS[1], TEXTS[4]]
    inputs = [{"text": t, "choices": c} for t, c in zip(texts, CHOICES, strict=True)]
    for one, result in zip(inputs, ours(inputs), strict=True):
        want = reference(theirs, tokenizer, one["text"], one["choices"])
        assert [choice.score for choice in result.choices] == pytest.approx(
            sorted(want, reverse=True), abs=1e-4
        )
        for choice in result.choices:
            assert choice.score == pytest.approx(want[choice.index], abs=1e-4)
            assert choice.choice == one["choices"][choice.index]
    assert [r.truncated for r in ours(inputs)] == [False, False, True]


def test_one_text(case: Any) -> None:
    ours, _, _ = case
    result = ours(TEXTS[0], CHOICES[0])
    assert result == ours([TEXTS[0]], choices=CHOICES[0])[0]
    assert result == ours({"text": TEXTS[0], "choices": CHOICES[0]})
    best = result.choices[0]
    assert (result.choice, result.index) == (best.choice, best.index)
    assert str(result) == ", ".join(f"{c.choice} {c.score:.4f}" for c in result.choices)
    assert result.to_dict()["choices"][0] == {
        "choice": best.choice,
        "score": best.score,
        "index": best.index,
    }


@pytest.mark.parametrize(
    ("call", "message"),
    [
        ({"texts": "a"}, "choices=None must be a list of at least two texts"),
        ({"texts": "a", "choices": ["one"]}, r"choices=\['one'\] must be a list of at least two"),
        ({"texts": "a", "choices": "yes"}, "choices='yes' must be a list of at least two"),
        ({"texts": "a", "choices": 5}, "choices=5 must be a list of at least two"),
        ({"texts": "a", "choices": ["b", ""]}, "the choice is empty"),
        ({"texts": [{"text": "a", "chioces": []}]}, "input 1: .* not 'chioces'"),
        ({"texts": {"choices": ["a", "b"]}}, "a text must be a str, not NoneType"),
    ],
)
def test_bad_input(case: Any, call: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        case[0](**call)
