"""golden.json: texts with the artifact's own answers, for a consumer's self-check."""

from typing import Literal

from squeezebert_mobile.artifact.schema import Count, Record, Whole

__all__ = ["GOLDEN_FILE", "Golden", "GoldenOutput", "GoldenText"]

GOLDEN_FILE = "golden.json"


class GoldenOutput(Record):
    """A sample of one output: `values[i]` stands at flat position `indices[i]`."""

    shape: tuple[Count, ...]
    indices: tuple[Whole, ...]
    values: tuple[float, ...]
    top: tuple[Whole, ...]  # argmax over the last axis; empty where the output is no answer


class GoldenText(Record):
    """One input and what this artifact answers; rows are choices for multiple-choice, else one."""

    texts: tuple[tuple[str, ...], ...]  # a row: (text,) or (text, pair)
    input_ids: tuple[tuple[Whole, ...], ...]
    attention_mask: tuple[tuple[Whole, ...], ...]
    token_type_ids: tuple[tuple[Whole, ...], ...]
    outputs: dict[str, GoldenOutput]


class Golden(Record):
    """golden.json."""

    schema_version: Literal[1]
    tolerance: dict[str, float]  # per output: largest absolute difference that is still the same
    texts: tuple[GoldenText, ...]
