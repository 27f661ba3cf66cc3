"""golden.json: texts with the artifact's own outputs, so that a consumer can check its own."""

from typing import Final, Literal, Self

import numpy as np
from numpy.typing import NDArray
from pydantic import model_validator
from pydantic_core import PydanticCustomError

from squeezebert_mobile.artifact.schema import Count, Record, Whole

__all__ = ["GOLDEN_FILE", "MAX_TOLERANCE", "Golden", "GoldenOutput", "GoldenText"]

GOLDEN_FILE = "golden.json"
#: A tolerance is at most this many times the largest value; more would accept any outputs.
MAX_TOLERANCE: Final = 100.0


class GoldenOutput(Record):
    """A sample of one output: `values[i]` is at position `indices[i]` of the flattened array."""

    shape: tuple[Count, ...]
    indices: tuple[Whole, ...]
    values: tuple[float, ...]
    top: tuple[Whole, ...]  # argmax over the last axis; empty if it is not an answer

    def as_float32(self) -> NDArray[np.float32]:
        """The values, infinite where they are too large for float32."""
        with np.errstate(over="ignore"):
            return np.array(self.values, np.float32)


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

    @model_validator(mode="after")
    def _check_tolerance(self) -> Self:
        for name, tolerance in self.tolerance.items():
            outputs = [text.outputs[name] for text in self.texts if name in text.outputs]
            limit = MAX_TOLERANCE * max([1.0, *(_largest(output) for output in outputs)])
            if not 0 <= tolerance <= limit:  # NaN is not
                raise PydanticCustomError(
                    "tolerance",
                    "the tolerance {tolerance} of {name} is not from 0 to {limit}, "
                    f"{MAX_TOLERANCE:g} times the largest value",
                    {"tolerance": repr(tolerance), "name": repr(name), "limit": f"{limit:g}"},
                )
        return self


def _largest(output: GoldenOutput) -> float:
    """The largest absolute value, without infinite ones and NaN."""
    values = np.abs(output.as_float32())
    return float(values[np.isfinite(values)].max(initial=0))
