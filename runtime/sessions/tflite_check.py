"""Checks a .tflite file before LiteRT reads it, whose own reader crashes on a damaged one.

All offsets lead into the file, all indices to what they name, constants are as long as their shapes
say, and an operator reads only what is there by then. The numbers beside the names of fields are
their places in the schema.
"""

import numpy as np
from numpy.typing import NDArray

from squeezebert_mobile.runtime.sessions.flatbuffer_reader import (
    Damaged,
    Ints,
    Reader,
    Tables,
    Vectors,
    check,
)

__all__ = ["check_model"]

_IDENTIFIER = b"TFL3"
_LONGEST = 1 << 31  # bytes of a tensor
#: Bytes of an element, by a tensor's type; 0 for a type that no export writes.
_SIZES = np.array([4, 0, 4, 0, 8, 0, 1, 0, 0, 1])
_FLOAT32, _INT32 = 0, 2

_ANY = -1
_CONV_2D_OPTIONS, _RESHAPE_OPTIONS, _SPLIT_OPTIONS = 1, 17, 35
_CONV_2D, _FULLY_CONNECTED = 3, 9  # their third input, the bias, may be left out
#: Operators of an export, by their number in the schema -> type of the options (0: none), number of
#: inputs, number of results.
_OPERATORS = {
    0: (11, 2, 1),  # ADD
    2: (10, _ANY, 1),  # CONCATENATION
    3: (_CONV_2D_OPTIONS, 3, 1),  # CONV_2D
    7: (0, 2, 1),  # EMBEDDING_LOOKUP
    9: (8, 3, 1),  # FULLY_CONNECTED
    14: (0, 1, 1),  # LOGISTIC
    18: (21, 2, 1),  # MUL
    19: (0, 1, 1),  # RELU
    21: (0, 1, 1),  # RELU6
    22: (_RESHAPE_OPTIONS, 2, 1),  # RESHAPE
    25: (9, 1, 1),  # SOFTMAX
    28: (0, 1, 1),  # TANH
    39: (26, 2, 1),  # TRANSPOSE
    40: (27, 2, 1),  # MEAN
    41: (28, 2, 1),  # SUB
    42: (29, 2, 1),  # DIV
    47: (0, 1, 1),  # EXP
    49: (_SPLIT_OPTIONS, 2, _ANY),  # SPLIT
    55: (39, 2, 1),  # MAXIMUM
    57: (39, 2, 1),  # MINIMUM
    65: (48, 3, 1),  # SLICE
    71: (53, 2, 1),  # EQUAL
    73: (0, 1, 1),  # LOG
    75: (0, 1, 1),  # SQRT
    76: (0, 1, 1),  # RSQRT
    98: (75, 1, 1),  # LEAKY_RELU
    101: (0, 1, 1),  # ABS
    117: (91, 1, 1),  # HARD_SWISH
    123: (98, 3, 1),  # SELECT_V2
    126: (101, 2, 1),  # BATCH_MATMUL
    150: (116, 1, 1),  # GELU
}
#: By operator's number: the type of the options, the number of inputs, and that of results.
_FORMS = np.zeros((3, max(_OPERATORS) + 1), np.int64)
for _number, _form in _OPERATORS.items():
    _FORMS[:, _number] = _form


def check_model(content: NDArray[np.uint8]) -> None:
    """Check the content of a file.

    Raises:
        ValueError: it is no LiteRT model, or is damaged.
    """
    if bytes(content[4:8]) != _IDENTIFIER:
        raise Damaged("it is no LiteRT model")
    model = Reader(content).root().allow_only(0, 1, 2, 4, 7)
    codes = _codes(model.vectors(1).tables().allow_only(0, 2, 3))  # operator_codes
    buffers = model.vectors(4).tables().allow_only(0)
    nbytes = buffers.vectors(0, width=1).lengths  # data
    subgraphs = model.vectors(2).tables().allow_only(0, 1, 2, 3, 4)
    subgraphs.check_strings(4)  # name
    check(len(subgraphs) > 0, "it has no subgraph")
    tensors = _Tensors(subgraphs, nbytes)
    _check_operators(subgraphs, tensors, codes)
    _check_signatures(model, tensors)


class _Tensors:
    """The tensors of all subgraphs, one after another."""

    def __init__(self, subgraphs: Tables, nbytes: Ints) -> None:
        lists = subgraphs.vectors(0)  # tensors
        self.tables, self.counts = lists.tables().allow_only(0, 1, 2, 3, 4, 8), lists.lengths
        self.tables.check_strings(3)  # name
        self.first = np.cumsum(self.counts) - self.counts  # of each subgraph
        places = self.tables.number(2, "<u4")  # buffer
        check(places < len(nbytes), "a tensor has no buffer")
        self.is_constant = nbytes[places] > 0
        self._check_shapes(nbytes[places])
        self._check_scales()
        self.inputs, self.outputs = (subgraphs.vectors(field) for field in (1, 2))
        for each, type, name in (
            (self.inputs, _INT32, "an input is not int32"),
            (self.outputs, _FLOAT32, "an output is not float32"),
        ):
            check(self.types[self.among(each)] == type, name)

    def among(
        self, vectors: Vectors, *, optional: bool = False, owners: Ints | None = None
    ) -> Ints:
        """The tensors that vectors of indices name; -1 where an optional one is left out.

        Args:
            vectors: A vector for each subgraph.
            optional: Whether -1 is allowed.
            owners: The subgraph of each vector, if it is another.
        """
        values = vectors.values()
        subgraph = vectors.owners() if owners is None else owners[vectors.owners()]
        low = -1 if optional else 0
        inside = (values >= low) & (values < self.counts[subgraph])
        check(inside, "an operator or a signature names a tensor that is not there")
        return np.where(values < 0, -1, self.first[subgraph] + values)

    def _check_shapes(self, nbytes: Ints) -> None:
        shapes = self.tables.vectors(0)  # shape
        dimensions = shapes.values()
        check((dimensions > 0) & (dimensions < _LONGEST), "a tensor has an impossible shape")
        self.types = types = self.tables.number(1, "<i1")  # type
        check((types >= 0) & (types < len(_SIZES)), "a tensor has an unknown type")
        sizes = _SIZES[types]
        check(sizes > 0, "a tensor has an unknown type")
        logarithms = np.zeros(len(self.tables))
        np.add.at(logarithms, shapes.owners(), np.log2(dimensions))
        check(logarithms < 31, "a tensor has an impossible shape")
        products = sizes.astype(np.int64)
        np.multiply.at(products, shapes.owners(), dimensions)
        check(products < _LONGEST, "a tensor has an impossible shape")
        check((nbytes == 0) | (nbytes == products), "a weight is shorter or longer than its shape")
        self.shapes = shapes

    def _check_scales(self) -> None:
        """A weight has one scale for each row, or a single one."""
        has = self.tables.has_field(4)
        quantization = self.tables.table(4).allow_only(2, 3)
        scales, zeros = quantization.vectors(2), quantization.vectors(3, width=8)
        rows = np.ones(len(quantization), np.int64)
        some = self.shapes.lengths[has] > 0
        rows[some] = self.tables.reader.numbers(self.shapes.starts[has][some], "<i4")
        counts = scales.lengths
        check((counts == 1) | (counts == rows), "a weight has another number of scales")
        check(zeros.lengths == counts, "a weight has another number of zero points")


def _codes(codes: Tables) -> Ints:
    """The number of each operator in the file's list."""
    # Older files have the number in a byte, newer ones in both.
    numbers = np.maximum(codes.number(0, "<i1"), codes.number(3, "<i4"))
    if unknown := sorted({*numbers.tolist()} - _OPERATORS.keys()):
        raise Damaged(f"an export writes no operator {unknown[0]}")
    return numbers


def _check_operators(subgraphs: Tables, tensors: _Tensors, codes: Ints) -> None:
    lists = subgraphs.vectors(3)  # operators
    operators, owners = lists.tables().allow_only(0, 1, 2, 3, 4), lists.owners()
    places = operators.number(0, "<u4")  # opcode_index
    check(places < len(codes), "an operator is not in the list")
    numbers = codes[places]
    reads, writes = operators.vectors(1), operators.vectors(2)
    _check_form(operators, numbers, reads, writes)
    read = tensors.among(reads, optional=True, owners=owners)
    written = tensors.among(writes, owners=owners)
    never = len(operators)
    made = np.full(len(tensors.tables), never)  # by which operator
    made[tensors.is_constant] = -1
    made[tensors.among(tensors.inputs)] = -1
    check(made[written] == never, "two operators have the same result")
    made[written] = writes.owners()
    check(np.bincount(written, minlength=1).max() <= 1, "two operators have the same result")
    needed = read >= 0
    before = made[read[needed]] < reads.owners()[needed]
    check(before, "an operator reads what is not there yet")
    check(made[tensors.among(tensors.outputs)] < never, "an output is never computed")


def _check_form(operators: Tables, numbers: Ints, reads: Vectors, writes: Vectors) -> None:
    """Each operator has the options that it reads, and as many tensors."""
    options, inputs, results = _FORMS[:, numbers]
    types = operators.number(3, "<u1")  # builtin_options_type
    there = operators.has_field(4)  # builtin_options
    check((types == options) & (there == (options > 0)), "an operator has another's options")
    _check_options(operators.table(4), options[there], writes.lengths[there])
    check((inputs == _ANY) | (reads.lengths == inputs), "an operator reads too much or too little")
    check((results == _ANY) | (writes.lengths == results), "an operator has too many results")
    check((reads.lengths > 0) & (writes.lengths > 0), "an operator reads or writes nothing")
    left_out = reads.values() < 0
    first = np.cumsum(reads.lengths) - reads.lengths
    within = np.arange(len(left_out)) - first[reads.owners()]
    may_be = ((numbers == _CONV_2D) | (numbers == _FULLY_CONNECTED))[reads.owners()] & (within == 2)
    check(~left_out | may_be, "an operator lacks what it reads")


def _check_options(tables: Tables, types: Ints, results: Ints) -> None:
    """The options that LiteRT does not check itself."""
    tables.vectors(0, having=types == _RESHAPE_OPTIONS).values()  # new_shape
    is_split, is_convolution = types == _SPLIT_OPTIONS, types == _CONV_2D_OPTIONS
    parts = tables.number(0, "<i4", having=is_split)  # num_splits
    check(parts[is_split] == results[is_split], "an operator has too many results")
    for field, default in ((1, 0), (2, 0), (4, 1), (5, 1)):  # strides and dilations
        steps = tables.number(field, "<i4", default, having=is_convolution)
        check(steps[is_convolution] == 1, "a convolution has steps that no export writes")


def _check_signatures(model: Tables, tensors: _Tensors) -> None:
    signatures = model.vectors(7).tables().allow_only(0, 1, 2, 4)  # signature_defs
    signatures.check_strings(2)  # signature_key
    subgraph = signatures.number(4, "<u4")  # subgraph_index
    check(subgraph < len(tensors.counts), "a signature has no subgraph")
    for field, kind in ((0, tensors.inputs), (1, tensors.outputs)):
        maps = signatures.vectors(field)
        entries = maps.tables().allow_only(0, 1)
        entries.check_strings(0)  # name
        own = subgraph[maps.owners()]
        index = entries.number(1, "<u4")  # tensor_index
        check(index < tensors.counts[own], "a signature names a tensor that is not there")
        is_known = np.zeros(len(tensors.tables), np.bool_)
        is_known[tensors.among(kind)] = True
        check(is_known[tensors.first[own] + index], "a signature names another tensor")
        check(maps.lengths == kind.lengths[subgraph], "a signature leaves out a tensor")
