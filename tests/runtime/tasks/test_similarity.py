"""Similarity of texts, and the search for the nearest; the oracle is torch."""

import dataclasses
import itertools
import json
from collections.abc import Iterator
from typing import Any

import artifacts
import numpy as np
import pytest
import torch
from torch.nn.functional import cosine_similarity

from squeezebert_mobile.artifact import SentenceVector
from squeezebert_mobile.errors import InputError
from squeezebert_mobile.runtime.tasks.similarity import nearest, similarities

TEXTS = ["wake me at six", "play a song", "what is the weather", "the cat sat on the mat", "big"]
ORACLES: dict[Any, Any] = {
    "cosine": lambda a, b: cosine_similarity(a[:, None], b[None], dim=-1),
    "dot": lambda a, b: a @ b.T,
    "euclidean": lambda a, b: -torch.cdist(a, b),
    "manhattan": lambda a, b: -torch.cdist(a, b, p=1),
}


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """The pipeline of a tiny artifact in fp32."""
    return artifacts.load_pair(tmp_path_factory.mktemp("vectors"), "feature-extraction")[1]


def _with(model: Any, **settings: Any) -> Any:
    """The model with other settings of its sentence vectors."""
    vector = SentenceVector(**({"pooling": ("mean",), "normalize": False} | settings))
    return dataclasses.replace(model, spec=dataclasses.replace(model.spec, sentence_vector=vector))


@pytest.mark.parametrize("function", ORACLES)
def test_the_functions(function: Any) -> None:
    rng = np.random.default_rng(0)
    first, second = (rng.normal(size=(rows, 24)).astype(np.float32) for rows in (5, 7))
    first[2] = 0
    want = ORACLES[function](torch.tensor(first).double(), torch.tensor(second).double())
    found = similarities(function, first, second)
    assert found.shape == (5, 7) and found.dtype == np.float32
    np.testing.assert_allclose(found, want.numpy(), atol=1e-5)


@pytest.mark.parametrize("function", ORACLES)
def test_the_function_that_the_checkpoint_names(model: Any, function: Any) -> None:
    ours = _with(model, similarity=function)
    vectors = torch.tensor(np.stack([result.sentence for result in ours(TEXTS)]))
    found = ours.similarity(TEXTS[:2], TEXTS)
    np.testing.assert_allclose(found, ORACLES[function](vectors[:2], vectors), atol=1e-5)
    result = ours.search(TEXTS[0], TEXTS)
    assert result.hits[0].corpus_id == int(found[0].argmax())
    assert [hit.score for hit in result.hits] == pytest.approx(sorted(found[0], reverse=True))


def test_texts_results_and_vectors(model: Any) -> None:
    results = model(TEXTS)
    vectors = np.stack([result.sentence for result in results])
    want = vectors @ vectors.T
    rows = [result.sentence for result in results]
    for first, second in itertools.product((TEXTS, results, vectors, rows, iter(TEXTS)), repeat=2):
        if not isinstance(first, Iterator) and not isinstance(second, Iterator):
            np.testing.assert_allclose(model.similarity(first, second), want, atol=1e-5)
    np.testing.assert_allclose(model.similarity(iter(TEXTS), tuple(TEXTS)), want, atol=1e-5)
    for one in (TEXTS[0], TEXTS[0].encode(), {"text": TEXTS[0]}, results[0], vectors[0]):
        np.testing.assert_allclose(model.similarity(one, TEXTS), want[:1], atol=1e-5)
    assert model.similarity(TEXTS[0], TEXTS[1]).item() == pytest.approx(want[0, 1], abs=1e-5)


def test_nothing_to_compare(model: Any) -> None:
    assert model.similarity([], TEXTS).shape == (0, 5)
    assert model.similarity(TEXTS, []).shape == (5, 0)


def test_vectors_of_another_model(model: Any) -> None:
    with pytest.raises(InputError, match="vectors of 24 numbers cannot be compared with vectors "):
        model.similarity(TEXTS, np.zeros((2, 25), np.float32))


@pytest.mark.parametrize(("value", "message"), [(3, "must be a text, a list"), ([3], "input 1: ")])
def test_what_is_no_text(model: Any, value: Any, message: str) -> None:
    with pytest.raises(InputError, match=message):
        model.similarity(TEXTS, value)


@pytest.mark.parametrize("batch_size", [1, 3, 8])
def test_search(model: Any, batch_size: int) -> None:
    result = model.search("play music", TEXTS, batch_size=batch_size)
    scores = model.similarity("play music", TEXTS)[0]
    assert [hit.corpus_id for hit in result.hits] == np.argsort(-scores).tolist()
    for hit in result.hits:
        assert hit.text == TEXTS[hit.corpus_id]
        assert hit.score == pytest.approx(scores[hit.corpus_id], abs=1e-5)
    assert str(result).splitlines()[0] == f"{max(scores):.4f}  {result.hits[0].text}"
    assert json.loads(json.dumps(result.to_dict()))["hits"][0]["text"] == result.hits[0].text


@pytest.mark.parametrize(("top_k", "count"), [(1, 1), (3, 3), (10, 5), (None, 5)])
def test_top_k(model: Any, top_k: int | None, count: int) -> None:
    hits = model.search("play music", TEXTS, top_k=top_k).hits
    assert len(hits) == count
    assert hits == model.search("play music", TEXTS, top_k=None).hits[:count]


def test_ten_texts_unless_told_otherwise(model: Any) -> None:
    assert len(model.search("play music", TEXTS * 5).hits) == 10


def test_equal_texts_keep_their_order() -> None:
    scored = [("a", 0.5), ("b", 0.75), ("a", 0.5), ("b", 0.75)]
    for top_k in (4, None):
        assert [hit.corpus_id for hit in nearest(scored, top_k)] == [1, 3, 0, 2]
    assert [hit.corpus_id for hit in nearest(scored, 3)] == [1, 3, 0]


def test_texts_are_read_as_they_are_needed(model: Any) -> None:
    read = 0

    def texts() -> Iterator[str]:
        nonlocal read
        for text in [*TEXTS, ""]:
            read += 1
            yield text
        raise AssertionError("read too far")

    with pytest.raises(InputError, match="input 6: "):
        model.search("play music", texts(), batch_size=1)
    assert read == 6


@pytest.mark.parametrize(
    ("names", "document"),
    [
        (("query", "document", "passage"), "document"),
        (("query", "corpus", "passage"), "passage"),
        (("query", "corpus"), "corpus"),
        (("query",), None),
        (("passage",), "passage"),
        (("other",), None),
    ],
)
def test_prompts(model: Any, names: tuple[str, ...], document: str | None) -> None:
    """As encode_query and encode_document of sentence-transformers."""
    words = {"query": "what is ", "document": "the ", "passage": "a big ", "corpus": "play "}
    prompts = {name: words.get(name, "wake ") for name in names}
    ours = _with(model, prompts=prompts, default_prompt=names[0])
    result = ours.search("music", TEXTS)
    plain = _with(model)
    query = prompts.get("query", "") + "music"
    texts = [prompts.get(document or "", "") + text for text in TEXTS]
    want = np.sort(plain.similarity(query, texts)[0])[::-1]
    assert [hit.score for hit in result.hits] == pytest.approx(want.tolist(), abs=1e-5)
    assert {hit.text for hit in result.hits} == set(TEXTS)


def test_an_empty_prompt_is_none(model: Any) -> None:
    """Version 5 of sentence-transformers saves an empty "document" beside any other."""
    ours = _with(model, prompts={"query": "", "document": "", "passage": "a big "})
    plain = _with(model)
    want = np.sort(plain.similarity("music", [f"a big {text}" for text in TEXTS])[0])[::-1]
    assert [hit.score for hit in ours.search("music", TEXTS).hits] == pytest.approx(
        want.tolist(), abs=1e-5
    )


def test_truncated_texts_are_counted(model: Any) -> None:
    long = "wake me " * 60
    result = model.search("music", [*TEXTS, long])
    assert (result.texts_truncated, result.truncated) == (1, False)
    assert result.notice == "1 text is longer than this model takes, and cut there"
    both = model.search(long, [long, long, "cat"])
    assert str(both.notice).startswith("the input is longer than this model takes: its last ")
    assert str(both.notice).endswith("; 2 texts are longer than this model takes, and cut there")
    assert model.search("music", TEXTS).notice is None


@pytest.mark.parametrize(
    ("query", "texts", "options", "message"),
    [
        ("", TEXTS, {}, "query"),
        (3, TEXTS, {}, "query"),
        ("music", "one text", {}, "texts='one text' must be a list or an iterable of texts"),
        ("music", 3, {}, "texts=3 must be a list or an iterable of texts"),
        ("music", ["a", ("b", "c")], {}, "input 2: "),
        ("music", ["a", ""], {}, "input 2: "),
        ("music", TEXTS, {"top_k": 0}, "top_k=0 must be a whole number of at least 1"),
        ("music", TEXTS, {"batch_size": 0}, "batch_size=0 must be a whole number of at least 1"),
    ],
)
def test_what_cannot_be_searched(
    model: Any, query: Any, texts: Any, options: Any, message: str
) -> None:
    with pytest.raises(InputError, match=message):
        model.search(query, texts, **options)


def test_results_in_a_tuple_and_a_text_in_bytes(model: Any) -> None:
    results = model(TEXTS)
    want = model.similarity(results, results)
    np.testing.assert_array_equal(model.similarity(tuple(results), tuple(results)), want)
    (hit,) = model.search(TEXTS[0], [b"play music"]).hits
    assert hit.text == "play music"
