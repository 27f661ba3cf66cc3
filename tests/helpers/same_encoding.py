"""Comparison of two tokenizers: every column must be equal."""

from typing import Any

__all__ = ["EVERYTHING", "assert_same_encoding"]

EVERYTHING = {"return_offsets_mapping": True, "return_special_tokens_mask": True}
COLUMNS = {
    "input_ids",
    "token_type_ids",
    "attention_mask",
    "offset_mapping",
    "special_tokens_mask",
}


def assert_same_encoding(call: dict[str, Any], ours: Any, theirs: Any) -> None:
    """Ours and theirs return the same columns for the same call."""
    call = {**EVERYTHING, **call}
    encoding = dict(ours(**call))
    assert encoding == dict(theirs(**call)), call
    assert set(encoding) - {"overflow_to_sample_mapping"} == COLUMNS
