"""golden.json: texts with the artifact's own outputs, so that a consumer can check its own."""

from typing import Literal

from squeezebert_mobile.artifact.schema import Count, Record, Whole

__all__ = ["GOLDEN_FILE", "Golden", "GoldenOutput", "GoldenText"]

GOLDEN_FILE = "golden.json"


class GoldenOutput(Record):
    """A sample of one output: `values[i]` is at position `indices[i]` of the flattened array."""

    shape: tuple[Count, ...]
    indices: tuple[Whole, ...]
    values: tuple[float, ...]
    top: tuple[Whole, ...]  # argmax over the last axis; empty if it is not an answer


class GoldenText(Record):
    """One input and its outputs. It has a row for each choice (multiple-choice), else one row."""

    texts: tuple[tuple[str, ...], ...]  # per row: (text,) or (text, pair)
    input_ids: tuple[tuple[Whole, ...], ...]
    attention_mask: tuple[tuple[Whole, ...], ...]
    token_type_ids: tuple[tuple[Whole, ...], ...]
    outputs: dict[str, GoldenOutput]


class Golden(Record):
    """golden.json."""

    schema_version: Literal[1]
    tolerance: dict[str, float]  # per output: largest allowed absolute difference
    texts: tuple[GoldenText, ...]
