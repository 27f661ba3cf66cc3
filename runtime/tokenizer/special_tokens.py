"""Special and added tokens of a checkpoint."""

from collections.abc import Callable, Collection, Mapping
from typing import Any

from tokenizers import AddedToken

from squeezebert_mobile.errors import CheckpointError, choose

__all__ = ["SPECIAL_TOKENS", "check_special_tokens", "read_tokens"]

#: The special tokens that model inputs need: attribute -> default token.
SPECIAL_TOKENS = {
    "unk_token": "[UNK]",
    "sep_token": "[SEP]",
    "pad_token": "[PAD]",
    "cls_token": "[CLS]",
    "mask_token": "[MASK]",
}
_TOKEN_FIELDS = {"content", "single_word", "lstrip", "rstrip", "normalized", "special"}
_EXTRA, _OLD_EXTRA = "extra_special_tokens", "additional_special_tokens"
#: The order in which new special tokens get their ids.
_ORDER = ("bos_token", "eos_token", *SPECIAL_TOKENS)


def check_special_tokens(
    vocab: Mapping[str, int], special_tokens: Mapping[str, str], added: Collection[str]
) -> None:
    """Raise CheckpointError unless each special token is in `vocab` or among the added tokens."""
    for key, token in special_tokens.items():
        if key not in SPECIAL_TOKENS:
            raise CheckpointError(choose("special token", key, SPECIAL_TOKENS))
        is_added = token in added and key != "unk_token"  # WordPiece needs it in its vocabulary
        if token not in vocab and not is_added:
            raise CheckpointError(
                f"the vocabulary has no {token!r} ({key}); add it, or set {key} in "
                "tokenizer_config.json"
            )


def read_tokens(
    config: dict[str, Any], tokenizer: dict[str, Any], read: Callable[[str], dict[str, Any]]
) -> tuple[dict[str, str], list[AddedToken], set[str]]:
    """Special tokens by name; all added tokens in the order of ids; the tokens in the files."""
    settings = dict(config)
    if not settings.get(_EXTRA) and _OLD_EXTRA in settings:
        settings[_EXTRA] = settings.pop(_OLD_EXTRA)
    by_id = {int(key): _as_token(value) for key, value in _decoder(settings).items()}
    others = _pop_custom_names(settings)
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
    # A token with different flags is added with each of them; the library keeps the last.
    for token in [*named.values(), *map(_as_token, extra)]:
        if token.content not in known and token not in tokens:
            tokens.append(token)
    names = {token.content for token in named.values()}
    for token in tokens:
        token.special = token.special or token.content in names
    return {key: token.content for key, token in named.items()}, tokens, known


def _as_token(value: Any) -> AddedToken:
    if isinstance(value, AddedToken):
        return value
    if isinstance(value, str):
        return AddedToken(value, special=True)
    return AddedToken(**{key: item for key, item in value.items() if key in _TOKEN_FIELDS})


def _decoder(settings: dict[str, Any]) -> dict[str, Any]:
    decoder = settings.get("added_tokens_decoder", {})
    if not isinstance(decoder, dict):
        raise TypeError(f"added_tokens_decoder is {decoder!r}, not an object")
    return decoder


def _pop_custom_names(settings: dict[str, Any]) -> dict[str, Any]:
    """Remove and return the tokens with custom names, such as `entity_token`."""
    names = [
        key
        for key, value in settings.items()
        if key.endswith("_token") and key not in _ORDER and isinstance(value, str)
    ]
    return {key: settings.pop(key) for key in names} | _pop_object(settings)


def _pop_object(settings: dict[str, Any]) -> dict[str, Any]:
    """Remove and return the extra tokens if they are an object (name -> token), not a list."""
    return settings.pop(_EXTRA) if isinstance(settings.get(_EXTRA), dict) else {}


def _merge_map(settings: dict[str, Any], entries: dict[str, Any]) -> None:
    """Override the settings with special_tokens_map.json, which old checkpoints have."""
    for key, value in entries.items():
        if key == _EXTRA and isinstance(value, list):
            value = [*(settings.get(_EXTRA) or []), *value]
        elif key != _EXTRA and isinstance(value, dict):
            value = _as_token({**value, "special": True})
        settings[key] = value


def _named_tokens(settings: dict[str, Any], others: dict[str, Any]) -> dict[str, AddedToken]:
    """The named tokens (`cls_token`, ...), in the order of ids."""
    named = SPECIAL_TOKENS | {
        key: value
        for key, value in settings.items()
        if key.endswith("_token")
        and (
            isinstance(value, str | AddedToken)
            or (isinstance(value, dict) and (key in _ORDER or "__type" in value))
        )
    }
    named |= others
    order = [key for key in _ORDER if key in named] + [key for key in named if key not in _ORDER]
    return {key: _as_token(named[key]) for key in order}


def _legacy_added_tokens(settings: dict[str, Any], ids: dict[str, Any]) -> dict[int, AddedToken]:
    """added_tokens.json of old checkpoints (token -> id).

    The tokens that the settings name are special.
    """
    named = [settings.get(key) for key in _ORDER]
    special = {
        str(getattr(token, "content", token)) for token in [*named, *(settings.get(_EXTRA) or [])]
    }
    return {
        int(number): AddedToken(
            content, normalized=content not in special, special=content in special
        )
        for content, number in ids.items()
    }
