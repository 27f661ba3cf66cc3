"""A .tflite file: tensors, operators and signatures, written with the schema that LiteRT ships.

One subgraph and one signature for each input length; constants with the same bytes are stored once.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from hashlib import sha256
from pathlib import Path
from typing import Any

import flatbuffers
import numpy as np
from ai_edge_litert import schema_py_generated as schema
from numpy.typing import NDArray

__all__ = ["Subgraph", "TensorRef", "TfliteFile"]

_VERSION = 3  # of the schema
_IDENTIFIER = b"TFL3"
_ALIGNMENT = 16  # bytes, of the schema's `force_align`; kernels may load whole registers
_TYPES = {
    np.dtype(np.float32): schema.TensorType.FLOAT32,
    np.dtype(np.int32): schema.TensorType.INT32,
    np.dtype(np.int64): schema.TensorType.INT64,
    np.dtype(np.int8): schema.TensorType.INT8,
    np.dtype(np.bool_): schema.TensorType.BOOL,
}
#: Versions of operators that LiteRT asks for where it is not 1: the number rises with new features.
_OPERATOR_VERSIONS = {"FULLY_CONNECTED": 5, "CONV_2D": 6, "EMBEDDING_LOOKUP": 3}


@dataclass(frozen=True)
class TensorRef:
    """A tensor of a subgraph, perhaps seen with more or fewer leading axes of size 1."""

    index: int
    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    rank: int  # in the file


class _Buffer(schema.BufferT):  # type: ignore[misc]
    """A buffer whose data is aligned, as `force_align` in the schema demands."""

    def Pack(self, builder: flatbuffers.Builder) -> int:  # noqa: N802  (the schema's name)
        if self.data is not None:
            builder.StartVector(1, len(self.data), _ALIGNMENT)
            builder.head -= len(self.data)
            builder.Bytes[builder.head : builder.head + len(self.data)] = self.data
            data = builder.EndVector()
        schema.BufferStart(builder)
        if self.data is not None:
            schema.BufferAddData(builder, data)
        return schema.BufferEnd(builder)  # type: ignore[no-any-return]


class _Scales(schema.QuantizationParametersT):  # type: ignore[misc]
    """The scale of each row of an int8 tensor, which is written once for all subgraphs."""

    def __init__(self, scales: NDArray[np.float32], zeros: dict[int, int]) -> None:
        super().__init__(scale=scales)
        self._zeros = zeros  # number of rows -> place of a vector with so many zeros
        self._place: int | None = None

    def Pack(self, builder: flatbuffers.Builder) -> int:  # noqa: N802  (the schema's name)
        if self._place is None:
            count = len(self.scale)
            if count not in self._zeros:
                self._zeros[count] = builder.CreateNumpyVector(np.zeros(count, np.int64))
            scales = builder.CreateNumpyVector(self.scale)
            schema.QuantizationParametersStart(builder)
            schema.QuantizationParametersAddScale(builder, scales)
            schema.QuantizationParametersAddZeroPoint(builder, self._zeros[count])
            self._place = schema.QuantizationParametersEnd(builder)
        return self._place


class TfliteFile:
    """The contents of a .tflite file."""

    def __init__(self) -> None:
        """An empty file."""
        self.subgraphs: dict[str, Subgraph] = {}  # signature -> subgraph
        self._codes: dict[str, int] = {}  # operator -> its place in the file's list
        self._buffers = [_Buffer()]  # the first one is empty, for tensors that are computed
        self._places: dict[bytes, int] = {}  # SHA-256 -> buffer
        self._scales: dict[bytes, _Scales] = {}
        self._zeros: dict[int, int] = {}  # shared by the scales

    def subgraph(self, signature: str) -> "Subgraph":
        """A new subgraph with a signature of this name."""
        self.subgraphs[signature] = Subgraph(self)
        return self.subgraphs[signature]

    def buffer(self, array: NDArray[Any]) -> int:
        """The place of a buffer with these numbers."""
        data = np.ascontiguousarray(array).reshape(-1).view(np.uint8).data
        key = sha256(data).digest()
        if key not in self._places:
            self._places[key] = len(self._buffers)
            self._buffers.append(_Buffer(data=data))
        return self._places[key]

    def scales(self, array: NDArray[np.float32]) -> _Scales:
        """The quantization of a tensor with these scales."""
        return self._scales.setdefault(array.tobytes(), _Scales(array, self._zeros))

    def code(self, name: str) -> int:
        """The place of an operator, such as "ADD", in the file's list."""
        return self._codes.setdefault(name, len(self._codes))

    def operators(self) -> dict[str, int]:
        """Operator -> count in one subgraph; all have the same."""
        counts: dict[str, int] = {}
        names = list(self._codes)
        for operator in next(iter(self.subgraphs.values())).operators:
            name = names[operator.opcodeIndex]
            counts[name] = counts.get(name, 0) + 1
        return dict(sorted(counts.items()))

    def write(self, path: Path) -> None:
        """Write the file. The same contents give the same bytes."""
        model = schema.ModelT(
            version=_VERSION,
            operatorCodes=[_operator_code(name) for name in self._codes],
            subgraphs=[subgraph.packed(name) for name, subgraph in self.subgraphs.items()],
            buffers=self._buffers,
            signatureDefs=[
                subgraph.signature(name, place)
                for place, (name, subgraph) in enumerate(self.subgraphs.items())
            ],
        )
        nbytes = sum(len(buffer.data) + 64 for buffer in self._buffers if buffer.data is not None)
        builder = flatbuffers.Builder(nbytes + (1 << 20))  # a smaller one would be copied to grow
        builder.Finish(model.Pack(builder), file_identifier=_IDENTIFIER)
        with path.open("wb") as file:
            file.write(memoryview(builder.Bytes)[builder.head :])


def _operator_code(name: str) -> Any:
    number = getattr(schema.BuiltinOperator, name)
    return schema.OperatorCodeT(
        # Older readers have a byte for the number; what does not fit is marked by its largest.
        deprecatedBuiltinCode=min(number, schema.BuiltinOperator.PLACEHOLDER_FOR_GREATER_OP_CODES),
        builtinCode=number,
        version=_OPERATOR_VERSIONS.get(name, 1),
    )


@dataclass
class Subgraph:
    """The tensors and operators for one input length."""

    file: TfliteFile
    tensors: list[Any] = field(default_factory=list)
    operators: list[Any] = field(default_factory=list)
    inputs: dict[str, TensorRef] = field(default_factory=dict)
    outputs: dict[str, TensorRef] = field(default_factory=dict)
    _constants: dict[tuple[Any, ...], TensorRef] = field(default_factory=dict)

    def input(self, name: str, shape: Sequence[int], dtype: type[np.generic]) -> TensorRef:
        """A new input."""
        self.inputs[name] = self._tensor(tuple(shape), np.dtype(dtype), name)
        return self.inputs[name]

    def constant(self, array: NDArray[Any], scales: NDArray[np.float32] | None = None) -> TensorRef:
        """A constant tensor.

        Args:
            array: Its numbers.
            scales: The step of each row, for int8.
        """
        place = self.file.buffer(array)
        key = (place, array.dtype, array.shape, None if scales is None else scales.tobytes())
        if key not in self._constants:
            quantization = None if scales is None else self.file.scales(scales)
            self._constants[key] = self._tensor(
                array.shape, array.dtype, "", buffer=place, quantization=quantization
            )
        return self._constants[key]

    def add(
        self,
        name: str,
        inputs: Sequence[TensorRef | None],
        shapes: Sequence[Sequence[int]],
        options: Any = None,
        dtype: type[np.generic] | np.dtype[Any] = np.float32,
    ) -> list[TensorRef]:
        """Append an operator.

        Args:
            name: Of the operator, such as "ADD".
            inputs: What it reads; None leaves an optional one out.
            shapes: Of its results.
            options: The operator's options, an object of the schema.
            dtype: Of its results.
        """
        results = [self._tensor(tuple(shape), np.dtype(dtype)) for shape in shapes]
        operator = schema.OperatorT(
            opcodeIndex=self.file.code(name),
            inputs=[-1 if each is None else each.index for each in inputs],
            outputs=[each.index for each in results],
        )
        if options is not None:
            union = type(options).__name__.removesuffix("T")
            operator.builtinOptionsType = getattr(schema.BuiltinOptions, union)
            operator.builtinOptions = options
        self.operators.append(operator)
        return results

    def remove_unused(self) -> None:
        """Remove operators and constants that no output needs."""
        needed = {each.index for each in self.outputs.values()}
        kept = []
        for operator in reversed(self.operators):
            if needed.intersection(operator.outputs):
                kept.append(operator)
                needed.update(operator.inputs)
        self.operators = kept[::-1]
        needed.update(each.index for each in self.inputs.values())
        for operator in self.operators:
            needed.update(operator.outputs)
        places = {index: place for place, index in enumerate(sorted(needed - {-1}))}
        self.tensors = [self.tensors[index] for index in places]
        for operator in self.operators:
            operator.inputs = [places.get(index, -1) for index in operator.inputs]
            operator.outputs = [places[index] for index in operator.outputs]
        for refs in (self.inputs, self.outputs):
            for name, ref in refs.items():
                refs[name] = replace(ref, index=places[ref.index])

    def packed(self, name: str) -> Any:
        """The subgraph as an object of the schema."""
        for output, ref in self.outputs.items():
            self.tensors[ref.index].name = output
        return schema.SubGraphT(
            tensors=self.tensors,
            inputs=[ref.index for ref in self.inputs.values()],
            outputs=[ref.index for ref in self.outputs.values()],
            operators=self.operators,
            name=name,
        )

    def signature(self, name: str, place: int) -> Any:
        """The signature of the subgraph at `place`."""
        return schema.SignatureDefT(
            inputs=_tensor_maps(self.inputs),
            outputs=_tensor_maps(self.outputs),
            signatureKey=name,
            subgraphIndex=place,
        )

    def _tensor(
        self,
        shape: tuple[int, ...],
        dtype: np.dtype[Any],
        name: str = "",
        *,
        buffer: int = 0,
        quantization: Any = None,
    ) -> TensorRef:
        ref = TensorRef(len(self.tensors), shape, dtype, len(shape))
        self.tensors.append(
            schema.TensorT(
                shape=list(shape),
                type=_TYPES[dtype],
                buffer=buffer,
                name=name or f"t{ref.index}",
                quantization=quantization,
                hasRank=True,
            )
        )
        return ref


def _tensor_maps(refs: Mapping[str, TensorRef]) -> list[Any]:
    return [schema.TensorMapT(name=name, tensorIndex=ref.index) for name, ref in refs.items()]
