from typing import Any

import artifacts
import pytest
import transformers

from squeezebert_mobile.errors import InputError

MASKED = [
    "wake [MASK] at six.",
    "[MASK]",
    "the clock is [MASK]ing past [MASK] seven, [MASK]",
    "it is [MASK] " + "big " * 60,
]


@pytest.fixture(scope="module", params=["squeezebert", "bert"])
def case(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Any:
    folder = tmp_path_factory.mktemp("fill")
    theirs, ours = artifacts.load_pair(folder, "fill-mask", family=request.param)
    tokenizer = artifacts.their_tokenizer(folder)
    return ours, transformers.FillMaskPipeline(model=theirs, tokenizer=tokenizer)


def compare(ours: Any, theirs: list[Any]) -> None:
    theirs = theirs if isinstance(theirs[0], list) else [theirs]
    for our_fills, their_fills in zip(ours.masks, theirs, strict=True):
        for fill, want in zip(our_fills, their_fills, strict=True):
            assert fill.score == pytest.approx(want["score"], abs=1e-4)
            assert fill.token == want["token"]
            assert fill.token_str == want["token_str"]
            assert fill.sequence == want["sequence"]


@pytest.mark.parametrize("options", [{}, {"top_k": 1}, {"top_k": 64}])
def test_same_as_transformers(case: Any, options: dict[str, Any]) -> None:
    ours, theirs = case
    results = ours(MASKED, **options)
    assert len(results[2].masks) == 3
    for text, result in zip(MASKED, results, strict=True):
        compare(result, theirs(text, tokenizer_kwargs={"truncation": True}, **options))


@pytest.mark.parametrize(
    "targets", ["dog", ["cat", "dog", "sun"], ["dogs", "cat"], ["no such word", "cat"]]
)
def test_targets(case: Any, targets: Any, caplog: pytest.LogCaptureFixture) -> None:
    ours, theirs = case
    for text in MASKED[:3]:
        compare(ours(text, targets=targets), theirs(text, targets=targets))
    assert len(ours(MASKED[0], targets=["cat", "dog"], top_k=1).fills) == 1


def test_all_tokens(case: Any) -> None:
    ours, _ = case
    result = ours(MASKED[0], top_k=None)
    assert len(result.fills) == 64
    assert sum(fill.score for fill in result.fills) == pytest.approx(1)


def test_result(case: Any) -> None:
    ours, _ = case
    result = ours("[MASK] me [MASK]", top_k=2)
    first, second = result.masks
    assert result.fills == first
    assert str(result) == f"{first[0]}, {first[1]} | {second[0]}, {second[1]}"
    assert result.to_dict()["masks"][1][0] == {
        "token_str": second[0].token_str,
        "score": second[0].score,
        "token": second[0].token,
        "sequence": second[0].sequence,
    }


@pytest.mark.parametrize(
    ("call", "message"),
    [
        ({"texts": "wake me"}, r"the text has no \[MASK\]; put it where a word goes"),
        ({"texts": ["[MASK]", "wake me"]}, r"input 2: the text has no \[MASK\]"),
        ({"texts": "wake [mask]"}, r"the text has no \[MASK\]"),
        ({"texts": "a " * 50 + "[MASK]"}, "is beyond the 40 tokens"),
        ({"texts": "[MASK]", "top_k": -1}, "top_k=-1"),
        ({"texts": "[MASK]", "targets": []}, "targets is empty"),
        ({"texts": "[MASK]", "targets": [" "]}, "the target is empty"),
        ({"texts": "[MASK]", "targets": ["\x00"]}, "the target '.x00' has no token"),
        ({"texts": "[MASK]", "targets": [5]}, "a target must be a str, not int"),
        ({"texts": [("[MASK]", "pair")]}, "input 1: a text must be a str, not tuple"),
    ],
)
def test_bad_input(case: Any, call: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        case[0](**call)
