"""The common part of all pipelines: lists, streams, batches, lengths, threads, invalid texts."""

import dataclasses
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import artifacts
import numpy as np
import pytest
from artifacts import TEXTS

from squeezebert_mobile.errors import InputError


class Recorder:
    """A session that records the shape of each call."""

    def __init__(self, session: Any) -> None:
        self.session, self.shapes = session, list[tuple[int, ...]]()

    def run(self, feed: Mapping[str, Any]) -> dict[str, Any]:
        self.shapes.append(feed["input_ids"].shape)
        return dict(self.session.run(feed))

    def close(self) -> None:
        self.session.close()


@pytest.fixture(scope="module")
def loaded(tmp_path_factory: pytest.TempPathFactory) -> Any:
    folder: Path = tmp_path_factory.mktemp("pipeline")
    return artifacts.load_pair(folder, "text-classification")[1]


@pytest.fixture
def ours(loaded: Any) -> Any:
    return dataclasses.replace(loaded, session=Recorder(loaded.session))


def assert_equal(actual: list[Any], expected: list[Any]) -> None:
    for ours, theirs in zip(actual, expected, strict=True):
        assert ours.label == theirs.label
        assert ours.score == pytest.approx(theirs.score, abs=1e-6)
        assert ours.tokens_cut == theirs.tokens_cut


def test_one_list_stream(ours: Any) -> None:
    alone = [ours(text) for text in TEXTS]
    assert len({result.score for result in alone}) == len(TEXTS)
    assert_equal(ours(TEXTS), alone)
    assert_equal(ours(tuple(TEXTS)), alone)
    stream = ours(iter(TEXTS))
    assert isinstance(stream, Iterator)
    assert_equal(list(stream), alone)
    assert_equal(list(ours(dict.fromkeys(TEXTS).keys())), alone)
    assert ours([]) == []
    assert list(ours(iter([]))) == []


@pytest.mark.parametrize("batch_size", [1, 2, 3, 100])
def test_batch_size(ours: Any, batch_size: int) -> None:
    alone = [ours(text) for text in TEXTS]
    ours.session.shapes.clear()
    assert_equal(ours(TEXTS, batch_size=batch_size), alone)
    sizes = [shape[0] for shape in ours.session.shapes]
    assert max(sizes) == min(batch_size, len(TEXTS))
    assert sum(sizes) == len(TEXTS)


def test_short_texts_are_not_padded_to_long_ones(ours: Any) -> None:
    short, long = "wake me", "play music at night " * 9
    ours([short, long] * 20, batch_size=8)
    padded = sum(rows * length for rows, length in ours.session.shapes)
    assert padded <= 20 * 4 + 20 * 38 + 4 * 34  # at most one batch with both lengths
    assert sorted({length for _, length in ours.session.shapes}) == [4, 38]


def test_many_tokens_are_split_into_calls(ours: Any) -> None:
    """The logits of a batch must fit in memory, whatever the batch_size."""
    ours(["play music at night " * 9] * 60, batch_size=1000)
    assert max(rows * length for rows, length in ours.session.shapes) <= 512


def test_a_stream_is_read_lazily(ours: Any) -> None:
    read = []

    def texts() -> Iterator[str]:
        for number in range(1000):
            read.append(number)
            yield "wake me"

    stream = ours(texts(), batch_size=1)
    assert read == []
    next(stream)
    assert len(read) == 1
    next(ours(texts(), batch_size=4))
    assert len(read) <= 1 + 4 * 8


def test_a_stream_yields_the_results_before_an_invalid_text(ours: Any) -> None:
    stream = ours(iter(["wake me", "music", "", "at six"]), batch_size=4)
    assert len([next(stream), next(stream)]) == 2
    with pytest.raises(InputError, match="input 3: the text is empty"):
        next(stream)


def test_long_texts_are_truncated_with_a_notice(ours: Any) -> None:
    text = "play music " * 30
    result = ours(text)
    assert result.truncated
    assert result.tokens_cut == 60 - 38
    assert result.notice == (
        "the input is longer than this model takes: its last 22 tokens were not read"
    )
    assert result.to_dict()["truncated"] is True
    assert result.to_dict()["tokens_cut"] == 22
    assert ours("play music " * 19).notice is None
    assert result.label == ours("play music " * 19).label
    (pair,) = ours([(text, text)])
    assert pair.tokens_cut == 120 - 37


@pytest.mark.parametrize("fixed", [{"sequence": 16}, {"sequence": 16, "batch": 1}, {"batch": 3}])
def test_fixed_axes(fixed: dict[str, int], tmp_path: Path) -> None:
    """Rows are padded to the fixed length, batches filled up to the fixed size."""
    theirs, ours = artifacts.load_pair(tmp_path, "token-classification", fixed=fixed)
    length = fixed.get("sequence", 40)
    options = {"ignore_labels": []}
    for text, result in zip(TEXTS, ours(TEXTS, **options), strict=True):
        inputs = ours.tokenizer(text, truncation=True, max_length=length, return_tensors="np")
        logits = artifacts.outputs_of(theirs, inputs)["logits"][0]
        scores = np.exp(logits) / np.exp(logits).sum(axis=-1, keepdims=True)
        got = [entity.score for entity in result.entities]
        assert got == pytest.approx(scores.max(axis=-1)[1:-1], abs=1e-4)
        assert result.truncated == (len(ours.tokenizer(text)["input_ids"]) > length)


def test_threads_share_a_pipeline(loaded: Any) -> None:
    texts = [TEXTS[i % 5] + " me" * (i % 7) for i in range(64)]
    alone = [loaded(text, top_k=None) for text in texts]
    with ThreadPoolExecutor(8) as pool:
        for _ in range(5):
            assert list(pool.map(lambda text: loaded(text, top_k=None), texts)) == alone


def test_bytes_are_utf8(ours: Any) -> None:
    assert ours("cát".encode()) == ours("cát")
    assert ours([b"wake me", "wake me"])[0] == ours("wake me")


@pytest.mark.parametrize(
    ("inputs", "message"),
    [
        ("", "^the text is empty; give at least one word"),
        (" \n\t ", "^the text is empty"),
        (b"caf\xe9", r"^the text is not UTF-8 \(byte 3 is 0xe9\); convert it to UTF-8"),
        ("a\ud800", "^a text is not valid Unicode: unpaired surrogate at character 1"),
        (5, "^the input must be a text, a list or an iterable of texts, not int"),
        (None, "^the input must be a text, a list or an iterable of texts, not NoneType"),
        (["a", None], "^input 2: a text must be a str, not NoneType"),
        (["a", ""], "^input 2: the text is empty"),
        ([["a"]], "^input 1: a text must be a str, not list"),
        (["a", b"\xff"], "^input 2: the text is not UTF-8"),
    ],
)
def test_bad_texts(ours: Any, inputs: Any, message: str) -> None:
    with pytest.raises(InputError, match=message):
        ours(inputs)


@pytest.mark.parametrize("batch_size", [0, -1, 1.5, True, "8"])
def test_bad_batch_size(ours: Any, batch_size: Any) -> None:
    with pytest.raises(InputError, match=f"batch_size={batch_size!r} must be a whole number"):
        ours("a", batch_size=batch_size)


def test_closing(tmp_path: Path) -> None:
    _, ours = artifacts.load_pair(tmp_path, "text-classification")
    with ours:
        ours("a")
    with pytest.raises(InputError, match="this session is closed"):
        ours("a")
