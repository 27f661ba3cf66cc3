"""The files of a Hub repository that a checkpoint needs."""

import json
import re
from collections.abc import Collection
from pathlib import Path

__all__ = ["WEIGHT_FILES", "settings_of", "weight_file", "weights_of"]

#: The names of a weight file, the preferred one first; of shards, NAME.index.json lists them.
WEIGHT_FILES = ("model.safetensors", "pytorch_model.bin")

#: The configuration, the tokenizer, the card (for the license), and how sentence-transformers
#: makes the vector of a text: 1_Pooling/config.json is its first module.
_SETTINGS = re.compile(
    r"(?:config|tokenizer|tokenizer_config|special_tokens_map|added_tokens|modules"
    r"|sentence_bert_config|config_sentence_transformers)\.json"
    r"|vocab\.txt|README\.md|\d+_\w+/config\.json",
    re.ASCII,
)


def settings_of(files: Collection[str]) -> list[str]:
    """Those of a repository's files that describe the model, with the index of its shards."""
    index = weight_file(files)
    return sorted(
        name
        for name in files
        if _SETTINGS.fullmatch(name) or (name == index and name.endswith(".json"))
    )


def weights_of(files: Collection[str], folder: Path) -> list[str]:
    """The weight files of a repository: one, or the shards that an index in `folder` lists.

    Empty if there are none. The index is checked when it is read as a part of the checkpoint; here
    names that are not in the repository are left out.
    """
    name = weight_file(files)
    if name is None or not name.endswith(".json"):
        return [name] if name else []
    try:
        shards = set(json.loads((folder / name).read_text(encoding="utf-8"))["weight_map"].values())
    except (OSError, ValueError, RecursionError, LookupError, TypeError, AttributeError):
        shards = set()
    return sorted(shards & set(files))


def weight_file(files: Collection[str]) -> str | None:
    """The weight file, or the index of its shards."""
    names = (name for file in WEIGHT_FILES for name in (file, f"{file}.index.json"))
    return next((name for name in names if name in files), None)
