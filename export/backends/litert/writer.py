"""Appending operators of LiteRT to a subgraph.

A RESHAPE is one more operator to load for each length, and to run. A tensor that gains or loses
leading axes of size 1 is therefore left as it is until an operator reads it for which they matter.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from ai_edge_litert import schema_py_generated as schema
from torch import Tensor

from squeezebert_mobile.export.backends.litert.tflite_file import Subgraph, TensorRef

__all__ = ["Operand", "Weight", "Writer"]


@dataclass(frozen=True)
class Weight:
    """A parameter or buffer of the model; int8 with the scale of each row, or fp32."""

    name: str
    values: Tensor
    scales: Tensor | None = None

    @property
    def shape(self) -> tuple[int, ...]:
        """Of the values."""
        return tuple(self.values.shape)


Operand = TensorRef | Weight | Tensor | float | int

#: Operators for which leading axes of size 1 do not matter.
_OF_ANY_RANK = frozenset(
    "ABS ADD DIV EXP FULLY_CONNECTED GELU HARD_SWISH LEAKY_RELU LOG LOGISTIC MAXIMUM MEAN MINIMUM "
    "MUL RELU RELU6 RSQRT SQRT SUB TANH".split()
)


@dataclass
class Writer:
    """Appends operators to a subgraph."""

    subgraph: Subgraph
    #: The result of a transpose of the last two axes -> its input, which products read instead.
    transposed: dict[TensorRef, TensorRef] = field(default_factory=dict)
    _shaped: dict[TensorRef, TensorRef] = field(default_factory=dict)  # see `as_shaped`

    def ref(self, value: Operand) -> TensorRef:
        """A tensor of the subgraph; a weight or number becomes a constant."""
        if isinstance(value, TensorRef):
            return value
        if isinstance(value, Weight):
            scales = None if value.scales is None else value.scales.numpy()
            return self.subgraph.constant(value.values.numpy(), scales)
        if isinstance(value, Tensor):
            return self.subgraph.constant(value.numpy())
        return self.subgraph.constant(np.array(value, np.float32))

    def ints(self, values: Sequence[int]) -> TensorRef:
        """A constant of int32 numbers, such as a shape."""
        return self.subgraph.constant(np.array(values, np.int32))

    def add(
        self,
        name: str,
        inputs: Sequence[Operand | None],
        shape: Sequence[int],
        options: Any = None,
        dtype: Any = np.float32,
    ) -> TensorRef:
        """Append an operator with a single result."""
        refs = [None if each is None else self.ref(each) for each in inputs]
        if name in _OF_ANY_RANK:
            rank = max(each.rank for each in refs if each is not None)
        else:
            refs = [None if each is None else self.as_shaped(each) for each in refs]
            rank = len(shape)
        (result,) = self.subgraph.add(name, refs, [_of_rank(shape, rank)], options, dtype)
        return replace(result, shape=tuple(shape))

    def as_shaped(self, x: TensorRef) -> TensorRef:
        """A tensor that has the same shape in the file."""
        if len(x.shape) == x.rank:
            return x
        if x not in self._shaped:
            self._shaped[x] = self.reshape(x, x.shape)
        return self._shaped[x]

    def reshape(self, x: TensorRef, shape: Sequence[int]) -> TensorRef:
        """Append a RESHAPE."""
        options = schema.ReshapeOptionsT(newShape=list(shape))
        inputs = [x, self.ints(shape)]
        return self.subgraph.add("RESHAPE", inputs, [shape], options, x.dtype)[0]


def _of_rank(shape: Sequence[int], rank: int) -> tuple[int, ...]:
    """A shape with more or fewer leading axes of size 1."""
    return (*(1,) * (rank - len(shape)), *shape[max(0, len(shape) - rank) :])
