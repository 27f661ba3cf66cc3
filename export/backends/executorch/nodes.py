"""Writes XNNPACK's operators for one node of the graph, in ExecuTorch's serialization of them.

A value of XNNPACK's graph is an integer id. Shapes hold the longest sequence; at run time XNNPACK
computes them again from the inputs, so a reshape says 0 for the length.
"""

import math
from collections.abc import Iterator, Sequence
from typing import Any

import torch
from executorch.backends.xnnpack.operators.node_visitor import NodeVisitor
from executorch.backends.xnnpack.operators.quant_params import QuantParams
from executorch.backends.xnnpack.serialization import xnnpack_graph_schema as xnn
from executorch.backends.xnnpack.utils.utils import get_param_tensor
from executorch.backends.xnnpack.utils.xnnpack_constants import XNN_INVALID_VALUE_ID

from squeezebert_mobile.export.quantize.recipe import INT8_MAX

__all__ = ["FP16", "FP32", "Nodes"]

FP16, FP32 = xnn.XNNDatatype.xnn_datatype_fp16, xnn.XNNDatatype.xnn_datatype_fp32
_QUANTIZED_AT_RUN_TIME = xnn.XNNDatatype.xnn_datatype_qdint8
_TRANSPOSE_B, _KEEP_DIMS = 0x1, 0x40  # flags of xnnpack.h


class Nodes:
    """The operators for one node.

    Args:
        visitor: ExecuTorch's visitor, which knows the program's constants.
        node: The node of the graph.
        graph: XNNPACK's graph so far.
        ids: Node of the graph -> value of XNNPACK's graph.
        debug_handle: The handle of the node.
    """

    def __init__(  # noqa: D107
        self, visitor: NodeVisitor, node: Any, graph: Any, ids: dict[Any, int], debug_handle: int
    ) -> None:
        self.visitor, self.node, self.graph, self.ids = visitor, node, graph, ids
        self.debug_handle = debug_handle

    # Values ---------------------------------------------------------------------------------

    def input(self, index: int) -> int:
        """The value of an argument."""
        argument = self.node.args[index]
        self.visitor.define_tensor(argument, self.graph, self.ids)
        return self.ids[argument]

    def weight(self, values: int, scales: int, *, channels_last: bool = False) -> int:
        """The int8 weight in argument `values`, with the scales of argument `scales`."""
        integers, steps = self.node.args[values], self.node.args[scales]
        tensor = get_param_tensor(self.visitor.exported_program, steps)
        quantization = QuantParams(
            per_channel=True,
            q_input=integers,
            scale=tensor,
            zp=torch.zeros(len(tensor), dtype=torch.long),
            axis=0,
            dtype=torch.int8,
            qmax=INT8_MAX,
            qmin=-INT8_MAX,
            is_output=False,
            is_input=False,
        )
        self.visitor.define_tensor(
            integers,
            self.graph,
            self.ids,
            convert_to_nhwc=channels_last,
            quant_params=quantization,
        )
        return self.ids[integers]

    def output(self) -> int:
        """The value of the node itself."""
        self.visitor.define_tensor(self.node, self.graph, self.ids)
        return self.ids[self.node]

    def shape(self, value: int) -> list[int]:
        """The shape of a value, with the longest sequence."""
        return list(self._tensor(value).dims)

    def datatype(self, value: int) -> Any:
        """FP16, FP32, or a quantized type."""
        return self._tensor(value).datatype

    def _tensor(self, value: int) -> Any:
        union = self.graph.xvalues[value].xvalue_union
        return union if isinstance(union, xnn.XNNTensorValue) else union.tensor_value

    def _value(self, shape: Sequence[int], datatype: Any, quantization: Any = None) -> int:
        value = len(self.graph.xvalues)
        tensor: Any = xnn.XNNTensorValue(
            datatype=datatype,
            num_dims=len(shape),
            dims=list(shape),
            external_id=XNN_INVALID_VALUE_ID,
            constant_buffer_idx=0,
            flags=0,
            id_out=value,
        )
        if quantization is not None:
            tensor = xnn.XNNQuantizedTensorValue(tensor_value=tensor, quant_params=quantization)
        self.graph.xvalues.append(xnn.XValue(xvalue_union=tensor))
        return value

    # Operators ------------------------------------------------------------------------------

    def add(self, operator: Any) -> None:
        """Append an operator of XNNPACK's schema."""
        self.graph.xnodes.append(
            xnn.XNode(xnode_union=operator, debug_handle=self.debug_handle, output_min_max=None)
        )

    def unary(self, kind: Any, x: int, *, to: int | None = None, datatype: Any = None) -> int:
        """An operator of one input, into value `to` if given."""
        if to is None:
            to = self._value(self.shape(x), datatype or self.datatype(x))
        self.add(kind(input_id=x, output_id=to, flags=0))
        return to

    def binary(self, kind: Any, a: int, b: int, *, to: int | None = None) -> int:
        """An operator of two inputs; the result has the shape of `a`."""
        if to is None:
            to = self._value(self.shape(a), self.datatype(a))
        self.add(kind(input1_id=a, input2_id=b, output_id=to, flags=0))
        return to

    def as_type(self, x: int, datatype: Any) -> int:
        """`x` in FP16 or FP32."""
        if self.datatype(x) == datatype:
            return x
        return self.unary(xnn.XNNConvert, x, datatype=datatype)

    def quantized(self, x: int, axes: int) -> int:
        """`x` as int8, with a scale for each index of its axes but the last `axes`.

        Two operators that read the same value share it.
        """
        quantization = xnn.PerTokenDynamicQuant(num_nonbatch_dims=axes)
        for node in self._reading(x, xnn.XNNConvert):
            union = self.graph.xvalues[node.output_id].xvalue_union
            if getattr(union, "quant_params", None) == quantization:
                return int(node.output_id)
        to = self._value(self.shape(x), _QUANTIZED_AT_RUN_TIME, quantization)
        return self.unary(xnn.XNNConvert, x, to=to)

    def reshape(self, x: int, shape: Sequence[int], *, to: int | None = None) -> int:
        """`x` with another shape; 0 stands for the sequence."""
        if to is None:
            length = math.prod(self.shape(x)) // math.prod(size or 1 for size in shape)
            to = self._value([size or length for size in shape], self.datatype(x))
        self.add(
            xnn.XNNStaticReshape(
                num_dims=len(shape), new_shape=list(shape), input_id=x, output_id=to, flags=0
            )
        )
        return to

    def reshaped_once(self, x: int, shape: Sequence[int]) -> int:
        """`reshape`, which all nodes of the graph share."""
        for node in self._reading(x, xnn.XNNStaticReshape):
            if node.new_shape == list(shape):
                return int(node.output_id)
        return self.reshape(x, shape)

    def _reading(self, x: int, kind: Any) -> Iterator[Any]:
        """The operators of a kind that read `x`."""
        nodes = (operator.xnode_union for operator in self.graph.xnodes)
        return (node for node in nodes if isinstance(node, kind) and node.input_id == x)

    def transpose(self, x: int, *axes: int) -> int:
        """`x` with its axes in this order."""
        shape = self.shape(x)
        to = self._value([shape[axis] for axis in axes], self.datatype(x))
        self.add(
            xnn.XNNStaticTranspose(
                num_dims=len(axes), perm=list(axes), input_id=x, output_id=to, flags=0
            )
        )
        return to

    def slice_first_axis(self, x: int, begin: int, size: int) -> int:
        """`x[begin : begin + size]`, of three axes; a size of 0 takes all of an axis."""
        to = self._value([size, *self.shape(x)[1:]], self.datatype(x))
        self.add(
            xnn.XNNStaticSlice(
                num_dims=3,
                offsets=[begin, 0, 0],
                sizes=[size, 0, 0],
                input_id=x,
                output_id=to,
                flags=0,
            )
        )
        return to

    def matmul(self, a: int, b: int, *, transpose_b: bool = False) -> int:
        """The products of two batches of matrices, a (H, S, D)."""
        columns = self.shape(b)[1 if transpose_b else 2]
        to = self._value([*self.shape(a)[:2], columns], self.datatype(a))
        flags = _TRANSPOSE_B if transpose_b else 0
        self.add(xnn.XNNBatchMatrixMultiply(input1_id=a, input2_id=b, output_id=to, flags=flags))
        return to

    def mean_of_columns(self, x: int) -> int:
        """The mean over axis 1 of x (1, C, 1, S), to (1, 1, 1, S).

        XNNPACK reduces the axis before the last ten times as fast as the last one.
        """
        shape = self.shape(x)
        to = self._value([1, 1, 1, shape[3]], self.datatype(x))
        self.add(xnn.XNNGlobalAvgPooling2d(input_id=x, output_id=to, flags=_KEEP_DIMS))
        return to

    def pointwise_convolution(self, x: int, weight: int, bias: int, groups: int, to: int) -> None:
        """A convolution of size 1 of x (1, 1, S, C) with a weight (N, 1, 1, C/G)."""
        out_channels, _, _, in_channels = self.shape(weight)
        nothing = dict.fromkeys(
            [f"padding_{side}" for side in ("top", "right", "bottom", "left")]
            + ["adjustment_height", "adjustment_width", "flags"],
            0,
        )
        ones = [
            f"{what}_{axis}"
            for what in ("kernel", "subsampling", "dilation")
            for axis in ("height", "width")
        ]
        self.add(
            xnn.XNNConv2d(
                **nothing,
                **dict.fromkeys(ones, 1),
                group_input_channels=in_channels,
                group_output_channels=out_channels // groups,
                groups=groups,
                input1_id=x,
                filter_id=weight,
                bias_id=bias,
                output_id=to,
            )
        )
