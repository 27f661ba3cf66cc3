"""How an input is filled: `--input NAME=FILL` or `--input NAME=FILL:SHAPE`.

FILL is ids (token ids), ones, zeros or random (floats from 0 to 1); SHAPE has numbers and the word
length, such as 1xlength or 1x3x224x224.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from squeezebert_mobile.errors import BenchmarkError, choose

__all__ = ["FILLS", "InputSpec", "ModelInput", "parse_input", "resolve"]

FILLS = ("ids", "ones", "zeros", "random")
#: How inputs with transformers' names are filled.
_BY_NAME = {"input_ids": "ids", "attention_mask": "ones", "token_type_ids": "zeros"}
_LENGTH = "length"
_MOST_ELEMENTS = 1 << 28  # 2 GB of int64: a mistyped shape must not take all memory


@dataclass(frozen=True)
class ModelInput:
    """An input that a model file declares."""

    name: str
    dtype: str  # of NumPy
    shape: tuple[int | None, ...]  # None: any size


@dataclass(frozen=True)
class InputSpec:
    """How one input is filled."""

    name: str
    fill: str
    shape: tuple[int | str, ...] | None = None  # None: as the model declares it
    dtype: str = "int64"

    def array(self, ids: NDArray[np.int64], length: int) -> NDArray[Any]:
        """The input at a length.

        Args:
            ids: A row of token ids, at least one.
            length: In tokens.
        """
        shape = [length if size == _LENGTH else int(size) for size in self.shape or ()]
        if self.fill == "ids":
            values: NDArray[Any] = np.resize(ids, shape)
        elif self.fill == "random":
            values = np.random.default_rng(0).random(shape)
        else:
            values = np.full(shape, self.fill == "ones")
        return np.array(values, self.dtype)


def parse_input(text: str) -> InputSpec:
    """The argument of --input.

    Raises:
        BenchmarkError: it is not NAME=FILL or NAME=FILL:SHAPE.
    """
    name, equals, rest = text.rpartition("=")
    fill, colon, shape = rest.partition(":")
    if not (equals and name):
        raise BenchmarkError(
            f"--input {text!r} is not NAME=FILL; give, for example, attention_mask=ones"
        )
    if fill not in FILLS:
        raise BenchmarkError(f"--input {text!r}: {choose('fill', fill, FILLS)}")
    if not colon:
        return InputSpec(name, fill)
    if not re.fullmatch(r"(?:[1-9]\d{0,8}|length)(?:x(?:[1-9]\d{0,8}|length))*", shape):
        raise BenchmarkError(
            f"--input {text!r}: {shape!r} is not a shape; give sizes such as 1xlength or "
            "1x3x224x224"
        )
    sizes = tuple(size if size == _LENGTH else int(size) for size in shape.split("x"))
    elements = 1
    for size in sizes:
        elements *= 1 if isinstance(size, str) else size
    if elements > _MOST_ELEMENTS:
        raise BenchmarkError(f"--input {text!r}: an input of this shape has too many elements")
    return InputSpec(name, fill, sizes)


def resolve(
    declared: Sequence[ModelInput], given: Sequence[InputSpec], *, model: str
) -> tuple[InputSpec, ...]:
    """How each declared input is filled: as given, or by its name.

    Args:
        declared: The inputs of the model file.
        given: Those of --input; others than the model's are ignored.
        model: The file, for messages.

    Raises:
        BenchmarkError: an input is neither given nor known by its name.
    """
    by_name = {each.name: each for each in given}
    specs = []
    for each in declared:
        spec = by_name.get(each.name)
        if spec is None and each.name not in _BY_NAME:
            raise BenchmarkError(
                f"{model!r} has an input {each.name!r} ({each.dtype}, {_shape_text(each)}), which "
                f"no name says how to fill; add --input {each.name}=zeros, or another of "
                f"{', '.join(FILLS)}"
            )
        fill = spec.fill if spec else _BY_NAME[each.name]
        shape = spec.shape if spec and spec.shape else _shape(each)
        specs.append(InputSpec(each.name, fill, shape, each.dtype))
    return tuple(specs)


def _shape(declared: ModelInput) -> tuple[int | str, ...]:
    """Sizes that the model leaves open are the batch, 1, if they are first, and else the length."""
    rank = len(declared.shape)
    return tuple(
        size if size is not None else 1 if place == 0 and rank > 1 else _LENGTH
        for place, size in enumerate(declared.shape)
    )


def _shape_text(declared: ModelInput) -> str:
    sizes = ["any" if size is None else str(size) for size in declared.shape]
    return "x".join(sizes) or "a single number"
