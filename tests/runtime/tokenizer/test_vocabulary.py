"""Damaged tokenizer files: each raises a CheckpointError that says what is wrong."""

import json
from pathlib import Path
from typing import Any

import pytest
from tokenizers.models import WordPiece

from squeezebert_mobile.errors import CheckpointError
from squeezebert_mobile.runtime import SqueezeBertTokenizer
from squeezebert_mobile.runtime.tokenizer import vocabulary
from squeezebert_mobile.runtime.tokenizer.vocabulary import read_vocab_file

WORDS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "hello"]


def write(folder: Path, files: dict[str, Any]) -> Path:
    files = {"vocab.txt": "\n".join(WORDS), **files}
    for name, content in files.items():
        data = content if isinstance(content, str | bytes) else json.dumps(content)
        data = data.encode("utf-8") if isinstance(data, str) else data
        if content is not None:
            (folder / name).write_bytes(data)
    return folder


def tokenizer_json(**model: Any) -> dict[str, Any]:
    return {"model": {"type": "WordPiece", "vocab": {w: i for i, w in enumerate(WORDS)}, **model}}


@pytest.mark.parametrize(
    ("files", "message"),
    [
        ({"vocab.txt": None}, "has no vocabulary: it needs vocab.txt or tokenizer.json"),
        ({"vocab.txt": ""}, "vocab.txt' is empty; it needs one token per line"),
        ({"vocab.txt": "\n\n"}, "vocab.txt' is empty"),
        ({"vocab.txt": "\n".join(WORDS[:4])}, r"the vocabulary has no '\[MASK\]' \(mask_token\)"),
        ({"vocab.txt": "hello\xff".encode("latin-1")}, r"vocab.txt' is not UTF-8 text \(byte 5\)"),
        ({"config.json": {"vocab_size": 5}}, "too large: token 'hello' has id 5, but vocab_size"),
        ({"tokenizer.json": "{"}, "tokenizer.json' is not valid JSON: "),
        ({"tokenizer.json": "[" * 100_000}, "tokenizer.json' is not valid JSON: "),
        ({"tokenizer.json": []}, "tokenizer.json' must hold a JSON object, not list"),
        ({"tokenizer.json": b"\xff"}, "tokenizer.json' is not UTF-8"),
        ({"tokenizer.json": {}}, "holds no WordPiece vocabulary"),
        ({"tokenizer.json": {"model": 3}}, "holds no WordPiece vocabulary"),
        ({"tokenizer.json": tokenizer_json(type="BPE")}, "its model is of type 'BPE'"),
        ({"tokenizer.json": tokenizer_json(vocab=[["a", 0.0]])}, "holds no WordPiece vocabulary"),
        ({"tokenizer.json": tokenizer_json(vocab={})}, "has an empty vocabulary"),
        (
            {"tokenizer.json": tokenizer_json(vocab={"a": -1})},
            "has the invalid id -1 for token 'a'",
        ),
        (
            {"tokenizer.json": tokenizer_json(vocab={"a": "1"})},
            "has the invalid id '1' for token 'a'",
        ),
        (
            {"tokenizer.json": tokenizer_json(vocab={"a": 2**40})},
            "has the invalid id 1099511627776",
        ),
        (
            {"tokenizer.json": tokenizer_json(vocab={"a": True})},
            "has the invalid id True for token 'a'",
        ),
        (
            {"tokenizer.json": {**tokenizer_json(), "added_tokens": [{"content": "x"}]}},
            "the added tokens of .* are damaged: 'id'",
        ),
        (
            {"tokenizer.json": {**tokenizer_json(), "added_tokens": 7}},
            "the added tokens of .* are damaged: ",
        ),
        (
            {"tokenizer_config.json": {"added_tokens_decoder": {"0": {"content": 5}}}},
            "the added tokens of .* are damaged: ",
        ),
        ({"tokenizer_config.json": {"added_tokens_decoder": []}}, "added_tokens_decoder is \\[\\]"),
        ({"tokenizer_config.json": {"do_lower_case": "no"}}, "do_lower_case in .* is 'no'"),
        ({"tokenizer_config.json": {"model_max_length": 0}}, "model_max_length in .* is 0"),
        ({"tokenizer_config.json": '{"model_max_length": NaN}'}, "model_max_length in .* is nan"),
        ({"tokenizer_config.json": {"model_max_length": "9"}}, "it must be a positive number"),
        (
            {"tokenizer_config.json": {"truncation_side": "left"}},
            "truncation_side in .* is 'left', which is not supported; it must be 'right'",
        ),
        (
            {"tokenizer.json": {**tokenizer_json(), "truncation": {"direction": "Left"}}},
            "truncation_side in .* is 'left', which is not supported; it must be 'right'",
        ),
        (
            {"tokenizer_config.json": {"split_special_tokens": True}},
            "split_special_tokens in .* is True, which is not supported; it must be false",
        ),
        (
            {"tokenizer_config.json": {"model_input_names": ["input_ids"]}},
            r"model_input_names in .* is \['input_ids'\], which .* be a list with 'token_type_ids'",
        ),
        (
            {"tokenizer_config.json": {"model_input_names": 7}},
            "model_input_names in .* is 7, which is not supported; it must be a list",
        ),
        (
            {"tokenizer_config.json": {"tokenizer_class": "BertJapaneseTokenizer"}},
            "is a 'BertJapaneseTokenizer' with normalizer None in tokenizer.json, where BERT's is",
        ),
        (
            {
                "config.json": {"tokenizer_class": "PreTrainedTokenizerFast"},
                "tokenizer.json": {**tokenizer_json(), "normalizer": {"type": "NFC"}},
            },
            "is a 'PreTrainedTokenizerFast' with normalizer 'NFC' in tokenizer.json.*; use a check",
        ),
        ({"tokenizer_config.json": {"cls_token": "<s>"}}, r"has no '<s>' \(cls_token\)"),
        ({"tokenizer_config.json": '{"cls_token": "\\ud800"}'}, "_config.json' is not valid JSON"),
        (
            {"tokenizer.json": tokenizer_json(vocab={"\ud800": 0, **dict.fromkeys(WORDS, 1)})},
            "tokenizer.json' is not valid JSON",
        ),
        ({"special_tokens_map.json": "nothing"}, "special_tokens_map.json' is not valid JSON"),
        ({"added_tokens.json": {"x": "y"}}, "the added tokens of .* are damaged: "),
    ],
)
def test_damaged_files(files: dict[str, Any], message: str, tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match=message) as raised:
        SqueezeBertTokenizer.from_pretrained(write(tmp_path, files))
    assert "\n" not in str(raised.value), raised.value


def test_a_large_file_is_not_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(vocabulary, "MAX_BYTES", 30)
    with pytest.raises(CheckpointError, match="txt' is too large for a tokenizer's file: 36"):
        SqueezeBertTokenizer.from_pretrained(write(tmp_path, {}))


def test_a_vocabulary_that_is_a_folder(tmp_path: Path) -> None:
    (tmp_path / "tokenizer.json").mkdir()
    with pytest.raises(CheckpointError, match="tokenizer.json' cannot be read: Is a directory"):
        SqueezeBertTokenizer.from_pretrained(tmp_path)


def test_from_a_vocabulary(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="no such vocabulary file: .*none.txt"):
        SqueezeBertTokenizer(tmp_path / "none.txt")
    with pytest.raises(CheckpointError, match="the vocabulary is empty"):
        SqueezeBertTokenizer({})
    with pytest.raises(CheckpointError, match="unknown special token 'start_token'"):
        SqueezeBertTokenizer(
            {word: i for i, word in enumerate(WORDS)}, special_tokens={"start_token": "hello"}
        )


def test_no_folder() -> None:
    with pytest.raises(CheckpointError, match="no such folder: './nowhere/at/all'"):
        SqueezeBertTokenizer.from_pretrained("./nowhere/at/all")


def test_a_larger_model_is_fine(tmp_path: Path) -> None:
    """Embeddings are often padded to a round number of rows."""
    folder = write(tmp_path, {"config.json": {"vocab_size": 64}})
    assert SqueezeBertTokenizer.from_pretrained(folder).vocab_size == 6


@pytest.mark.parametrize("end", ["", "\n", "\n\n", "\r\n"])
def test_lines_are_those_of_the_library(tmp_path: Path, end: str) -> None:
    spaces = "\t\v\f\r\x1c\x1d\x1e\x1f \x85\xa0\u1680\u180e\u2000\u200a\u200b\u2028\u2029\u202f"
    spaces += "\u205f\u3000"
    lines = ["[PAD]", "a", "", *(f"{space}x{space}{space}" for space in spaces), "a\r", "ü", "  "]
    path = tmp_path / "vocab.txt"
    path.write_bytes(("\n".join(lines) + end).encode())
    assert read_vocab_file(path) == WordPiece.read_file(str(path))
