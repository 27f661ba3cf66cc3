from typing import Any

import artifacts
import numpy as np
import pytest
import torch
import transformers
from artifacts import TEXTS

from squeezebert_mobile.errors import InputError


@pytest.fixture(scope="module", params=["squeezebert", "bert"])
def case(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Any:
    folder = tmp_path_factory.mktemp("features")
    theirs, ours = artifacts.load_pair(folder, "feature-extraction", family=request.param)
    tokenizer = artifacts.their_tokenizer(folder)
    pipeline = transformers.FeatureExtractionPipeline(model=theirs, tokenizer=tokenizer)
    return ours, pipeline


def test_same_as_transformers(case: Any) -> None:
    ours, theirs = case
    results = ours(TEXTS, token_vectors=True)
    for text, result in zip(TEXTS, results, strict=True):
        want = theirs(text, truncation=True, return_tensors=True)[0]  # (S, H)
        np.testing.assert_allclose(result.vectors, want, atol=1e-4)
        ids = theirs.tokenizer(text, truncation=True)["input_ids"]
        assert list(result.tokens) == theirs.tokenizer.convert_ids_to_tokens(ids)
        unit = torch.nn.functional.normalize(want.mean(dim=0), dim=0)
        np.testing.assert_allclose(result.sentence, unit, atol=1e-5)
        assert result.sentence.dtype == result.vectors.dtype == np.float32


def test_result(case: Any) -> None:
    ours, _ = case
    result = ours("wake me")
    assert result.vectors is result.tokens is None
    assert np.linalg.norm(result.sentence) == pytest.approx(1)
    assert result.to_dict() == {
        "sentence": result.sentence.tolist(),
        "tokens": None,
        "vectors": None,
        "truncated": False,
        "tokens_cut": 0,
    }
    assert str(result).endswith(" …] 24 numbers")
    both = ours("wake me", token_vectors=True)
    assert both.to_dict()["vectors"] == both.vectors.tolist()
    assert both.to_dict()["tokens"] == ["[CLS]", "wake", "me", "[SEP]"]


def test_pairs(case: Any) -> None:
    ours, _ = case
    (one,) = ours([("wake me", "at six")], token_vectors=True)
    assert list(one.tokens) == ["[CLS]", "wake", "me", "[SEP]", "at", "six", "[SEP]"]
    single = ours("wake me", text_pair="at six", token_vectors=True)
    assert single.tokens == one.tokens
    np.testing.assert_array_equal(single.vectors, one.vectors)
    with pytest.raises(InputError, match="text_pair goes with one text"):
        ours(["wake me"], text_pair="at six")
