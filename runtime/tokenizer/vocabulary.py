"""Reading a checkpoint's tokenizer files into one record of settings.

The rules are those of transformers 5 for its BERT tokenizer, so that the same folder gives the
same ids: the vocabulary comes from tokenizer.json where there is one, else from vocab.txt; how a
text is normalised comes from tokenizer_config.json alone; the added tokens come from
tokenizer_config.json's `added_tokens_decoder`, or, where it has none, from special_tokens_map.json,
added_tokens.json and tokenizer.json together. Where the folder names a class that is not BERT's
(`PreTrainedTokenizerFast`), tokenizer.json says how a text is normalised. What transformers would
follow and is not done here is refused, rather than to give other ids.
"""

import json
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tokenizers import AddedToken
from tokenizers.models import WordPiece

from squeezebert_mobile.errors import CheckpointError, choose

__all__ = [
    "SPECIAL_TOKENS",
    "UNLIMITED",
    "TokenizerSettings",
    "check_special_tokens",
    "read_settings",
    "read_vocab_file",
]

#: The tokens without which no input can be built: attribute -> token unless the folder says so.
SPECIAL_TOKENS = {
    "unk_token": "[UNK]",
    "sep_token": "[SEP]",
    "pad_token": "[PAD]",
    "cls_token": "[CLS]",
    "mask_token": "[MASK]",
}
#: transformers' model_max_length of a tokenizer that states none.
UNLIMITED = int(1e30)

_MAX_BYTES = 64 << 20  # the largest published WordPiece file (119,547 tokens) has 2 MB
_TOKEN_FIELDS = {"content", "single_word", "lstrip", "rstrip", "normalized", "special"}
_BERT_CLASSES = {  # the names under which transformers has its BERT tokenizer
    f"{name}Tokenizer"
    for name in ("Bert", "SqueezeBert", "MobileBert", "Electra", "DistilBert", "LayoutLM", "Lxmert")
}
_BERT_PARTS = {  # of a tokenizer.json that is BERT's
    "normalizer": {"BertNormalizer"},
    "pre_tokenizer": {"BertPreTokenizer"},
    "post_processor": {"TemplateProcessing", "BertProcessing"},
}
_EXTRA, _OLD_EXTRA = "extra_special_tokens", "additional_special_tokens"
_ORDER = ("bos_token", "eos_token", *SPECIAL_TOKENS)  # in which new special tokens get their ids


@dataclass(frozen=True)
class TokenizerSettings:
    """Everything that decides which ids a text gets."""

    vocab: Mapping[str, int]
    do_lower_case: bool
    strip_accents: bool | None  # None: as do_lower_case
    tokenize_chinese_chars: bool
    special_tokens: Mapping[str, str]  # those of SPECIAL_TOKENS
    added_tokens: tuple[AddedToken, ...]  # in the order in which new ones get their ids
    model_max_length: int


def read_settings(folder: Path, *, listed: Collection[str] | None = None) -> TokenizerSettings:
    """The settings in `folder`.

    Args:
        folder: a checkpoint or an artifact.
        listed: the files of an artifact, whose tokenizer.json says all; others are not read.

    Raises:
        CheckpointError: what is missing, damaged or too large, and what would be right.
    """

    def read(name: str) -> dict[str, Any]:
        return _read_object(folder / name) if listed is None or name in listed else {}

    config, tokenizer = read("tokenizer_config.json"), read("tokenizer.json")
    vocab = _vocab(tokenizer, folder)
    model = read("config.json")
    _check_against_model(vocab, model, folder)
    _check_followed(config, tokenizer, folder)
    if listed is not None or not _is_bert(config, model, tokenizer, folder):
        config = config | _normalizer(tokenizer)
    try:
        named, added, known = _tokens(config, tokenizer, read)
    except (TypeError, ValueError, KeyError, AttributeError, OverflowError) as error:
        raise CheckpointError(f"the added tokens of {str(folder)!r} are damaged: {error}") from None
    special = {key: named[key] for key in SPECIAL_TOKENS}
    check_special_tokens(vocab, special, known)
    return TokenizerSettings(
        vocab=vocab,
        do_lower_case=_flag(config, "do_lower_case", True, folder),
        strip_accents=_flag(config, "strip_accents", None, folder),
        tokenize_chinese_chars=bool(_flag(config, "tokenize_chinese_chars", True, folder)),
        special_tokens=special,
        added_tokens=tuple(added),
        model_max_length=_max_length(config, folder),
    )


def check_special_tokens(
    vocab: Mapping[str, int], special_tokens: Mapping[str, str], added: Collection[str]
) -> None:
    """Raise CheckpointError unless each special token has an id, in `vocab` or as an added one."""
    for key, token in special_tokens.items():
        if key not in SPECIAL_TOKENS:
            raise CheckpointError(choose("special token", key, SPECIAL_TOKENS))
        is_added = token in added and key != "unk_token"  # WordPiece itself gives that one
        if token not in vocab and not is_added:
            raise CheckpointError(
                f"the vocabulary has no {token!r} ({key}); add it, or name the token that stands "
                "for it in tokenizer_config.json"
            )


# Files --------------------------------------------------------------------------------------


def _read_text(path: Path) -> str | None:
    try:
        if path.stat().st_size > _MAX_BYTES:
            raise CheckpointError(
                f"{str(path)!r} is too large for a vocabulary: {path.stat().st_size} bytes, "
                f"at most {_MAX_BYTES} are read"
            )
        return path.read_bytes().decode("utf-8")
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
    """The JSON object of a file; an empty one where there is no file."""
    text = _read_text(path)
    if text is None:
        return {}
    try:
        data = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise CheckpointError(f"{str(path)!r} is not valid JSON: {error}; copy it again") from None
    if not isinstance(data, dict):
        raise CheckpointError(f"{str(path)!r} must hold a JSON object, not {type(data).__name__}")
    return data


def read_vocab_file(path: Path) -> dict[str, int]:
    """The tokens of a vocab.txt, one a line, with their line numbers from 0 as ids."""
    text = _read_text(path)
    if text is None:
        raise CheckpointError(f"no such vocabulary file: {str(path)!r}")
    if not text.strip():
        raise CheckpointError(f"{str(path)!r} is empty; it needs one token a line")
    return dict(WordPiece.read_file(str(path)))


def _vocab(tokenizer: dict[str, Any], folder: Path) -> dict[str, int]:
    if tokenizer or (folder / "tokenizer.json").is_file():
        return _json_vocab(tokenizer, folder / "tokenizer.json")
    if (folder / "vocab.txt").is_file():
        return read_vocab_file(folder / "vocab.txt")
    raise CheckpointError(
        f"{str(folder)!r} has no vocabulary: it needs vocab.txt or tokenizer.json; "
        "copy it from where the checkpoint came from"
    )


def _normalizer(tokenizer: dict[str, Any]) -> dict[str, Any]:
    """What tokenizer.json says about case, accents and ideographs."""
    found = tokenizer.get("normalizer")
    found = found if isinstance(found, dict) else {}
    names = {
        "do_lower_case": "lowercase",
        "strip_accents": "strip_accents",
        "tokenize_chinese_chars": "handle_chinese_chars",
    }
    return {ours: found[theirs] for ours, theirs in names.items() if theirs in found}


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
    for token, number in vocab.items():
        if isinstance(number, bool) or not isinstance(number, int) or not 0 <= number < 1 << 31:
            raise CheckpointError(f"{str(path)!r} gives token {token!r} the id {number!r}")
    return vocab


def _check_against_model(vocab: Mapping[str, int], config: dict[str, Any], folder: Path) -> None:
    """An id beyond the embedding would fail far from here, inside the model."""
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
    """Whether the tokenizer's class is BERT's; else tokenizer.json must make it one."""
    name = config.get("tokenizer_class") or model.get("tokenizer_class") or "BertTokenizer"
    if str(name).removesuffix("Fast") in _BERT_CLASSES:
        return True
    for part, kinds in _BERT_PARTS.items():
        found = tokenizer.get(part)
        kind = found.get("type") if isinstance(found, dict) else None
        if kind not in kinds:
            raise CheckpointError(
                f"the tokenizer of {str(folder)!r} is a {name!r} with {part} {kind!r} in "
                f"tokenizer.json, where BERT's is {' or '.join(sorted(kinds))}; use a checkpoint "
                "with a BertTokenizer"
            )
    return False


def _check_followed(config: dict[str, Any], tokenizer: dict[str, Any], folder: Path) -> None:
    """Refuse a setting that would give other ids in transformers and is not followed here."""
    cut = tokenizer.get("truncation")
    side = cut.get("direction") if isinstance(cut, dict) else None
    settings = {"truncation_side": str(side or "right").lower(), **config}
    inputs = settings.get("model_input_names", ["token_type_ids"])
    has_types = isinstance(inputs, list) and "token_type_ids" in inputs
    for key, is_followed, right in (
        (
            "truncation_side",
            settings["truncation_side"] == "right",
            "'right', which cuts long texts at their end",
        ),
        (
            "split_special_tokens",
            not settings.get("split_special_tokens"),
            "false, which finds special tokens in a text",
        ),
        (
            "model_input_names",
            has_types,
            "a list with 'token_type_ids', which tell the texts of a pair apart",
        ),
    ):
        if not is_followed:
            raise CheckpointError(
                f"{key} in {str(folder / 'tokenizer_config.json')!r} is {settings[key]!r}, which "
                f"is not supported; it must be {right}"
            )


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


def _as_token(value: Any) -> AddedToken:
    if isinstance(value, AddedToken):
        return value
    if isinstance(value, str):
        return AddedToken(value, special=True)
    return AddedToken(**{key: item for key, item in value.items() if key in _TOKEN_FIELDS})


def _tokens(
    config: dict[str, Any], tokenizer: dict[str, Any], read: Callable[[str], dict[str, Any]]
) -> tuple[dict[str, str], list[AddedToken], set[str]]:
    """The named special tokens; every added token in the order of ids; those the files list."""
    settings = dict(config)
    if not settings.get(_EXTRA) and _OLD_EXTRA in settings:
        settings[_EXTRA] = settings.pop(_OLD_EXTRA)
    by_id = {int(key): _as_token(value) for key, value in _decoder(settings).items()}
    others = _pop_other_names(settings)
    if "added_tokens_decoder" not in settings:
        _merge_map(settings, read("special_tokens_map.json"))
        others |= _pop_object(settings)
        by_id |= _legacy_added_tokens(settings, read("added_tokens.json"))
        for entry in tokenizer.get("added_tokens", ()):
            by_id[int(entry["id"])] = _as_token(entry)
    named = _named_tokens(settings, others)
    extra = settings.get(_EXTRA if _EXTRA in settings else _OLD_EXTRA) or []
    tokens = [token for _, token in sorted(by_id.items(), key=lambda item: item[0])]
    known = {token.content for token in tokens}
    # One that is named with different flags is added with each: the library keeps the last.
    for token in [*named.values(), *map(_as_token, extra)]:
        if token.content not in known and token not in tokens:
            tokens.append(token)
    names = {token.content for token in named.values()}
    for token in tokens:
        token.special = token.special or token.content in names
    return {key: token.content for key, token in named.items()}, tokens, known


def _decoder(settings: dict[str, Any]) -> dict[str, Any]:
    decoder = settings.get("added_tokens_decoder", {})
    if not isinstance(decoder, dict):
        raise TypeError(f"added_tokens_decoder is {decoder!r}, not an object")
    return decoder


def _pop_other_names(settings: dict[str, Any]) -> dict[str, Any]:
    """Take the tokens out that have names of the folder's own, such as `entity_token`."""
    names = [
        key
        for key, value in settings.items()
        if key.endswith("_token") and key not in _ORDER and isinstance(value, str)
    ]
    return {key: settings.pop(key) for key in names} | _pop_object(settings)


def _pop_object(settings: dict[str, Any]) -> dict[str, Any]:
    """Take the extra tokens out where they are an object, names -> tokens, and no list."""
    return settings.pop(_EXTRA) if isinstance(settings.get(_EXTRA), dict) else {}


def _merge_map(settings: dict[str, Any], entries: dict[str, Any]) -> None:
    """Let special_tokens_map.json, which old checkpoints have, overrule the settings."""
    for key, value in entries.items():
        if key == _EXTRA and isinstance(value, list):
            value = [*(settings.get(_EXTRA) or []), *value]
        elif key != _EXTRA and isinstance(value, dict):
            value = _as_token({**value, "special": True})
        settings[key] = value


def _named_tokens(settings: dict[str, Any], others: dict[str, Any]) -> dict[str, AddedToken]:
    """What is named (`cls_token`, ...), in the order of ids."""
    found = SPECIAL_TOKENS | {
        key: value
        for key, value in settings.items()
        if key.endswith("_token")
        and (
            isinstance(value, str | AddedToken)
            or (isinstance(value, dict) and (key in _ORDER or "__type" in value))
        )
    }
    found |= others
    order = [key for key in _ORDER if key in found] + [key for key in found if key not in _ORDER]
    return {key: _as_token(found[key]) for key in order}


def _legacy_added_tokens(settings: dict[str, Any], ids: dict[str, Any]) -> dict[int, AddedToken]:
    """added_tokens.json of old checkpoints: token -> id; special are those named elsewhere."""
    named = [settings.get(key) for key in _ORDER]
    special = {
        str(getattr(each, "content", each)) for each in [*named, *(settings.get(_EXTRA) or [])]
    }
    return {
        int(number): AddedToken(
            content, normalized=content not in special, special=content in special
        )
        for content, number in ids.items()
    }
