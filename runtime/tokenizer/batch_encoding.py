"""The result of a tokenizer call, as lists or as tensors."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from squeezebert_mobile.errors import InputError, choose, require
from squeezebert_mobile.runtime.tokenizer.rows import Row

__all__ = ["BatchEncoding", "as_lists", "as_tensors"]


class BatchEncoding(dict[str, Any]):
    """input_ids, token_type_ids, attention_mask, and the optional fields of the call."""


def as_lists(
    rows: Sequence[Row],
    length: int,
    pad_id: int,
    *,
    special_tokens: bool,
    offsets: bool,
    token_types: bool,
) -> BatchEncoding:
    """The fields as lists of rows, each padded on the right to `length`.

    Without `token_types` all types are 0.
    """
    types = [row.type_ids if token_types else [0] * len(row) for row in rows]
    encoding = BatchEncoding(
        input_ids=[_padded(row.ids, length, pad_id) for row in rows],
        token_type_ids=[_padded(row, length, 0) for row in types],
        attention_mask=[_padded([1] * len(row), length, 0) for row in rows],
    )
    if special_tokens:
        encoding["special_tokens_mask"] = [_padded(r.special_tokens_mask, length, 1) for r in rows]
    if offsets:
        encoding["offset_mapping"] = [_padded(row.offsets, length, (0, 0)) for row in rows]
    return encoding


def as_tensors(encoding: BatchEncoding, kind: str) -> BatchEncoding:
    """The fields as int64 arrays of NumPy ("np") or tensors of PyTorch ("pt")."""
    if kind not in {"np", "pt"}:
        raise InputError(choose("return_tensors", kind, ("np", "pt")))
    if len({len(row) for row in encoding["input_ids"]}) > 1:
        raise InputError(
            "rows of different lengths cannot be one array; use padding=True, and truncation=True "
            "with max_length if texts may be too long"
        )
    arrays = BatchEncoding({name: np.asarray(rows, np.int64) for name, rows in encoding.items()})
    if kind == "np":
        return arrays
    torch = require("torch", "export")
    return BatchEncoding({name: torch.from_numpy(array) for name, array in arrays.items()})


def _padded(values: list[Any], length: int, fill: Any) -> list[Any]:
    return values + [fill] * (length - len(values))
