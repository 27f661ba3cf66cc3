"""Reading the tokenizer files of a checkpoint.

The rules are those of the BERT tokenizer in transformers 5, so that the same folder gives the same
ids:

- The vocabulary comes from tokenizer.json if it exists, else from vocab.txt.
- Normalization comes from tokenizer_config.json only. If that names a class other than BERT's
  (`PreTrainedTokenizerFast`), normalization comes from tokenizer.json.
- Token types are BERT's. With another class and no `model_input_names` all are 0: the default in
  transformers 5 has no token types.
- Added tokens come from `added_tokens_decoder` in tokenizer_config.json. Without it they come from
  special_tokens_map.json, added_tokens.json and tokenizer.json together.

A setting that transformers supports and this tokenizer does not is an error, as it would change the
ids.
"""

import json
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pydantic_core
from tokenizers import AddedToken

from squeezebert_mobile.errors import CheckpointError
from squeezebert_mobile.files import MAX_DOCUMENT_BYTES, read_regular
from squeezebert_mobile.runtime.tokenizer.special_tokens import (
    SPECIAL_TOKENS,
    check_special_tokens,
    read_tokens,
)

__all__ = [
    "UNLIMITED",
    "TokenizerSettings",
    "read_settings",
    "read_vocab_file",
]

#: model_max_length of a tokenizer without one, as in transformers.
UNLIMITED = int(1e30)

#: Larger files are not read; the largest published WordPiece vocabulary (119,547 tokens) has 2 MB.
MAX_BYTES = MAX_DOCUMENT_BYTES
#: What Unicode calls white space; Python's own list has four control characters more.
_WHITESPACE = "\t\n\v\f\r \x85\xa0\u1680\u2028\u2029\u202f\u205f\u3000" + "".join(
    map(chr, range(0x2000, 0x200B))
)
_MARK = "\ufeff"  # the byte order mark that some editors write at the start of a UTF-8 file
_BERT_CLASSES = {  # the names of the BERT tokenizer in transformers
    f"{name}Tokenizer"
    for name in ("Bert", "SqueezeBert", "MobileBert", "Electra", "DistilBert", "LayoutLM", "Lxmert")
}
_BERT_PARTS = {  # expected in the tokenizer.json of a BERT tokenizer
    "normalizer": {"BertNormalizer"},
    "pre_tokenizer": {"BertPreTokenizer"},
    "post_processor": {"TemplateProcessing", "BertProcessing"},
}


@dataclass(frozen=True)
class TokenizerSettings:
    """All settings that affect the ids of a text."""

    vocab: Mapping[str, int]
    do_lower_case: bool
    strip_accents: bool | None  # None: same as do_lower_case
    tokenize_chinese_chars: bool
    special_tokens: Mapping[str, str]  # the keys of SPECIAL_TOKENS
    added_tokens: tuple[AddedToken, ...]  # new ones get their ids in this order
    model_max_length: int
    has_token_types: bool  # otherwise all token types are 0, also those of a pair


def read_settings(folder: Path, *, listed: Collection[str] | None = None) -> TokenizerSettings:
    """Read the tokenizer settings in `folder`.

    Args:
        folder: a checkpoint or an artifact.
        listed: the files of an artifact; others are not read, and all settings come from
            tokenizer.json.

    Raises:
        CheckpointError: a file is missing, damaged or too large.
    """

    def read(name: str) -> dict[str, Any]:
        return _read_object(folder / name) if listed is None or name in listed else {}

    config, tokenizer = read("tokenizer_config.json"), read("tokenizer.json")
    vocab = _vocab(tokenizer, folder)
    model = read("config.json")
    _check_against_model(vocab, model, folder)
    _check_supported(config, tokenizer, model, folder)
    is_bert = listed is not None or _is_bert(config, model, tokenizer, folder)
    if listed is not None or not is_bert:
        config = config | _normalizer(tokenizer)
    try:
        named, added, known = read_tokens(config, tokenizer, read)
    except (TypeError, ValueError, KeyError, AttributeError, OverflowError) as error:
        raise CheckpointError(f"the added tokens of {str(folder)!r} are damaged: {error}") from None
    special = {key: named[key] for key in SPECIAL_TOKENS}
    if not is_bert:
        _check_described(tokenizer, special, folder)
    check_special_tokens(vocab, special, known)
    return TokenizerSettings(
        vocab=vocab,
        do_lower_case=_flag(config, "do_lower_case", True, folder),
        strip_accents=_flag(config, "strip_accents", None, folder),
        tokenize_chinese_chars=bool(_flag(config, "tokenize_chinese_chars", True, folder)),
        special_tokens=special,
        added_tokens=tuple(added),
        model_max_length=_max_length(config, folder),
        has_token_types=_has_token_types(config, is_bert),
    )


# Files --------------------------------------------------------------------------------------


def _read_text(path: Path) -> str | None:
    try:
        if path.stat().st_size > MAX_BYTES:
            raise CheckpointError(
                f"{str(path)!r} is too large for a tokenizer's file: {path.stat().st_size} bytes, "
                f"at most {MAX_BYTES} are read"
            )
        return read_regular(path, MAX_BYTES).decode("utf-8-sig")  # without a byte order mark
    except FileNotFoundError:
        return None
    except UnicodeDecodeError as error:
        raise CheckpointError(
            f"{str(path)!r} is not UTF-8 text (byte {error.start}); save it as UTF-8, "
            "or copy it again"
        ) from None
    except OSError as error:
        raise CheckpointError(f"{str(path)!r} cannot be read: {error.strerror}") from None


def _read_object(path: Path) -> dict[str, Any]:
    """The JSON object in a file; empty if the file does not exist."""
    text = _read_text(path)
    if text is None:
        return {}
    try:
        if path.name == "config.json":
            # The model's names and licence may have an escaped surrogate without its other half.
            data = json.loads(text)
        else:
            data = pydantic_core.from_json(text, cache_strings="none")  # half of json's time
    except (ValueError, RecursionError) as error:
        raise CheckpointError(f"{str(path)!r} is not valid JSON: {error}; copy it again") from None
    if not isinstance(data, dict):
        raise CheckpointError(f"{str(path)!r} must hold a JSON object, not {type(data).__name__}")
    return data


def read_vocab_file(path: Path) -> dict[str, int]:
    """The tokens of a vocab.txt, one per line. The id is the line number, from 0."""
    text = _read_text(path)
    if text is None:
        raise CheckpointError(f"no such vocabulary file: {str(path)!r}")
    if not text.strip():
        raise CheckpointError(f"{str(path)!r} is empty; it needs one token per line")
    if "\0" in text:  # UTF-16 without a byte order mark is valid UTF-8
        raise CheckpointError(
            f"{str(path)!r} is not UTF-8 text (byte {text.encode().index(0)}); save it as UTF-8, "
            "or copy it again"
        )
    lines = text.lstrip(_MARK).removesuffix("\n").split("\n")  # as tokenizers' WordPiece.read_file
    return {line.rstrip(_WHITESPACE): number for number, line in enumerate(lines)}


def _vocab(tokenizer: dict[str, Any], folder: Path) -> dict[str, int]:
    if tokenizer or (folder / "tokenizer.json").is_file():
        return _json_vocab(tokenizer, folder / "tokenizer.json")
    if (folder / "vocab.txt").is_file():
        return read_vocab_file(folder / "vocab.txt")
    raise CheckpointError(
        f"{str(folder)!r} has no vocabulary: it needs vocab.txt or tokenizer.json; "
        "copy it from the original checkpoint"
    )


def _normalizer(tokenizer: dict[str, Any]) -> dict[str, Any]:
    """The settings of the normalizer in tokenizer.json."""
    normalizer = tokenizer.get("normalizer")
    normalizer = normalizer if isinstance(normalizer, dict) else {}
    names = {
        "do_lower_case": "lowercase",
        "strip_accents": "strip_accents",
        "tokenize_chinese_chars": "handle_chinese_chars",
    }
    return {ours: normalizer[theirs] for ours, theirs in names.items() if theirs in normalizer}


def _json_vocab(tokenizer: dict[str, Any], path: Path) -> dict[str, int]:
    model = tokenizer.get("model")
    model = model if isinstance(model, dict) else {}
    vocab, kind = model.get("vocab"), model.get("type", "WordPiece")
    if not isinstance(vocab, dict) or kind != "WordPiece":
        raise CheckpointError(
            f"{str(path)!r} holds no WordPiece vocabulary, which SqueezeBERT and BERT need "
            f"(its model is of type {kind!r})"
        )
    if not vocab:
        raise CheckpointError(f"{str(path)!r} has an empty vocabulary")
    numbers = vocab.values()
    if {*map(type, numbers)} != {int} or min(numbers) < 0 or max(numbers) >= 1 << 31:
        token, number = next(item for item in vocab.items() if not _is_id(item[1]))
        raise CheckpointError(f"{str(path)!r} has the invalid id {number!r} for token {token!r}")
    return vocab


def _is_id(number: Any) -> bool:
    return isinstance(number, int) and not isinstance(number, bool) and 0 <= number < 1 << 31


def _check_against_model(vocab: Mapping[str, int], config: dict[str, Any], folder: Path) -> None:
    """Check that all ids are below vocab_size; otherwise the model fails with an obscure error."""
    size = config.get("vocab_size")
    if not isinstance(size, int):
        return
    token, number = max(vocab.items(), key=lambda item: item[1])
    if number >= size:
        raise CheckpointError(
            f"the vocabulary of {str(folder)!r} is too large: token {token!r} has id {number}, "
            f"but vocab_size in config.json is {size}; use the vocabulary the model was trained "
            "with"
        )


# Settings -----------------------------------------------------------------------------------


def _is_bert(
    config: dict[str, Any], model: dict[str, Any], tokenizer: dict[str, Any], folder: Path
) -> bool:
    """Whether the tokenizer class is BERT's; if not, tokenizer.json must describe such a one."""
    name = config.get("tokenizer_class") or model.get("tokenizer_class") or "BertTokenizer"
    if str(name).removesuffix("Fast") in _BERT_CLASSES:
        return True
    for part, kinds in _BERT_PARTS.items():
        settings = tokenizer.get(part)
        kind = settings.get("type") if isinstance(settings, dict) else None
        if kind not in kinds:
            raise CheckpointError(
                f"the tokenizer of {str(folder)!r} is a {name!r} with {part} {kind!r} in "
                f"tokenizer.json, where BERT's is {' or '.join(sorted(kinds))}; use a checkpoint "
                "with a BertTokenizer"
            )
    return False


def _check_described(tokenizer: dict[str, Any], special: Mapping[str, str], folder: Path) -> None:
    """Check that a tokenizer.json which decides how texts are read does it as BERT's tokenizer.

    transformers ignores these settings where the class is BERT's, and so does this package.
    """
    model, normalizer = tokenizer["model"], tokenizer["normalizer"]
    settings = (
        ("model.max_input_chars_per_word", model.get("max_input_chars_per_word", 100), 100),
        ("model.continuing_subword_prefix", model.get("continuing_subword_prefix", "##"), "##"),
        ("model.unk_token", model.get("unk_token", "[UNK]"), special["unk_token"]),
        ("normalizer.clean_text", normalizer.get("clean_text", True), True),
    )
    try:
        found = _templates(tokenizer)
    except (TypeError, ValueError, KeyError, AttributeError) as error:
        raise CheckpointError(
            f"the post_processor in {str(folder / 'tokenizer.json')!r} is damaged: {error!r}"
        ) from None
    cls, sep = special["cls_token"], special["sep_token"]
    expected = {
        "single": f"{cls}:0 A:0 {sep}:0",
        "pair": f"{cls}:0 A:0 {sep}:0 B:1 {sep}:1",
    }
    templates = [(f"post_processor.{key}", found.get(key), expected[key]) for key in expected]
    for name, value, supported in [*settings, *templates]:
        if value != supported:
            raise CheckpointError(
                f"{name} in {str(folder / 'tokenizer.json')!r} is {value!r:.120}, which is not "
                f"supported; it must be {supported!r}, as in BERT's tokenizer with the special "
                "tokens of tokenizer_config.json"
            )


def _templates(tokenizer: dict[str, Any]) -> dict[str, str]:
    """The rows of a text and of a pair, as in "[CLS]:0 A:0 [SEP]:0"; 0 and 1 are token types."""
    processor = tokenizer["post_processor"]
    ids = {entry["content"]: entry["id"] for entry in tokenizer.get("added_tokens") or ()}
    ids |= tokenizer["model"]["vocab"]
    if processor["type"] == "BertProcessing":
        cls, sep = (tuple(processor.get(key, ())) for key in ("cls", "sep"))
        names = [_name(token, ids, [number]) for token, number in (cls, sep)]
        return {
            "single": "{}:0 A:0 {}:0".format(*names),
            "pair": "{0}:0 A:0 {1}:0 B:1 {1}:1".format(*names),
        }
    tokens = processor.get("special_tokens", {})
    rows = {}
    for key in ("single", "pair"):
        pieces = []
        for ((kind, piece),) in (entry.items() for entry in processor.get(key, ())):
            name = piece["id"]
            if kind == "SpecialToken":
                name = _name(name, ids, tokens[name]["ids"])
            pieces.append(f"{name}:{piece['type_id']}")
        rows[key] = " ".join(pieces)
    return rows


def _name(token: str, ids: Mapping[str, int], used: list[int]) -> str:
    """A token in a template, with its ids where they are not those of the vocabulary."""
    return token if used == [ids.get(token)] else f"{token} with the ids {used}"


def _check_supported(
    config: dict[str, Any], tokenizer: dict[str, Any], model: dict[str, Any], folder: Path
) -> None:
    """Raise CheckpointError for a setting that changes the ids in transformers but not here."""
    cut = tokenizer.get("truncation")
    side = cut.get("direction") if isinstance(cut, dict) else None
    settings = {"truncation_side": str(side or "right").lower(), **config}
    inputs = settings.get("model_input_names", ["token_type_ids"])
    has_types = isinstance(inputs, list) and "token_type_ids" in inputs
    has_types = has_types or model.get("type_vocab_size") == 1  # one type for all tokens
    for key, is_supported, supported in (
        (
            "truncation_side",
            settings["truncation_side"] == "right",
            "'right', which truncates long texts at the end",
        ),
        (
            "split_special_tokens",
            not settings.get("split_special_tokens"),
            "false, which recognizes special tokens in a text",
        ),
        (
            "model_input_names",
            has_types,
            "a list with 'token_type_ids', which distinguish the texts of a pair",
        ),
    ):
        if not is_supported:
            raise CheckpointError(
                f"{key} in {str(folder / 'tokenizer_config.json')!r} is {settings[key]!r}, which "
                f"is not supported; it must be {supported}"
            )


def _has_token_types(config: dict[str, Any], is_bert: bool) -> bool:
    names = config.get("model_input_names", ["token_type_ids"] if is_bert else [])
    return isinstance(names, list) and "token_type_ids" in names


def _flag(config: dict[str, Any], key: str, default: bool | None, folder: Path) -> Any:
    value = config.get(key, default)
    if value is not default and not isinstance(value, bool) and value is not None:
        raise CheckpointError(
            f"{key} in {str(folder / 'tokenizer_config.json')!r} is {value!r}; "
            "it must be true, false or absent"
        )
    return default if value is None else value


def _max_length(config: dict[str, Any], folder: Path) -> int:
    value = config.get("model_max_length", config.get("max_len"))
    if value is None:
        return UNLIMITED
    if isinstance(value, bool) or not isinstance(value, int | float) or not value >= 1:
        raise CheckpointError(
            f"model_max_length in {str(folder / 'tokenizer_config.json')!r} is {value!r}; "
            "it must be a positive number"
        )
    return int(min(value, UNLIMITED))
